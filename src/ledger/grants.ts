import type { GrantState } from '../domain/grant.ts';
import { LIVE_STATES } from '../domain/grant.ts';
import type { Reach } from '../domain/identity.ts';
import type { GrantId, MintId, TaskId } from '../domain/ids.ts';
import type { Task } from '../domain/task.ts';
import type { Prisma } from '../generated/client.ts';
import { behind } from './behind.ts';
import type { Connection } from './connection.ts';
import { withinReach } from './reach.ts';
import { toTask } from './tasks.ts';

/** A grant with its task, decision and mints: what the API shows, the credential never being there to show. */
export type GrantView = Prisma.GrantGetPayload<{ include: { decision: true; mints: true } }>;

export interface GrantFilter {
  readonly state?: GrantState | undefined;
  readonly agent?: string | undefined;
  readonly task?: string | undefined;
  readonly profile?: string | undefined;
  readonly owner?: string | undefined;
  readonly environment?: string | undefined;
  readonly provider?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  /** Only what lies within one of these. */
  readonly within?: readonly Reach[] | undefined;
}

/** What an idempotency key was used for before, and how that grant stands now. */
export interface RepeatedRequest {
  readonly request_hash: string;
  readonly grant_id: GrantId;
  readonly state: GrantState;
  readonly in_time: boolean;
}

/** A key that was used for something else than a grant. */
export interface RepeatedOtherwise {
  readonly request_hash: string;
  readonly grant_id: null;
}

export interface GrantOfMint {
  readonly grant: GrantId;
  readonly trust: string;
  readonly subject: string;
}

const LIVE = LIVE_STATES.map((state) => `'${state}'`).join(', ');
const include = { decision: true, mints: { orderBy: { openedAt: 'asc' } } } as const;

export function makeGrants(connection: Connection) {
  return {
    find: (id: GrantId): Promise<GrantView | null> =>
      connection.prisma((client) => client.grant.findUnique({ where: { id }, include })),

    /** Newest first, from behind the grant `after`. Two may be opened within one millisecond: only the database tells which came first. */
    list: (filter: GrantFilter, limit: number, after?: string): Promise<GrantView[]> =>
      connection.prisma(async (client) => {
        const last = after && (await client.grant.findUnique({ where: { id: after }, select: { openedAt: true } }));
        return behind(after, limit, (page) =>
          client.grant.findMany({
            where: {
              ...(filter.state ? { state: filter.state } : {}),
              ...(filter.agent ? { subject: filter.agent } : {}),
              ...(filter.task ? { taskPath: { has: filter.task } } : {}),
              ...(filter.profile ? { profile: filter.profile } : {}),
              ...(filter.owner ? { owner: filter.owner } : {}),
              ...(filter.environment ? { environment: filter.environment } : {}),
              ...(filter.provider ? { provider: filter.provider } : {}),
              ...(filter.onBehalfOf ? { onBehalfOf: filter.onBehalfOf } : {}),
              ...(filter.within ? withinReach(filter.within) : {}),
              // where the index is entered; what came later in that millisecond is passed over by the cursor
              ...(last ? { openedAt: { lt: new Date(last.openedAt.getTime() + 1) } } : {}),
            },
            include,
            orderBy: [{ openedAt: 'desc' }, { id: 'asc' }],
            ...page,
          }),
        );
      }),

    /** What a decision needs of a task. */
    task: async (id: TaskId): Promise<Task> =>
      toTask(await connection.prisma((client) => client.task.findUniqueOrThrow({ where: { id } }))),

    /** Live grants of a workload, counted up to `limit`. */
    async liveCount(trust: string, subject: string, limit: number): Promise<number> {
      const sql = `select count(*)::integer as n from (select 1 from grants where trust = $1 and subject = $2 and state in (${LIVE}) limit $3) as live`;
      const rows = await connection.call<{ n: number }>('live_count', sql, [trust, subject, limit]);
      return rows[0]?.n ?? 0;
    },

    /** Grants that are not closed, by state. */
    async countByState(): Promise<Readonly<Record<string, number>>> {
      const sql = `select state, count(*)::integer as n from grants where state in (${LIVE}) group by state`;
      const rows = await connection.call<{ state: string; n: number }>('count_by_state', sql, []);
      return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
    },

    /** The earlier request under an idempotency key, if any. */
    async repeated(
      trust: string,
      subject: string,
      key: string,
    ): Promise<RepeatedRequest | RepeatedOtherwise | undefined> {
      const sql = `select request_hash, grant_id, state, expires_at > clock_timestamp() as in_time
        from idempotency_keys left join grants on grants.id = grant_id
        where idempotency_keys.trust = $1 and idempotency_keys.subject = $2 and key = $3`;
      const rows = await connection.call<RepeatedRequest | RepeatedOtherwise>('repeated_request', sql, [
        trust,
        subject,
        key,
      ]);
      return rows[0];
    },

    /** Whether the credential of a mint counts right now, by state, time and orders; undefined when there is no such mint. */
    async mintIsActive(mint: MintId): Promise<boolean | undefined> {
      const rows = await connection.call<{ active: boolean | null }>(
        'mint_is_active',
        'select mint_is_active($1) as active',
        [mint],
      );
      return rows[0]?.active ?? undefined;
    },

    /** The grant that a mint belongs to, and whose it is. */
    async ofMint(mint: MintId): Promise<GrantOfMint | undefined> {
      const sql = `select grants.id as "grant", trust, subject from grants join mints on mints.grant_id = grants.id where mints.id = $1`;
      const rows = await connection.call<GrantOfMint>('grant_of_mint', sql, [mint]);
      return rows[0];
    },
  };
}
