import type { RefusalCode } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { CallFacts, RecordedCall } from '../ledger/index.ts';
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

/** So many calls are recorded in two commits, the first of them while the rest is still decided. */
const WORTH_TWO_COMMITS = 32;
/** The share of them that is recorded then. */
const EARLY = 0.6;

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

interface OnRecord {
  readonly rules: ActiveRules;
  readonly judged: readonly JudgedCall[];
  /** One for each of the first of them: what comes after is not on record. */
  readonly recorded: readonly RecordedCall[];
}

/**
 * In one commit, or a large batch in two: its beginning is recorded while the rest is still decided, which spares a good part of the time that
 * recording takes. Where the rest was overtaken by other rules, the beginning stays as it was recorded.
 */
async function judgeAndRecord(
  context: Context,
  parts: Omit<DraftParts, 'now'>,
  questions: readonly CallQuestion[],
  semantic: Semantic,
): Promise<OnRecord> {
  const { rules, asker } = parts;
  const record = (calls: readonly JudgedCall[]) =>
    context.ledger.calls.record({
      generation: rules.number,
      rulesHash: rules.hash,
      origin: asker.origin,
      untilDeny: semantic === 'deny_on_first_deny',
      calls: calls.map((call) => call.record),
    });
  const judged: JudgedCall[] = [];
  const inTwo = semantic === 'execute_all' && questions.length >= WORTH_TWO_COMMITS;
  let early: { readonly count: number; readonly outcome: ReturnType<typeof outcomeOf> } | undefined;
  for await (const some of judgeCalls(context, parts, questions)) {
    judged.push(...some);
    const [is, all] = [judged.length, questions.length];
    if (inTwo && !early && is >= all * EARLY && is < all) early = { count: is, outcome: outcomeOf(record(judged)) };
  }
  if (!early) {
    const wanted = judged.slice(0, wantedOf(semantic, judged));
    return { rules, judged: wanted, recorded: await record(wanted) };
  }
  const beginning = await early.outcome;
  if (beginning.status === 'rejected') throw beginning.reason;
  const rest = await outcomeOf(record(judged.slice(early.count)));
  if (rest.status === 'fulfilled') return { rules, judged, recorded: [...beginning.value, ...rest.value] };
  if (!isOvertaken(rest.reason)) throw rest.reason;
  return { rules, judged: judged.slice(0, early.count), recorded: beginning.value };
}

/** Rejects for nobody: what came of it is looked at later. */
async function outcomeOf(recording: Promise<RecordedCall[]>): Promise<PromiseSettledResult<RecordedCall[]>> {
  const [outcome] = await Promise.allSettled([recording]);
  return outcome;
}

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
  { outcomeUrl, requestable, onDecision }: EvaluateParts,
  rules: ActiveRules,
  { draft, record, facts, needs }: JudgedCall,
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
  { id }: JudgedCall['record'],
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
