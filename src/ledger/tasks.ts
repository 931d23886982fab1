import type { Actor } from '../domain/identity.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
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
  readonly open: boolean | null;
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

export function makeTasks(connection: Connection) {
  return {
    /** @throws Refusal `under_order`, `task_not_found`, `task_ended`, `task_budget_spent`, `too_many_hops`, `delegation_loop`, `too_many_open_tasks`, `request_in_progress`; Fault. */
    async open(opening: OpenTask): Promise<{ createdAt: Date }> {
      type Opened = Answer & { created_at: string };
      const answer = await keyed(async () => admit(await connection.transition<Opened>('open_task', opening)));
      return { createdAt: new Date(answer.created_at) };
    },

    /** @throws Refusal `not_found`. */
    async end({ subject, ...ending }: EndTask): Promise<EndedTask> {
      const argument = { ...ending, ...(subject ? { trust: subject.trust, subject: subject.id } : {}) };
      return admit(await connection.transition<Answer & EndedTask>('end_task', argument));
    },

    find: (id: TaskId): Promise<TaskRow | null> =>
      connection.prisma((client) => client.task.findUnique({ where: { id } })),

    list: makeTaskList(connection),

    /** What a key was used for before by this workload: `task` is null where that was no task. */
    async repeated(trust: string, subject: string, key: string): Promise<RepeatedTask | undefined> {
      const sql = `select request_hash, task_id, state = 'open' and coalesce(ends_at > clock_timestamp(), true) as open
        from idempotency_keys left join tasks on tasks.id = task_id
        where idempotency_keys.trust = $1 and idempotency_keys.subject = $2 and key = $3`;
      const rows = await connection.call<RepeatedTask>('repeated_task', sql, [trust, subject, key]);
      return rows[0];
    },

    /** A task and all below it, from the top down. */
    async tree(id: TaskId): Promise<TaskRow[]> {
      const below = await connection.call<{ id: string }>('descendants', 'select descendants($1) as id', [id]);
      const where = { id: { in: below.map((row) => row.id) } };
      return connection.prisma((client) =>
        client.task.findMany({ where, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] }),
      );
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
