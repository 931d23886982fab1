import type { Identity } from '../domain/identity.ts';
import type { DecisionId, ExceptionId, GrantId, Ids } from '../domain/ids.ts';
import { Refusal } from '../domain/errors.ts';
import type { RefusalCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import type { DecisionRecord, Ledger } from '../ledger/index.ts';
import { codeOfAnswer } from '../policy/index.ts';
import type { CoveringException, PolicyAction, PolicyAnswer, PolicyRequest, ProfileRequest } from '../policy/policy.ts';
import type { Approved } from './approval.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { ActiveRules } from './rules.ts';
import { factsOfTask } from './task-facts.ts';

/** What is decided about. */
export interface Question {
  readonly action: ProfileRequest['action'];
  readonly identity: Identity;
  readonly origin: string | null;
  readonly profile: Profile;
  readonly parameters: Parameters;
  readonly task: Task;
  /** The one that there is already, and that it is asked for. */
  readonly grant?: GrantId;
  readonly approval?: Approved;
  readonly exception?: CoveringException;
  /** Absent: what the profile gives by itself. */
  readonly askedSeconds: number | undefined;
  readonly now: Date;
}

/** An answer of the policy set, ready to be recorded with the intent, or alone where it gives nothing. */
export interface Decided {
  readonly answer: PolicyAnswer;
  readonly record: DecisionRecord;
}

export async function decide(rules: ActiveRules, ids: Ids, question: Question): Promise<Decided> {
  const inputs = policyRequest(question);
  const answer = await rules.policies.decideSoon(inputs);
  const code = codeOfAnswer(answer);
  const { identity, task, grant, approval, exception } = question;
  const record: DecisionRecord = {
    ...blankDecision(rules, ids.decision(), identity, question.origin),
    ...placeOf(task, grant),
    action: question.action,
    resource: question.profile.name,
    approval_id: approval?.id,
    exception_id: answer.overridden ? (exception?.id as ExceptionId | undefined) : undefined,
    outcome: answer.outcome,
    code,
    policies: answer.policies,
    controls: answer.controls,
    errors: answer.errors.map(({ policy, message }) => ({ policy, message })),
    inputs: { ...inputs },
  };
  return { answer, record };
}

/** What is refused, and for what; the task and the grant where they are there already. */
export interface Unasked {
  readonly action: PolicyAction;
  readonly resource: string;
  readonly code: RefusalCode;
  readonly task?: Task | undefined;
  readonly grant?: GrantId | undefined;
}

/** A refusal that the policy set was not asked for, such as an unknown profile: on record like any other. */
export function refuseUnasked(
  { ledger, ids }: Pick<ExchangeContext, 'ledger' | 'ids'>,
  rules: ActiveRules,
  { identity, origin }: Caller,
  { task, grant, ...about }: Unasked,
  facts: JsonObject,
): Promise<never> {
  const blank = blankDecision(rules, ids.decision(), identity, origin);
  // Without a task the call would make one for itself, and that is autonomous.
  const on = task ? placeOf(task, grant) : { mode: 'autonomous' as const };
  return refuse(ledger, { ...blank, ...on, ...about, outcome: 'deny' }, about.code, facts);
}

/** The mode is on every decision; the task where it was there before it, and with a grant that is there already also one that was made for it alone. */
function placeOf({ id, mode, implicit, onBehalfOf }: Task, grant: GrantId | undefined) {
  const task_id = implicit && grant === undefined ? undefined : id;
  return { task_id, grant_id: grant, mode, on_behalf_of: onBehalfOf ?? null };
}

/** Records a decision that gave nothing, and refuses with it. Only what an approval would change is on record as waiting for one. */
export async function refuse(
  ledger: Ledger,
  record: DecisionRecord,
  code: RefusalCode,
  facts: JsonObject,
): Promise<never> {
  const waits = record.outcome === 'approval' && code === 'approval_required';
  await ledger.issuing.recordDecision({ ...record, outcome: waits ? 'approval' : 'deny', code });
  throw new Refusal(code, { ...facts, decision: decisionFacts(record) });
}

/** How a decision is named to its caller. */
export function decisionFacts(record: DecisionRecord): JsonObject {
  return {
    id: record.id,
    generation: record.generation,
    rules_hash: record.rules_hash,
    policies: [...record.policies],
  };
}

export function blankDecision(rules: ActiveRules, id: DecisionId, identity: Identity, origin: string | null) {
  return {
    id,
    generation: rules.number,
    rules_hash: rules.hash,
    trust: identity.trust,
    subject: identity.id,
    policies: [],
    controls: [],
    errors: [],
    inputs: {},
    origin,
  };
}

function policyRequest(question: Question): PolicyRequest {
  const { identity, profile, task } = question;
  return {
    principal: principalOf(identity),
    action: question.action,
    resource: {
      profile: profile.name,
      provider: profile.provider,
      owner: profile.owner,
      environment: profile.environment,
      effect: profile.effect,
    },
    context: {
      ...factsOfTask(task),
      parameters: question.parameters,
      requestedTtl: question.askedSeconds ?? profile.ttl.default,
      now: `${question.now.toISOString().slice(0, 19)}Z`,
      ...(question.approval ? { approval: question.approval } : {}),
    },
    ...(question.exception ? { exception: question.exception } : {}),
  };
}

/** Who asks, as decisions keep it: `source` is not for policies, and lets an operator who is the same be known again. */
export function principalOf({ trust, id, groups, attributes, issuer, subject }: Identity): PolicyRequest['principal'] {
  const source = issuer !== undefined && subject !== undefined ? { source: { issuer, subject } } : {};
  return { trust, id, groups, attributes, ...source };
}
