import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ApprovalId, ExceptionId } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { sha256Hex } from '../domain/sha256.ts';
import type { CallRecord } from '../ledger/index.ts';
import { judgeCall } from '../policy/index.ts';
import type { ApprovalNeeds, CallVerdict, PolicyAnswer } from '../policy/index.ts';
import { draftCall } from './call-draft.ts';
import type { Draft, DraftParts } from './call-draft.ts';
import type { CallQuestion } from './call-question.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { underException } from './exceptions.ts';
import type { ActiveRules } from './rules.ts';

/** For so long a batch keeps the process to itself before it lets others have a turn. */
const SLICE_MS = 2;

type Context = Pick<ExchangeContext, 'ledger' | 'ids' | 'clock' | 'log'>;

/** A call as the rules judge it. Whether what they allow stays allowed is only known once it is recorded. */
export interface JudgedCall {
  readonly draft: Draft;
  readonly record: CallRecord;
  readonly facts: JsonObject;
  readonly needs?: ApprovalNeeds;
}

/** All of them in their sequence, a few at a time, as soon as those are judged: others are still being decided then. */
export async function* judgeCalls(
  context: Context,
  parts: Omit<DraftParts, 'now'>,
  questions: readonly CallQuestion[],
): AsyncGenerator<JudgedCall[]> {
  const { rules, asker } = parts;
  const deciding = rules.policies.decideMany();
  const drafts: Draft[] = [];
  let since = performance.now();
  for (const question of questions) {
    if (performance.now() - since > SLICE_MS) {
      await nextTurn();
      since = performance.now();
    }
    const draft = draftCall({ ...parts, now: context.clock.now() }, question);
    drafts.push(draft);
    if (draft.request) deciding.ask(draft.request, draft.inputs);
  }
  const judged = async (draft: Draft, answer?: PolicyAnswer) => {
    const final = await excepted(context, rules, draft, answer);
    return judge(asker, context.ids, final.draft, final.answer);
  };
  let next = 0;
  for await (const answers of deciding.answers()) {
    const from = next;
    for (let left = answers.length; left > 0; next++) if (drafts[next]?.request) left--;
    const unasked = [...answers];
    yield Promise.all(
      drafts.slice(from, next).map((draft) => judged(draft, draft.request ? unasked.shift() : undefined)),
    );
  }
  yield Promise.all(drafts.slice(next).map((draft) => judged(draft)));
}

/** Once more under an exception, where forbids that one may set aside stand in the way. */
async function excepted(
  context: Context,
  { policies }: ActiveRules,
  draft: Draft,
  answer: PolicyAnswer | undefined,
): Promise<{ readonly draft: Draft; readonly answer: PolicyAnswer | undefined }> {
  const { request, subject } = draft;
  if (!request || !answer) return { draft, answer };
  const { tool, declared, owner, environment } = request.resource;
  const about = { tools: [tool, declared], trust: subject.trust, subject: subject.id, owner, environment };
  return underException(context, about, { draft, answer }, (exception) => {
    const under = { ...request, exception };
    return { draft: { ...draft, request: under, inputs: canonicalJson({ ...under }) }, answer: policies.decide(under) };
  });
}

function judge(asker: Caller, ids: Context['ids'], draft: Draft, answer: PolicyAnswer | undefined): JudgedCall {
  const { tool, request, refused } = draft;
  if (!tool || !request || !answer) {
    const { code = 'policy_denied', facts = {} } = refused ?? {};
    return { draft, facts, record: toRecord(ids, asker, draft, { outcome: 'deny', code }, NO_ANSWER) };
  }
  const verdict = judgeCall(tool.tool, request, answer);
  const { facts, needs } = verdict;
  return { draft, facts, record: toRecord(ids, asker, draft, verdict, answer), ...(needs ? { needs } : {}) };
}

const NO_ANSWER: Pick<PolicyAnswer, 'policies' | 'controls' | 'errors' | 'overridden'> = {
  policies: [],
  controls: [],
  errors: [],
};

function toRecord(
  ids: Context['ids'],
  { identity }: Caller,
  draft: Draft,
  { outcome, code }: Pick<CallVerdict, 'outcome' | 'code'>,
  { policies, controls, errors, overridden }: typeof NO_ANSWER,
): CallRecord {
  const { subject, tool, task, grant, approval, inputs, request } = draft;
  const itself = subject.trust === identity.trust && subject.id === identity.id;
  return {
    id: ids.decision(),
    trust: subject.trust,
    subject: subject.id,
    resource: draft.question.resource.id,
    outcome,
    code,
    policies,
    controls,
    errors: errors.map(({ policy, message }) => ({ policy, message })),
    askedBy: itself ? null : { trust: identity.trust, id: identity.id },
    onBehalfOf: task?.task.onBehalfOf ?? null,
    owner: tool?.tool.owner ?? null,
    environment: tool?.tool.environment ?? null,
    inputs,
    inputsHash: sha256Hex(inputs),
    mode: task?.task.mode ?? 'autonomous',
    task: task ? { id: task.task.id, root: task.task.path[0] ?? task.task.id, budgeted: task.budgeted } : null,
    grant: grant?.id ?? null,
    approval: approval ? { id: approval.id as ApprovalId, askedHash: approval.askedHash } : null,
    exception: overridden && request?.exception ? (request.exception.id as ExceptionId) : null,
    argumentsHash: draft.argumentsHash,
    arguments: draft.kept,
  };
}
