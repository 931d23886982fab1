import { handedOn, widenings } from '../domain/delegation.ts';
import type { Rights, Wish } from '../domain/delegation.ts';
import { Refusal } from '../domain/errors.ts';
import { environmentsOf } from '../domain/task.ts';
import type { Task } from '../domain/task.ts';
import { toTask } from '../ledger/index.ts';
import type { TaskRow } from '../ledger/index.ts';
import { watched } from './after-revocation.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuse } from './decide.ts';
import { decideTask } from './decide-task.ts';
import { withRules } from './rules.ts';
import { linkOf } from './task-facts.ts';
import { found, lifeOf, mustAllow, notInTime, opening, secondsUntil } from './tasks.ts';
import type { OpenedTask, TaskParts } from './tasks.ts';

/** What of its parent's task a sub-agent wants. */
export interface DelegationRequest extends Wish {
  /** The parent's task token: proof that it was handed over, and of nothing else. */
  readonly parent: string;
  /** What the part is for: added to the purpose that is there. */
  readonly purpose?: string | undefined;
}

/**
 * Hands a part of a task on to the workload that asks: never more than the parent has, in any respect (domain/delegation.ts), if
 * the policies let this workload have it from that one. What changes meanwhile is the ledger's to hold: that the parent still
 * lives, its budget, loops, and the number of hops.
 * @throws Refusal `task_token_invalid`, `task_ended`, `wider_than_parent`, `policy_denied`, `too_many_hops`, `delegation_loop`,
 * `task_budget_spent`, `under_order`, `too_many_open_tasks`, each on record but for a token that does not hold any more. Fault.
 */
export function makeDelegate(context: ExchangeContext, { tokens, limits }: TaskParts) {
  const { ledger, ids, clock } = context;

  async function parentOf(token: string): Promise<TaskRow> {
    const claims = await tokens.read(token);
    const row = claims && (await ledger.tasks.find(claims.task));
    const { trust, id } = claims?.holder ?? {};
    if (!row || row.trust !== trust || row.subject !== id) throw new Refusal('task_token_invalid');
    if (claims.expired) throw new Refusal('task_ended', { task: row.id });
    return row;
  }

  async function handOn(caller: Caller, row: TaskRow, request: DelegationRequest): Promise<OpenedTask> {
    return withRules(context.rules, async (rules) => {
      const now = clock.now();
      const { parent: _, purpose, ...wish } = request;
      if (wish.endsAt && wish.endsAt <= now) throw notInTime();
      const parent = toTask(row);
      const rights = rightsOf(row, parent, new Date(now.getTime() + limits.maxSeconds * 1000));
      const wanted = handedOn(rights, wish);
      const task = partOf(parent, wanted, caller, ids.task(), purpose);

      const life = lifeOf(limits, now, { askedEndsAt: wish.endsAt, parentEndsAt: rights.endsAt });
      const question = { action: 'delegate', ...caller, task, parent: parent.id, now } as const;
      const decided = await decideTask(rules, ids, { ...question, requestedTtl: secondsUntil(now, life().endsAt) });
      const wider = widenings(rights, wanted);
      const denied = { ...decided.record, outcome: 'deny' } as const;
      if (row.state !== 'open') await refuse(ledger, denied, 'task_ended', { task: row.id });
      if (wider.length > 0) await refuse(ledger, denied, 'wider_than_parent', { wider });
      if (wanted.maxGrants === 0 || wanted.maxCalls === 0) await refuse(ledger, denied, 'task_budget_spent', {});
      await mustAllow(context, decided);

      const end = life(decided.answer);
      const token = await tokens.sign({ ...task, endsAt: end.endsAt }, now);
      const budget = { max_grants: wanted.maxGrants ?? null, max_calls: wanted.maxCalls ?? null };
      const asked = { decision: decided.record, task, end, parent: parent.id, budget, limits, origin: caller.origin };
      await ledger.tasks.open(opening(asked));
      return { row: await found(context, task.id), token, decision: decided.record };
    });
  }

  return async function delegate(caller: Caller, request: DelegationRequest): Promise<OpenedTask> {
    const row = await parentOf(request.parent);
    return watched(context, 'delegate', caller, { task: toTask(row).id }, () => handOn(caller, row, request));
  };
}

/** What a task has to give: of its budget, what is left. */
function rightsOf(row: TaskRow, task: Task, otherwise: Date): Rights {
  const { profiles, tools, parameters, maxTtlSeconds } = task.bounds;
  const left = (max: number, used: number) => Math.max(0, max - used);
  return {
    mode: task.mode,
    environment: task.environment,
    environments: environmentsOf(task),
    ...(profiles && { profiles }),
    ...(tools && { tools }),
    parameters,
    ...(maxTtlSeconds === undefined ? {} : { maxTtlSeconds }),
    endsAt: task.endsAt ?? otherwise,
    ...(row.maxGrants === null ? {} : { maxGrants: left(row.maxGrants, row.grantsUsed) }),
    ...(row.maxCalls === null ? {} : { maxCalls: left(row.maxCalls, row.callsUsed) }),
  };
}

/** Whom it is for is the parent's; a purpose is added to and never replaced, since policies may go by its beginning. */
function partOf(parent: Task, wanted: Rights, caller: Caller, id: Task['id'], purpose: string | undefined): Task {
  const { environment, environments, mode, profiles, tools, parameters, maxTtlSeconds } = wanted;
  const { onBehalfOf, verified } = parent;
  return {
    ...{ id, mode, environment },
    purpose: purpose === undefined ? parent.purpose : `${parent.purpose} > ${purpose}`,
    implicit: false,
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    ...(verified && { verified }),
    path: [...parent.path, id],
    chain: [...parent.chain, linkOf(caller.identity)],
    bounds: {
      environments,
      ...(profiles && { profiles }),
      ...(tools && { tools }),
      parameters,
      ...(maxTtlSeconds === undefined ? {} : { maxTtlSeconds }),
    },
  };
}
