import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RefusalCode } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { ApprovalId, ExceptionId } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { sha256Hex } from '../domain/sha256.ts';
import type { CallFacts, CallRecord, RecordedCall } from '../ledger/index.ts';
import { judgeCall } from '../policy/index.ts';
import type { ApprovalNeeds, CallVerdict, PolicyAnswer } from '../policy/index.ts';
import { watchCalls } from './after-revocation.ts';
import { hashOf } from './approval.ts';
import { askedOfDraft, draftCall } from './call-draft.ts';
import type { Draft, DraftParts } from './call-draft.ts';
import type { CallQuestion, Evaluated, Obligation, RequestableCall, Semantic } from './call-question.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { tellException, underException } from './exceptions.ts';
import type { Client } from './clients.ts';
import { withRules } from './rules.ts';
import type { ActiveRules } from './rules.ts';

export interface EvaluateParts {
  readonly clients: readonly Client[];
  /** Where an outcome is reported; for the obligation to do so. */
  readonly outcomeUrl: (decision: string) => string;
  /** How an approval of this call is asked for; absent where nobody can be asked. */
  readonly requestable?: (call: RequestableCall) => Promise<JsonObject | undefined>;
  /** Told of each decision: null for an allow. */
  readonly onDecision: (code: RefusalCode | null) => void;
}

/** For so long a batch keeps the process to itself before it lets others have a turn. */
const SLICE_MS = 2;

type Context = Pick<ExchangeContext, 'ledger' | 'rules' | 'ids' | 'clock' | 'alert' | 'log'>;

/**
 * Decides calls of tools, each afresh: on its arguments, by the rules of now, against the live state of its grant, its task and the
 * orders. The state is read once to decide, and once more in the transaction that records: only what is on record as allowed is allowed.
 * Answers as many as the semantic asks for. @throws Fault `ledger_unavailable`, `no_generation`, `generation_behind`: nothing is allowed then.
 */
export function makeEvaluate(context: Context, parts: EvaluateParts) {
  return async function evaluate(
    asker: Caller,
    questions: readonly CallQuestion[],
    semantic: Semantic = 'execute_all',
  ): Promise<Evaluated[]> {
    const facts = await readFacts(context, questions);
    const answers: Evaluated[] = [];
    for (let rest = questions; rest.length > 0;) {
      // What is on record stays as it was answered: only what was not recorded is decided once more.
      const { rules, judged, recorded } = await withRules(context.rules, (active) =>
        judgeAndRecord(context, { rules: active, clients: parts.clients, asker, facts }, rest, semantic),
      );
      const done = judged.slice(0, recorded.length);
      for (const [index, { record }] of done.entries()) {
        if (recorded[index]?.code === null) tellException(context.log, { ...record, action: 'call' });
      }
      answers.push(...(await Promise.all(done.map((one, index) => answer(parts, rules, one, recorded[index])))));
      const told = done.map(({ record: { grant, task } }, index) => {
        return { grant, task, code: recorded[index]?.code ?? null };
      });
      await watchCalls(context, asker, told);
      rest = enough(semantic, answers) ? [] : rest.slice(judged.length);
    }
    return answers;
  };
}

async function judgeAndRecord(
  context: Context,
  parts: Omit<DraftParts, 'now'>,
  questions: readonly CallQuestion[],
  semantic: Semantic,
): Promise<{ rules: ActiveRules; judged: Judged[]; recorded: RecordedCall[] }> {
  const { rules, asker } = parts;
  const judged = await judgeAll(context, parts, questions, semantic);
  const recorded = await context.ledger.calls.record({
    generation: rules.number,
    rulesHash: rules.hash,
    origin: asker.origin,
    untilDeny: semantic === 'deny_on_first_deny',
    calls: judged.map(({ record }) => record),
  });
  return { rules, judged, recorded };
}

function enough(semantic: Semantic, answers: readonly Evaluated[]): boolean {
  const last = answers.at(-1);
  if (semantic === 'permit_on_first_permit') return last?.code === null;
  return semantic === 'deny_on_first_deny' && last?.code !== null;
}

export function readFacts({ ledger }: Pick<Context, 'ledger'>, questions: readonly CallQuestion[]): Promise<CallFacts> {
  const named = <Kind extends 'grant' | 'task' | 'approval'>(kind: Kind) => [
    ...new Set(questions.flatMap((question) => parseId(kind, question[kind] ?? '') ?? [])),
  ];
  return ledger.calls.facts(named('grant'), named('task'), named('approval'));
}

interface Judged {
  readonly draft: Draft;
  readonly record: CallRecord;
  readonly facts: JsonObject;
  readonly needs?: ApprovalNeeds;
}

/** As far as the semantic wants: whether what the rules allow stays allowed is only known once it is recorded. */
async function judgeAll(
  context: Context,
  parts: Omit<DraftParts, 'now'>,
  questions: readonly CallQuestion[],
  semantic: Semantic,
): Promise<Judged[]> {
  const { ids, clock } = context;
  const drafts: Draft[] = [];
  const deciding = parts.rules.policies.decideMany();
  let since = performance.now();
  for (const question of questions) {
    if (performance.now() - since > SLICE_MS) {
      await nextTurn();
      since = performance.now();
    }
    const draft = draftCall({ ...parts, now: clock.now() }, question);
    drafts.push(draft);
    if (draft.request) deciding.ask(draft.request, draft.inputs);
  }
  const answers = await deciding.answers();
  let next = 0;
  const decided = await Promise.all(
    drafts.map((draft) => excepted(context, parts.rules, draft, draft.request ? answers[next++] : undefined)),
  );
  const judged = decided.map(({ draft, answer }) => judge(parts.asker, ids, draft, answer));
  return judged.slice(0, wantedOf(semantic, judged));
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

/** How many of them come before, or are, the one that settles it. */
function wantedOf(semantic: Semantic, judged: readonly Judged[]): number {
  if (semantic === 'execute_all') return judged.length;
  const settled = judged.findIndex(
    ({ record }) => (record.outcome === 'allow') === (semantic === 'permit_on_first_permit'),
  );
  return settled < 0 ? judged.length : settled + 1;
}

function judge(asker: Caller, ids: Context['ids'], draft: Draft, answer: PolicyAnswer | undefined): Judged {
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

/** What is told of a call that is on record. */
async function answer(
  { outcomeUrl, requestable, onDecision }: EvaluateParts,
  rules: ActiveRules,
  { draft, record, facts, needs }: Judged,
  recorded: RecordedCall | undefined,
): Promise<Evaluated> {
  const code = recorded ? (recorded.code as RefusalCode | null) : 'policy_denied';
  onDecision(code);
  const same = code === record.code;
  const accessRequest =
    same && needs && draft.tool ? await requestable?.(toRequestable(record, draft, draft.tool.tool, needs)) : undefined;
  return {
    decision: record.id,
    code,
    facts: same ? facts : orderFacts(recorded),
    generation: rules.number,
    policies: record.policies,
    obligations: code === null ? obligationsOf(draft, outcomeUrl(record.id)) : [],
    ...(accessRequest ? { accessRequest } : {}),
  };
}

const orderFacts = (recorded: RecordedCall | undefined): JsonObject =>
  recorded?.order ? { order: recorded.order } : {};

function toRequestable(
  { id }: CallRecord,
  draft: Draft,
  { owner, environment }: { readonly owner: string; readonly environment: string },
  needs: ApprovalNeeds,
): RequestableCall {
  const asked = askedOfDraft(draft);
  return { decision: id, asked, askedHash: hashOf(asked), needs, owner, environment };
}

function obligationsOf({ tool }: Draft, endpoint: string): Obligation[] {
  if (tool?.tool.report !== true) return [];
  return [{ id: 'report', type: 'urn:writ:obligation:report-outcome', properties: { endpoint } }];
}
