import { Fault } from '../domain/errors.ts';
import type { RefusalCode } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { DecisionId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { CallFacts, CallRecord, RecordedCall } from '../ledger/index.ts';
import type { ApprovalNeeds } from '../policy/index.ts';
import { watchCalls } from './after-revocation.ts';
import { hashOf } from './approval.ts';
import { askedOfDraft } from './call-draft.ts';
import type { Draft, DraftParts } from './call-draft.ts';
import { judgeCalls } from './call-judging.ts';
import type { JudgedCall } from './call-judging.ts';
import type { CallQuestion, Evaluated, Obligation, RequestableCall, Semantic } from './call-question.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { tellException } from './exceptions.ts';
import type { Client } from './clients.ts';
import { isOvertaken, withRules } from './rules.ts';
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

/** So many calls that spend nothing are recorded in two commits, the first of them while the rest is still decided. */
const WORTH_TWO_COMMITS = 32;
/** The share of them that is recorded then. */
const EARLY = 0.6;

type Context = Pick<ExchangeContext, 'ledger' | 'rules' | 'ids' | 'clock' | 'alert' | 'log'>;

/**
 * Decides calls of tools, each afresh: on its arguments, by the rules of now, against the live state of its grant, its task and the
 * orders. The state is read once to decide, and once more in the transaction that records: only what is on record as allowed is allowed.
 * Answers as many as the semantic asks for. @throws Fault `ledger_unavailable`, `no_generation`, `generation_behind`: nothing is allowed then;
 * `recorded` are the decisions that are on record all the same, where there are any.
 */
export function makeEvaluate(context: Context, parts: EvaluateParts) {
  return async function evaluate(
    asker: Caller,
    questions: readonly CallQuestion[],
    semantic: Semantic = 'execute_all',
  ): Promise<Evaluated[]> {
    const facts = await readFacts(context, questions);
    const answers: Evaluated[] = [];
    const onRecord: DecisionId[] = [];
    for (let rest = questions; rest.length > 0;) {
      // What is on record stays as it was answered: only what was not recorded is decided once more.
      const { rules, judged, recorded } = await withRules(context.rules, (active) =>
        judgeAndRecord(
          context,
          parts,
          { rules: active, clients: parts.clients, asker, facts },
          rest,
          semantic,
          onRecord,
        ),
      ).catch((error: unknown) => {
        throw error instanceof Fault && onRecord.length > 0 ? begun(error, onRecord) : error;
      });
      const done = judged.slice(0, recorded.length);
      answers.push(...(await Promise.all(done.map((one, index) => answer(parts, rules, one, recorded[index])))));
      rest = enough(semantic, answers) ? [] : rest.slice(judged.length);
    }
    return answers;
  };
}

const begun = (fault: Fault, recorded: readonly DecisionId[]) =>
  new Fault(fault.code, { cause: fault }, { recorded: [...recorded] });

interface OnRecord {
  readonly rules: ActiveRules;
  readonly judged: readonly JudgedCall[];
  /** One for each of the first of them: what comes after is not on record. */
  readonly recorded: readonly RecordedCall[];
}

/**
 * In one commit, or a large batch in two: its beginning is recorded while the rest is still decided, which spares a good part of the time that
 * recording takes. Where the rest was overtaken by other rules, or cannot be recorded, the beginning stays as it was recorded: what is spent, budgets
 * and approvals, would be spent in vain, so that a batch with any of that is one commit.
 */
async function judgeAndRecord(
  context: Context,
  { onDecision }: EvaluateParts,
  parts: Omit<DraftParts, 'now'>,
  questions: readonly CallQuestion[],
  semantic: Semantic,
  /** Gets each of them as soon as it is. */
  onRecord: DecisionId[],
): Promise<OnRecord> {
  const { rules, asker, facts } = parts;
  async function record(judged: readonly JudgedCall[]): Promise<RecordedCall[]> {
    const calls = judged.map((call) => call.record);
    const untilDeny = semantic === 'deny_on_first_deny';
    const batch = { generation: rules.number, rulesHash: rules.hash, origin: asker.origin, untilDeny, calls };
    const recorded = await context.ledger.calls.record(batch);
    onRecord.push(...calls.slice(0, recorded.length).map(({ id }) => id));
    await tell(context, onDecision, asker, calls, recorded);
    return recorded;
  }
  const judged: JudgedCall[] = [];
  const inTwo = semantic === 'execute_all' && questions.length >= WORTH_TWO_COMMITS && !maySpend(facts);
  let early: { readonly judged: readonly JudgedCall[]; readonly recording: Promise<RecordedCall[]> } | undefined;
  for await (const some of judgeCalls(context, parts, questions)) {
    judged.push(...some);
    const [is, all] = [judged.length, questions.length];
    if (inTwo && !early && is >= all * EARLY && is < all) {
      early = { judged: [...judged], recording: record(judged) };
      early.recording.catch(() => undefined); // what came of it is looked at below
    }
  }
  if (!early) {
    const wanted = judged.slice(0, wantedOf(semantic, judged));
    return { rules, judged: wanted, recorded: await record(wanted) };
  }
  const beginning = await early.recording;
  try {
    return { rules, judged, recorded: [...beginning, ...(await record(judged.slice(early.judged.length)))] };
  } catch (error) {
    if (!isOvertaken(error)) throw error;
    return { rules, judged: early.judged, recorded: beginning };
  }
}

function maySpend({ tasks, approvals }: CallFacts): boolean {
  return approvals.size > 0 || [...tasks.values()].some(({ budgeted }) => budgeted);
}

/** What is on record is counted, and what of it is loud is told, whatever becomes of the rest of its batch. */
async function tell(
  context: Context,
  onDecision: EvaluateParts['onDecision'],
  asker: Caller,
  calls: readonly CallRecord[],
  recorded: readonly RecordedCall[],
): Promise<void> {
  const told = calls.slice(0, recorded.length).map((call, index) => ({ call, code: codeOf(recorded[index]) }));
  for (const { call, code } of told) {
    onDecision(code);
    if (code === null) tellException(context.log, call.exception, { ...call, action: 'call' });
  }
  const watched = told.map(({ call: { grant, task }, code }) => ({ grant, task, code }));
  await watchCalls(context, asker, watched);
}

/** What is not on record is not allowed. */
const codeOf = (recorded: RecordedCall | undefined) =>
  recorded ? (recorded.code as RefusalCode | null) : 'policy_denied';

/** How many of them come before, or are, the one that settles it. */
function wantedOf(semantic: Semantic, judged: readonly JudgedCall[]): number {
  if (semantic === 'execute_all') return judged.length;
  const settled = judged.findIndex(
    ({ record }) => (record.outcome === 'allow') === (semantic === 'permit_on_first_permit'),
  );
  return settled < 0 ? judged.length : settled + 1;
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

/** What is told of a call that is on record. */
async function answer(
  { outcomeUrl, requestable }: EvaluateParts,
  rules: ActiveRules,
  { draft, record, facts, needs }: JudgedCall,
  recorded: RecordedCall | undefined,
): Promise<Evaluated> {
  const code = codeOf(recorded);
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
