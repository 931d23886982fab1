import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import type { ApprovalId } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';
import type { AskedCall, makeAccessRequests } from '../exchange/access-request.ts';
import type { CallQuestion } from '../exchange/call-question.ts';
import type { Caller } from '../exchange/context.ts';
import type { TaskOf } from '../exchange/task-token.ts';
import type { ApprovalRow } from '../ledger/index.ts';
import { approvalId, goneOf, WaitQuery } from './approvals.ts';
import { workloads } from './authenticate.ts';
import { EvaluationBody, readItem } from './authzen-request.ts';
import { query } from './body.ts';
import type { RequestFault } from './body.ts';
import { onTask, shownTask } from './call-task.ts';
import type { Step } from './context.ts';
import { workloadOf } from './context.ts';
import { echoRequestId, noStore } from './steps.ts';

const Denial = z.object({ binding_token: z.string().min(1).max(16_384) });

/** The question as it was, and the denial that came of it. As in AuthZEN, members that are not known are ignored. */
export const AccessRequestBody = EvaluationBody.extend({ denial: Denial });

export interface AccessRequestVerbs extends Omit<ReturnType<typeof makeAccessRequests>, 'offer'> {
  readonly reask: (caller: Caller, question: CallQuestion) => Promise<AskedCall>;
  readonly taskOf: TaskOf;
  /** Where a request is looked at. */
  readonly requestUrl: (id: ApprovalId) => string;
}

/** The AuthZEN Access Request and Approval Profile. What comes of it is asked about again: the answer itself gives nothing. */
export function accessRequestsRouter(verbs: AccessRequestVerbs, asWorkload: Step, json: RequestHandler): Router {
  const submit: Step = async (req, res) => {
    const caller = workloadOf(res);
    const { denial, question } = readRequest((req.body ?? {}) as Json);
    const call = onTask(question, await shownTask(verbs.taskOf, req, res));
    const row = await verbs.submit(caller, denial.binding_token, await verbs.reask(caller, call));
    res
      .status(202)
      .location(verbs.requestUrl(row.id as ApprovalId))
      .json(taskBody(row, verbs.requestUrl));
  };

  const show = query(WaitQuery, async ({ wait }, req, res) => {
    const patience = { seconds: wait, gone: goneOf(res) };
    res.json(taskBody(await verbs.show(workloadOf(res), approvalId(req), patience), verbs.requestUrl));
  });

  const router = Router();
  router.post('/access/v1/requests', echoRequestId, noStore, asWorkload, workloads, json, submit);
  router.get('/access/v1/requests/:id', echoRequestId, noStore, asWorkload, workloads, show);
  return router;
}

/** Every fault at once. The approval that is asked for is none of the question. */
function readRequest(given: Json) {
  const item = readItem(given);
  const parsed = z.object({ denial: Denial }).safeParse(given);
  const faults: RequestFault[] = [
    ...(item.ok ? [] : item.faults),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => ({
      path: path.map(String).join('.'),
      problem: message,
    })),
  ];
  if (!item.ok || !parsed.success)
    throw new Refusal('invalid_request', { errors: faults.map((fault) => ({ ...fault })) });
  const { approval: _, ...question } = item.question;
  return { denial: parsed.data.denial, question };
}

/** Our states in the profile's words. What was used is approved still, and of no further use. */
const STATUS: Readonly<Record<string, string>> = {
  pending: 'pending',
  approved: 'approved',
  consumed: 'approved',
  denied: 'denied',
  lapsed: 'expired',
};

function taskBody(row: ApprovalRow, urlOf: (id: ApprovalId) => string) {
  const { id, state, expiresAt, answers } = row;
  const status = STATUS[state] ?? 'failed';
  const last = answers.at(-1);
  const approved = status === 'approved' && last ? last.at.toISOString() : undefined;
  const until = expiresAt.toISOString();
  return {
    task: { id, status, status_endpoint: urlOf(id as ApprovalId), expires_at: until },
    ...(approved === undefined
      ? {}
      : { result: { mode: 'reevaluate', approval: { id, approved_at: approved, approved_until: until } } }),
    ...(status === 'denied' && last ? { reason: last.reason } : {}),
  };
}
