import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { DecisionId, TaskId } from '../domain/ids.ts';
import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { CallQuestion, Evaluated, Semantic } from '../exchange/call-question.ts';
import type { Caller } from '../exchange/context.ts';
import type { Outcome } from '../exchange/outcome.ts';
import type { TaskOf } from '../exchange/task-token.ts';
import { OUTCOMES } from '../ledger/index.ts';
import { workloads } from './authenticate.ts';
import { readItem, readMany } from './authzen-request.ts';
import type { ReadItem } from './authzen-request.ts';
import { body, unambiguousJson } from './body.ts';
import { onTask, shownTask } from './call-task.ts';
import type { Req, Step } from './context.ts';
import { workloadOf } from './context.ts';
import { echoRequestId, noStore } from './steps.ts';
import { utcTime } from './time.ts';

const MAX_SINGLE = '64kb';
const MAX_MANY = '1mb';

export const OutcomeBody = z.strictObject({
  status: z.enum(OUTCOMES),
  detail: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/, 'must be a code: letters, digits and . _ : -, at most 100')
    .optional(),
  at: utcTime.optional(),
});

export interface CallVerbs {
  readonly evaluate: (
    asker: Caller,
    questions: readonly CallQuestion[],
    semantic?: Semantic,
  ) => Promise<readonly Evaluated[]>;
  readonly reportOutcome: (caller: Caller, outcome: Outcome) => Promise<{ at: Date }>;
  readonly taskOf?: TaskOf;
  readonly issuer: string;
}

/** AuthZEN 1.0: a deny is a 200; a 4xx is a request that is broken as a whole, or a caller that nothing verifies. */
export function authzenRouter(verbs: CallVerbs, asWorkload: Step, json: RequestHandler): Router {
  const single = async (asker: Caller, item: ReadItem, task: TaskId | undefined): Promise<JsonObject> => {
    if (!item.ok) throw new Refusal('invalid_request', { errors: item.faults.map((fault) => ({ ...fault })) });
    const [evaluated] = await verbs.evaluate(asker, [onTask(item.question, task)]);
    return evaluated ? answerBody(evaluated) : BROKEN;
  };

  const evaluation: Step = async (req, res) => {
    const asker = workloadOf(res);
    res.json(await single(asker, readItem(bodyOf(req)), await shownTask(verbs.taskOf, req, res)));
  };

  const evaluations: Step = async (req, res) => {
    const asker = workloadOf(res);
    const given = bodyOf(req);
    const many = isJsonObject(given) ? readMany(given) : undefined;
    const task = await shownTask(verbs.taskOf, req, res);
    if (!many) res.json(await single(asker, readItem(given), task));
    else if ('faults' in many) {
      throw new Refusal('invalid_request', { errors: many.faults.map((fault) => ({ ...fault })) });
    } else res.json({ evaluations: await evaluateAll(verbs, asker, many, task) });
  };

  const report = body(OutcomeBody, async (input, req, res) => {
    const { at } = await verbs.reportOutcome(workloadOf(res), {
      decision: decisionId(req),
      status: input.status,
      detail: input.detail,
      happenedAt: input.at === undefined ? undefined : new Date(input.at),
    });
    res.status(201).json({ decision: decisionId(req), status: input.status, reported_at: at.toISOString() });
  });

  const metadata: Step = (_req, res) => {
    const { issuer } = verbs;
    res.set('Cache-Control', 'public, max-age=300').json({
      policy_decision_point: issuer,
      access_evaluation_endpoint: `${issuer}/access/v1/evaluation`,
      access_evaluations_endpoint: `${issuer}/access/v1/evaluations`,
      access_request_endpoint: `${issuer}/access/v1/requests`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      capabilities: ['urn:openid:authzen:capability:access-request'],
    });
  };

  const router = Router();
  const [one, many] = [unambiguousJson(MAX_SINGLE), unambiguousJson(MAX_MANY)];
  router.post('/access/v1/evaluation', echoRequestId, noStore, asWorkload, workloads, one, evaluation);
  router.post('/access/v1/evaluations', echoRequestId, noStore, asWorkload, workloads, many, evaluations);
  router.get('/.well-known/authzen-configuration', echoRequestId, metadata);
  router.post('/v1/tool-calls/:id/outcome', noStore, asWorkload, workloads, json, report);
  return router;
}

const bodyOf = (req: Req): Json => (req.body ?? {}) as Json;

/** Broken items are denied where they stand, and are not asked about. */
async function evaluateAll(
  verbs: CallVerbs,
  asker: Caller,
  { items, semantic }: { readonly items: readonly ReadItem[]; readonly semantic: Semantic },
  task: TaskId | undefined,
): Promise<JsonObject[]> {
  const broken = semantic === 'deny_on_first_deny' ? items.findIndex((item) => !item.ok) : -1;
  const wanted = broken < 0 ? items : items.slice(0, broken + 1);
  const questions = wanted.flatMap((item) => (item.ok ? [onTask(item.question, task)] : []));
  const evaluated = questions.length === 0 ? [] : await verbs.evaluate(asker, questions, semantic);
  const answers: JsonObject[] = [];
  let next = 0;
  for (const item of wanted) {
    const one = item.ok ? evaluated[next++] : undefined;
    if (item.ok && !one) break; // what comes after what settles it was not decided
    answers.push(one ? answerBody(one) : brokenBody(item.ok ? [] : item.faults));
    if (settles(semantic, one?.code === null)) break;
  }
  return answers;
}

function settles(semantic: Semantic, allowed: boolean): boolean {
  if (semantic === 'execute_all') return false;
  return allowed === (semantic === 'permit_on_first_permit');
}

const BROKEN: JsonObject = { decision: false };

function brokenBody(faults: readonly { readonly path: string; readonly problem: string }[]): JsonObject {
  const error = { status: 400, message: 'invalid_request' };
  return {
    decision: false,
    context: { reason: 'invalid_request', error, errors: faults.map((fault) => ({ ...fault })) },
  };
}

export function answerBody(evaluated: Evaluated): JsonObject {
  const { decision, code, facts, generation, policies, obligations, accessRequest } = evaluated;
  return {
    decision: code === null,
    context: {
      id: decision,
      ...(code === null ? {} : { reason: code, ...facts }),
      generation,
      policies,
      obligations: obligations.map((obligation) => ({ ...obligation })),
      ...(accessRequest ? { access_request: accessRequest } : {}),
    },
  };
}

function decisionId(req: Req): DecisionId {
  const id = parseId('decision', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}
