import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import { parseId } from '../domain/ids.ts';
import type { ExceptionId } from '../domain/ids.ts';
import { MAY_ANSWER, MAY_ASK, MAY_REVIEW } from '../exchange/exception-verbs.ts';
import type { ExceptionView, makeExceptionVerbs } from '../exchange/exception-verbs.ts';
import { EXCEPTION_STATES } from '../ledger/index.ts';
import { roles } from './authenticate.ts';
import { body, query } from './body.ts';
import type { Req, Step } from './context.ts';
import { operatorOf } from './context.ts';
import { pageOf, toPage } from './page.ts';
import { noStore } from './steps.ts';
import { utcTime } from './time.ts';

const name = z.string().min(1).max(2_048).optional();
const words = z.string().min(1).max(1_000);
/** `<trust>/<id>`: the name of a trust entry has no slash. */
const agent = z
  .string()
  .max(2_200)
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}\/.+$/, 'must be <trust>/<id>');

export const ExceptionBody = z.strictObject({
  scope: z
    .strictObject({ profile: name, tool: name, agent: agent.optional(), owner: name, environment: name })
    .refine(({ profile, tool }) => (profile === undefined) !== (tool === undefined), 'exactly one of profile, tool'),
  policies: z.array(z.string().min(1).max(64)).min(1).max(20),
  reason: words,
  starts_at: utcTime.optional(),
  ends_at: utcTime,
  review_by: utcTime,
});
export const ExceptionAnswerBody = z.strictObject({ reason: words });
export const ReviewBody = z.strictObject({ note: words });
export const ExceptionsQuery = z.strictObject({
  state: z.enum(EXCEPTION_STATES).optional(),
  profile: name,
  tool: name,
  owner: name,
  environment: name,
  /** Those whose review date has passed without one. */
  unreviewed: z.enum(['true', 'false']).optional(),
  ...pageOf('exception'),
});

export function exceptionsRouter(
  verbs: ReturnType<typeof makeExceptionVerbs>,
  asOperator: Step,
  json: RequestHandler,
): Router {
  const create = body(ExceptionBody, async (input, _req, res) => {
    const view = await verbs.request(operatorOf(res), {
      scope: input.scope,
      policies: [...new Set(input.policies)],
      reason: input.reason,
      ...(input.starts_at === undefined ? {} : { startsAt: new Date(input.starts_at) }),
      endsAt: new Date(input.ends_at),
      reviewBy: new Date(input.review_by),
    });
    res.status(201).json(exceptionBody(view));
  });

  const list = query(ExceptionsQuery, async ({ cursor, limit, unreviewed, ...filter }, _req, res) => {
    const asked = { ...filter, unreviewed: unreviewed === 'true' };
    const found = await verbs.list(operatorOf(res), asked, limit + 1, cursor);
    const { rows, next } = toPage(found.map(exceptionBody), limit);
    res.json({ exceptions: rows, ...next });
  });

  const show: Step = async (req, res) => {
    res.json(exceptionBody(await verbs.show(operatorOf(res), exceptionId(req))));
  };

  const answer = (word: 'approve' | 'deny') =>
    body(ExceptionAnswerBody, async ({ reason }, req, res) => {
      res.json(exceptionBody(await verbs.answer(operatorOf(res), exceptionId(req), word, reason)));
    });

  const end = body(ExceptionAnswerBody, async ({ reason }, req, res) => {
    res.json(exceptionBody(await verbs.end(operatorOf(res), exceptionId(req), reason)));
  });

  const review = body(ReviewBody, async ({ note }, req, res) => {
    res.json(exceptionBody(await verbs.review(operatorOf(res), exceptionId(req), note)));
  });

  const router = Router();
  const one = '/v1/exceptions/:id';
  router.post('/v1/exceptions', noStore, asOperator, roles(...MAY_ASK), json, create);
  router.get('/v1/exceptions', noStore, asOperator, roles(...OPERATOR_ROLES), list);
  router.get(one, noStore, asOperator, roles(...OPERATOR_ROLES), show);
  router.post(`${one}/approve`, noStore, asOperator, roles(...MAY_ANSWER), json, answer('approve'));
  router.post(`${one}/deny`, noStore, asOperator, roles(...MAY_ANSWER), json, answer('deny'));
  router.post(`${one}/end`, noStore, asOperator, roles(...MAY_ASK), json, end);
  router.post(`${one}/review`, noStore, asOperator, roles(...MAY_REVIEW), json, review);
  return router;
}

function exceptionId(req: Req): ExceptionId {
  const id = parseId('exception', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}

export function exceptionBody({ row, state, overdue, uses }: ExceptionView) {
  const { profile, tool, agent: who, owner, environment } = row;
  const scope = Object.entries({ profile, tool, agent: who, owner, environment }).filter(([, value]) => value !== null);
  const at = (time: Date | null) => time?.toISOString() ?? null;
  return {
    id: row.id,
    state,
    scope: Object.fromEntries(scope),
    policies: row.policies,
    reason: row.reason,
    requested_by: row.author,
    requested_at: row.createdAt.toISOString(),
    starts_at: row.startsAt.toISOString(),
    ends_at: row.endsAt.toISOString(),
    answered_by: row.answeredBy,
    answered_at: at(row.answeredAt),
    answer_reason: row.answerReason,
    ended_by: row.endedBy,
    ended_at: at(row.endedAt),
    end_reason: row.endReason,
    review: {
      by: row.reviewBy.toISOString(),
      overdue,
      reviewed_by: row.reviewedBy,
      reviewed_at: at(row.reviewedAt),
      note: row.reviewNote,
    },
    uses,
  };
}
