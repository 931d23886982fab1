import type { Actor } from '../domain/identity.ts';
import type { GrantId, OrderId, TaskId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { ChainLink, Task, TaskMode, VerifiedPrincipal } from '../domain/task.ts';
import type { Prisma } from '../generated/client.ts';
import type { Connection } from './connection.ts';
import { admit, keyed } from './issuing.ts';
import type { Answer, DecisionRecord } from './issuing.ts';
import { makeTaskList } from './task-list.ts';

export type TaskRow = Prisma.TaskGetPayload<object>;

/** A task to be made, or handed on where it has a parent; snake_case because the ledger takes it as it is. */
export interface OpenTask {
  readonly decision: DecisionRecord;
  readonly task: {
    readonly id: TaskId;
    readonly parent: TaskId | null;
    readonly on_behalf_of: string | null;
    readonly principal: JsonObject | null;
    readonly purpose: string;
    readonly mode: TaskMode;
    readonly environment: string;
    /** All that it reaches, `environment` included; null: that alone. */
    readonly environments: readonly string[] | null;
    readonly chain: readonly ChainLink[];
    readonly ends_at: string;
    readonly ends_at_decided_by: string;
    readonly max_grants: number | null;
    readonly max_calls: number | null;
    readonly profiles: readonly string[] | null;
    readonly tools: readonly string[] | null;
    readonly parameters: Readonly<Record<string, readonly string[]>>;
    readonly max_ttl_seconds: number | null;
  };
  /** How many times a task may be handed on. */
  readonly max_hops: number;
  /** How many a workload may have open. */
  readonly max_open: number;
  readonly origin: string | null;
  readonly idempotency: { readonly key: string; readonly request_hash: string } | null;
}

export interface RepeatedTask {
  readonly request_hash: string;
  readonly task_id: TaskId | null;
  readonly open: boolean;
  /** The one that covers the task. */
  readonly order: OrderId | null;
}

/** A part of a task, as its tree shows it. */
export interface TaskBelow {
  readonly id: TaskId;
  readonly parent: TaskId;
  readonly hop: number;
  readonly trust: string;
  readonly subject: string;
  readonly state: string;
}

export interface EndTask {
  readonly task: TaskId;
  /** Restricts it to whoever owns the task, or one above it. */
  readonly subject?: { readonly trust: string; readonly id: string };
  readonly why: 'ended' | 'deadline' | 'revoked';
  readonly reason: string;
  readonly actor: Actor;
  readonly origin: string | null;
  /** Grants that are ended in the same transaction; the reaper goes on. */
  readonly batch: number;
}

export interface EndedTask {
  /** Tasks that ended, this one included; none where it had ended before. */
  readonly tasks: number;
  readonly moved: number;
  readonly done: boolean;
}

/** Of a grant that is to be ended with its task the task says why. An order counts from its commit, before its sweep. */
const TAKEN_BACK = `select case
  when exists (select 1 from grants g join tasks k on k.id = g.task_id where g.id = $1 and (
    g.why in ('revocation', 'order') or g.order_id is not null
    or (k.state = 'ended' and k.ended_why <> 'deadline'
      and (g.why = 'task_ended' or g.state in ('pending_approval', 'issuing', 'active') or (g.state = 'refused' and g.reason = 'task_ended')))
    or (g.state in ('pending_approval', 'issuing', 'active') and g.expires_at > clock_timestamp()
      and blocking_order(g.subject, g.on_behalf_of, g.task_path, g.profile, g.owner, g.environment, g.provider) is not null)
    or (g.state = 'active' and g.expires_at > clock_timestamp()
      and grant_closed(g, g.trust, g.subject, true, clock_timestamp()) is not null)))
  then 'grant'
  when exists (select 1 from tasks k where k.id = $2 and case when k.state = 'ended' then k.ended_why <> 'deadline'
    else task_closed(k, clock_timestamp()) is null
      and blocking_order(k.subject, k.on_behalf_of, k.path, null, null, k.environment, null) is not null end)
  then 'task' end as of`;

export function makeTasks(connection: Connection) {
  return {
    /** @throws Refusal `under_order`, `task_not_found`, `task_ended`, `task_budget_spent`, `too_many_hops`, `delegation_loop`, `too_many_open_tasks`, `request_in_progress`; Fault. */
    async open(opening: OpenTask): Promise<void> {
      await keyed(async () => admit(await connection.transition<Answer>('open_task', opening)));
    },

    /** @throws Refusal `not_found`. */
    async end({ subject, ...ending }: EndTask): Promise<EndedTask> {
      const argument = { ...ending, ...(subject ? { trust: subject.trust, subject: subject.id } : {}) };
      return admit(await connection.transition<Answer & EndedTask>('end_task', argument));
    },

    find: (id: TaskId): Promise<TaskRow | null> =>
      connection.prisma((client) => client.task.findUnique({ where: { id } })),

    list: makeTaskList(connection),

    /** What a key was used for before by this workload: `task_id` is null where that was no task. */
    async repeated(trust: string, subject: string, key: string): Promise<RepeatedTask | undefined> {
      const sql = `select request_hash, task_id, task_closed(k, clock_timestamp()) is null as open,
          blocking_order(k.subject, k.on_behalf_of, k.path, null, null, k.environment, null) as "order"
        from idempotency_keys i left join tasks k on k.id = i.task_id where i.trust = $1 and i.subject = $2 and i.key = $3`;
      const rows = await connection.call<RepeatedTask>('repeated_task', sql, [trust, subject, key]);
      return rows[0];
    },

    /** What was handed on below a task, up to `limit`, those nearest to it first. */
    below: (id: TaskId, limit: number): Promise<TaskBelow[]> => {
      const sql = `with recursive tree (id, depth) as (
          select id, 0 from tasks where parent_id = $1
          union all select t.id, b.depth + 1 from tree b join tasks t on t.parent_id = b.id)
        select k.id, k.parent_id as parent, cardinality(k.path) - 1 as hop, k.trust, k.subject, k.state
        from (select id, depth from tree limit $2) as near join tasks k using (id) order by near.depth, k.created_at, k.id`;
      return connection.call<TaskBelow>('tasks_below', sql, [id, limit]);
    },

    /** Tasks from the root to this one. */
    chain: (path: readonly string[]): Promise<TaskRow[]> =>
      connection.prisma(async (client) => {
        const rows = await client.task.findMany({ where: { id: { in: [...path] } } });
        return rows.sort((a, b) => a.path.length - b.path.length);
      }),

    /** Whether it counts right now, by state, time and orders; false also for one that there is not. */
    async isActive(id: TaskId): Promise<boolean> {
      const sql = 'select task_is_active($1) as active';
      const rows = await connection.call<{ active: boolean | null }>('task_is_active', sql, [id]);
      return rows[0]?.active ?? false;
    },

    /**
     * Whether somebody wanted the end of a grant or a task, or an order covers it: not where only its time has passed. Names the grant
     * where that is so of both.
     */
    async takenBack(grant: GrantId | null, task: TaskId | null): Promise<'grant' | 'task' | undefined> {
      const rows = await connection.call<{ of: 'grant' | 'task' | null }>('taken_back', TAKEN_BACK, [grant, task]);
      return rows[0]?.of ?? undefined;
    },

    /** That something which was taken back was shown again: of a grant, or of a task. */
    async noteUse(use: {
      readonly grant: GrantId | null;
      readonly task: TaskId | null;
      readonly how: string;
      readonly trust: string;
      readonly subject: string;
      readonly count: number;
      readonly origin: string | null;
    }): Promise<void> {
      const sql = 'select record_use_after_revocation($1)';
      await connection.call('record_use_after_revocation', sql, [JSON.stringify(use)]);
    },

    /** What the reaper does: deadlines, and what hung off tasks that have ended. Answers how many grants were moved. */
    async advance(batch: number): Promise<number> {
      const sql = 'select advance_tasks($1) as moved';
      const rows = await connection.call<{ moved: number }>('advance_tasks', sql, [batch]);
      return rows[0]?.moved ?? 0;
    },
  };
}

/** A row as decisions need it. */
export function toTask(row: TaskRow): Task {
  const { environments, profiles, tools, parameters, maxTtlSeconds, endsAt, onBehalfOf } = row;
  return {
    id: row.id as TaskId,
    purpose: row.purpose,
    mode: row.mode as TaskMode,
    environment: row.environment,
    implicit: row.implicit,
    ...(endsAt ? { endsAt } : {}),
    ...(onBehalfOf === null ? {} : { onBehalfOf }),
    ...verifiedOf(row),
    path: row.path as TaskId[],
    chain: chainOf(row),
    bounds: {
      ...(environments === null ? {} : { environments: environments as string[] }),
      ...(profiles === null ? {} : { profiles: profiles as string[] }),
      ...(tools === null ? {} : { tools: tools as string[] }),
      parameters: parameters as Record<string, string[]>,
      ...(maxTtlSeconds === null ? {} : { maxTtlSeconds }),
    },
  };
}

function verifiedOf({ principal }: TaskRow): { verified?: VerifiedPrincipal } {
  const { id: _, ...verified } = (principal ?? {}) as Partial<VerifiedPrincipal> & { id?: string };
  const { trust, groups = [] } = verified;
  return trust === undefined ? {} : { verified: { ...verified, trust, groups } };
}

/** Of a task that a single call made for itself only its own workload is known. */
function chainOf({ chain, trust, subject }: TaskRow): readonly ChainLink[] {
  const links = chain as (JsonObject & ChainLink)[];
  return links.length > 0 ? links : [{ trust, id: subject }];
}
