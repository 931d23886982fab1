import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { APPROVING_ROLES } from '../domain/approval.ts';
import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import { parseId } from '../domain/ids.ts';
import type { ApprovalId } from '../domain/ids.ts';
import type { makeApprovals } from '../exchange/approvals.ts';
import { APPROVAL_STATES } from '../ledger/index.ts';
import { approvalBody } from './approval-body.ts';
import { roles } from './authenticate.ts';
import { body, query } from './body.ts';
import type { Req, Res, Step } from './context.ts';
import { operatorOf } from './context.ts';
import { pageOf, toPage } from './page.ts';
import { noStore } from './steps.ts';

const MAX_WAIT_SECONDS = 60;
const name = z.string().min(1).max(2_048).optional();

export const ApprovalsQuery = z.strictObject({
  state: z.enum(APPROVAL_STATES).optional(),
  kind: z.enum(['issue', 'call']).optional(),
  owner: name,
  environment: name,
  ...pageOf('approval'),
});
export const AnswerBody = z.strictObject({ reason: z.string().min(1).max(1_000) });
/** For how long the answer may be waited for; whoever asks is answered as soon as there is one. */
export const WaitQuery = z.strictObject({ wait: z.coerce.number().int().min(0).max(MAX_WAIT_SECONDS).default(0) });

export function approvalsRouter(
  verbs: ReturnType<typeof makeApprovals>,
  urlOf: (id: ApprovalId) => string,
  asOperator: Step,
  json: RequestHandler,
): Router {
  const list = query(ApprovalsQuery, async ({ cursor, limit, ...filter }, _req, res) => {
    const { rows, next } = toPage(await verbs.list(operatorOf(res), filter, limit + 1, cursor), limit);
    res.json({ approvals: rows.map((row) => approvalBody(row, urlOf)), ...next });
  });

  const show: Step = async (req, res) => {
    res.json(approvalBody(await verbs.show(operatorOf(res), approvalId(req)), urlOf));
  };

  const answer = (word: 'approve' | 'deny') =>
    body(AnswerBody, async ({ reason }, req, res) => {
      res.json(approvalBody(await verbs.answer(operatorOf(res), approvalId(req), word, reason), urlOf));
    });

  const router = Router();
  const answering = [noStore, asOperator, roles(...APPROVING_ROLES), json];
  router.get('/v1/approvals', noStore, asOperator, roles(...OPERATOR_ROLES), list);
  router.get('/v1/approvals/:id', noStore, asOperator, roles(...OPERATOR_ROLES), show);
  router.post('/v1/approvals/:id/approve', ...answering, answer('approve'));
  router.post('/v1/approvals/:id/deny', ...answering, answer('deny'));
  return router;
}

export function approvalId(req: Req): ApprovalId {
  const id = parseId('approval', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}

/** Ends when the caller is gone: nobody is waited for who no longer listens. */
export function goneOf(res: Res): AbortSignal {
  const controller = new AbortController();
  res.once('close', () => controller.abort());
  if (res.closed || res.destroyed) controller.abort();
  return controller.signal;
}
