import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import type { Actor, Operator } from '../domain/identity.ts';
import type { TaskId } from '../domain/ids.ts';
import { reachOfTasks } from '../domain/may-act.ts';
import { taskLife } from '../domain/task-life.ts';
import type { TaskLife } from '../domain/task-life.ts';
import type { Principal, Task, TaskBounds, TaskMode } from '../domain/task.ts';
import { principalRecord } from '../ledger/index.ts';
import type { DecisionRecord, EndedTask, OpenTask, TaskBelow, TaskFilter, TaskRow } from '../ledger/index.ts';
import { codeOfAnswer } from '../policy/index.ts';
import type { PolicyAnswer } from '../policy/policy.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuse } from './decide.ts';
import type { Decided } from './decide.ts';
import { decideTask } from './decide-task.ts';
import type { Idempotency } from './issue.ts';
import { withRules } from './rules.ts';
import { behalfOf, linkOf } from './task-facts.ts';
import type { TaskTokens } from './task-token.ts';

/** How long tasks may live, in seconds; how often they may be handed on; how many a workload may have open. */
export interface TaskLimits {
  readonly defaultSeconds: number;
  readonly maxSeconds: number;
  readonly maxHops: number;
  readonly maxOpen: number;
}

export interface NewTask {
  readonly purpose: string;
  readonly principal?: Principal | undefined;
  readonly mode: TaskMode;
  readonly environment: string;
  readonly endsAt?: Date | undefined;
  readonly maxGrants?: number | undefined;
  readonly maxCalls?: number | undefined;
  readonly bounds: TaskBounds;
  readonly idempotency?: Idempotency | undefined;
}

/** A task, and the token with which its workload shows that it is on it. */
export interface OpenedTask {
  readonly row: TaskRow;
  readonly token: string;
  readonly decision: Pick<DecisionRecord, 'id' | 'generation' | 'policies'>;
}

export interface TaskParts {
  readonly tokens: TaskTokens;
  readonly limits: TaskLimits;
}

/**
 * Makes a task of a workload's own. It is itself a decision, and gives nothing: everything that is wanted on it is decided again.
 * @throws Refusal `policy_denied`, `principal_refused`, `approval_required`, `under_order`, `task_ended`, `too_many_open_tasks`, each on record;
 * `invalid_request` for a deadline that has passed, `request_in_progress` for a key that is in use; Fault.
 */
export function makeCreateTask(context: ExchangeContext, { tokens, limits }: TaskParts) {
  const { ledger, ids, clock } = context;

  return function createTask(caller: Caller, wanted: NewTask): Promise<OpenedTask> {
    return withRules(context.rules, async (rules) => {
      const now = clock.now();
      if (wanted.endsAt && wanted.endsAt <= now) throw notInTime();
      const id = ids.task();
      const { purpose, mode, environment, principal, bounds } = wanted;
      const task: Task = {
        ...{ id, purpose, mode, environment, bounds },
        implicit: false,
        ...behalfOf(principal),
        path: [id],
        chain: [linkOf(caller.identity)],
      };
      const life = lifeOf(limits, now, {
        askedEndsAt: wanted.endsAt,
        principalUntil: principal?.verified?.vouchedUntil,
      });
      const question = { action: 'create_task', ...caller, task, now } as const;
      const decided = await decideTask(rules, ids, { ...question, requestedTtl: secondsUntil(now, life().endsAt) });
      await mustAllow(context, decided);
      const end = life(decided.answer);
      const opened = { ...task, endsAt: end.endsAt };
      // Signed first: what cannot be shown is not made. Until the task is on record the token is worth nothing.
      const token = await tokens.sign(opened, now);
      const budget = { max_grants: wanted.maxGrants ?? null, max_calls: wanted.maxCalls ?? null };
      const asked = { decision: decided.record, task, end, parent: null, budget, limits, origin: caller.origin };
      await ledger.tasks.open(opening({ ...asked, idempotency: wanted.idempotency }));
      return { row: await found(context, id), token, decision: decided.record };
    });
  };
}

export interface TaskView {
  readonly row: TaskRow;
  /** What was handed on below it, from the top down. */
  readonly below: readonly TaskBelow[];
  /** There is more below it than is shown. */
  readonly cut: boolean;
}

const MAX_BELOW = 1_000;

/** Who looks at a task, or ends it: a workload on its own chain, or an operator whom the caller of this has let. */
export type Onlooker =
  | { readonly kind: 'workload'; readonly trust: string; readonly id: string }
  | { readonly kind: 'operator'; readonly operator: Operator };

/** @throws Refusal `not_found` also for a workload that neither owns the task nor one above it. */
export function makeShowTask({ ledger }: Pick<ExchangeContext, 'ledger'>) {
  return async function showTask(id: TaskId, onlooker: Onlooker): Promise<TaskView> {
    const row = await ledger.tasks.find(id);
    if (!row) throw new Refusal('not_found');
    if (onlooker.kind === 'workload') {
      const above = await ledger.tasks.chain(row.path);
      if (!above.some(({ trust, subject }) => trust === onlooker.trust && subject === onlooker.id))
        throw new Refusal('not_found');
    }
    const below = await ledger.tasks.below(id, MAX_BELOW + 1);
    return { row, below: below.slice(0, MAX_BELOW), cut: below.length > MAX_BELOW };
  };
}

/** Newest first. A workload lists its own alone; an operator what lies within the reach of their roles, whatever `filter.within` says. */
export function makeListTasks({ ledger }: Pick<ExchangeContext, 'ledger'>) {
  return (onlooker: Onlooker, filter: TaskFilter, limit: number, after?: string): Promise<TaskRow[]> => {
    if (onlooker.kind === 'operator')
      return ledger.tasks.list({ ...filter, within: reachOfTasks(onlooker.operator, OPERATOR_ROLES) }, limit, after);
    const { trust, id } = onlooker;
    if (filter.agent !== undefined && filter.agent !== id) return Promise.resolve([]);
    return ledger.tasks.list({ ...filter, trust, agent: id }, limit, after);
  };
}

export interface TaskEnd {
  readonly task: TaskId;
  readonly reason: string;
  readonly actor: Actor;
  readonly origin: string | null;
  /** Restricts it to whoever owns the task, or one above it. */
  readonly subject?: { readonly trust: string; readonly id: string };
}

/** Grants that are ended in the transaction that ends their task; the reaper goes on with the others. */
const END_BATCH = 500;

/** Ends a task and everything below it: from its commit on nothing hangs on them any more. @throws Refusal `not_found`. */
export function makeEndTask({ ledger }: Pick<ExchangeContext, 'ledger'>, wakeReaper: () => void) {
  return async function endTask(ending: TaskEnd): Promise<EndedTask> {
    const why = ending.actor.kind === 'operator' ? 'revoked' : 'ended';
    const ended = await ledger.tasks.end({ ...ending, why, batch: END_BATCH });
    wakeReaper();
    return ended;
  };
}

/** The life of a task before and after the policies have said how long. */
export function lifeOf(
  limits: TaskLimits,
  now: Date,
  caps: { readonly [Cap in 'askedEndsAt' | 'principalUntil' | 'parentEndsAt']?: Date | undefined },
): (answer?: PolicyAnswer) => TaskLife {
  return (answer) => {
    const cap = answer?.maxTtl;
    const { defaultSeconds, maxSeconds } = limits;
    return taskLife({
      now,
      defaultSeconds,
      maxSeconds,
      ...caps,
      policy: cap && { id: cap.policy, seconds: cap.seconds },
    });
  };
}

export const secondsUntil = (now: Date, instant: Date): number =>
  Math.max(0, Math.floor((instant.getTime() - now.getTime()) / 1000));

/** A task cannot wait for a person: it gives nothing yet, so what is wanted on it can. */
export async function mustAllow(
  { ledger }: Pick<ExchangeContext, 'ledger'>,
  { answer, record }: Decided,
): Promise<void> {
  const code = codeOfAnswer(answer);
  if (code !== null) await refuse(ledger, record, code, {});
}

export interface Opening {
  readonly decision: DecisionRecord;
  readonly task: Task;
  readonly end: TaskLife;
  readonly parent: TaskId | null;
  readonly budget: Pick<OpenTask['task'], 'max_grants' | 'max_calls'>;
  readonly limits: TaskLimits;
  readonly origin: string | null;
  readonly idempotency?: Idempotency | undefined;
}

export function opening({ decision, task, end, parent, budget, limits, origin, idempotency }: Opening): OpenTask {
  const { id, purpose, mode, environment, bounds, chain, onBehalfOf } = task;
  return {
    decision,
    task: {
      ...{ id, parent, purpose, mode, environment, chain },
      on_behalf_of: onBehalfOf ?? null,
      principal: principalRecord(task),
      environments: bounds.environments ?? null,
      ends_at: end.endsAt.toISOString(),
      ends_at_decided_by: end.decidedBy,
      ...budget,
      profiles: bounds.profiles ?? null,
      tools: bounds.tools ?? null,
      parameters: bounds.parameters,
      max_ttl_seconds: bounds.maxTtlSeconds ?? null,
    },
    max_hops: limits.maxHops,
    max_open: limits.maxOpen,
    origin,
    idempotency: idempotency ? { key: idempotency.key, request_hash: idempotency.requestHash } : null,
  };
}

export async function found({ ledger }: Pick<ExchangeContext, 'ledger'>, id: TaskId): Promise<TaskRow> {
  const row = await ledger.tasks.find(id);
  if (!row) throw new Refusal('not_found');
  return row;
}

export function notInTime(): Refusal {
  return new Refusal('invalid_request', { errors: [{ path: 'ends_at', problem: 'is not in the future' }] });
}
