import type { Actor, Reach } from '../domain/identity.ts';
import type { ExceptionId } from '../domain/ids.ts';
import type { Prisma } from '../generated/client.ts';
import { behind } from './behind.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';
import { withinReach } from './reach.ts';

export type ExceptionRow = Prisma.ExceptionGetPayload<object>;

/** As it stands at a moment: what was approved begins, is in force and is over by its dates. */
export const EXCEPTION_STATES = ['requested', 'scheduled', 'active', 'over', 'denied', 'ended', 'lapsed'] as const;
export type ExceptionState = (typeof EXCEPTION_STATES)[number];

/** What an exception covers: one profile or one tool, and of it what else is named. */
export interface ExceptionScope {
  readonly profile?: string | undefined;
  readonly tool?: string | undefined;
  /** `<trust>/<id>`: an id alone could be another workload's under another trust entry. */
  readonly agent?: string | undefined;
  readonly owner?: string | undefined;
  readonly environment?: string | undefined;
}

/** What is decided about. A tool has the name that it is called by, and the one that its file has. */
export interface ExceptionAbout {
  readonly profile?: string;
  readonly tools?: readonly string[];
  readonly trust: string;
  readonly subject: string;
  readonly owner: string;
  readonly environment: string;
}

/** One that covers what is decided about. */
export interface Covering {
  readonly id: string;
  readonly policies: readonly string[];
  readonly endsAt: Date;
}

export interface ExceptionFilter {
  readonly state?: ExceptionState | undefined;
  readonly profile?: string | undefined;
  readonly tool?: string | undefined;
  readonly owner?: string | undefined;
  readonly environment?: string | undefined;
  /** Its review date has passed, and nobody has reviewed it. */
  readonly unreviewed?: boolean | undefined;
  readonly within?: readonly Reach[] | undefined;
}

export interface Said {
  readonly exception: ExceptionId;
  readonly actor: Actor;
  readonly origin: string | null;
}

/** As many as can reasonably cover one thing at once. */
const MOST_COVERING = 10;

export function makeExceptions(connection: Connection) {
  const said = async (name: string, argument: object): Promise<void> => {
    admit(await connection.transition<Answer>(name, argument));
  };
  return {
    async request(asking: {
      readonly id: ExceptionId;
      readonly scope: ExceptionScope;
      readonly policies: readonly string[];
      readonly reason: string;
      readonly starts_at: string | null;
      readonly ends_at: string;
      readonly review_by: string;
      readonly author: Actor;
      readonly origin: string | null;
    }): Promise<void> {
      await said('request_exception', asking);
    },

    /** @throws Refusal `not_found`, `exception_closed`, `own_request`. */
    answer: (answer: Said & { readonly answer: 'approve' | 'deny'; readonly reason: string }) =>
      said('answer_exception', answer),

    /** From its commit on nothing is allowed under it. @throws Refusal `not_found`, `exception_closed`. */
    end: (ending: Said & { readonly reason: string }) => said('end_exception', ending),

    /** @throws Refusal `not_found`, `exception_closed`, `own_request`. */
    review: (review: Said & { readonly note: string }) => said('review_exception', review),

    find: (id: ExceptionId): Promise<ExceptionRow | null> =>
      connection.prisma((client) => client.exception.findUnique({ where: { id } })),

    /** Newest first, from behind the exception `after`. */
    list: (filter: ExceptionFilter, now: Date, limit: number, after?: string): Promise<ExceptionRow[]> =>
      connection.prisma((client) =>
        behind(after, limit, (page) =>
          client.exception.findMany({
            where: {
              AND: [
                filter.state ? inState(filter.state, now) : {},
                filter.unreviewed ? { ...APPROVED, reviewedAt: null, reviewBy: { lte: now } } : {},
                filter.within ? withinReach(filter.within) : {},
              ],
              ...(filter.profile ? { profile: filter.profile } : {}),
              ...(filter.tool ? { tool: filter.tool } : {}),
              ...(filter.owner ? { owner: filter.owner } : {}),
              ...(filter.environment ? { environment: filter.environment } : {}),
            },
            orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
            ...page,
          }),
        ),
      ),

    /** Those in force that cover this and name one of these policies; the one that ends first comes first. */
    async covering(about: ExceptionAbout, policies: readonly string[]): Promise<Covering[]> {
      const sql = `select id, policies, ends_at as "endsAt" from exceptions where state = 'approved' and starts_at <= clock_timestamp() and ends_at > clock_timestamp()
        and (profile = $1 or tool = any($2)) and (agent is null or agent = $3) and (owner is null or owner = $4)
        and (environment is null or environment = $5) and policies && $6 order by ends_at, id limit ${MOST_COVERING}`;
      const { profile = null, tools = [], trust, subject, owner, environment } = about;
      const values = [profile, [...tools], `${trust}/${subject}`, owner, environment, [...policies]];
      return connection.call('covering_exceptions', sql, values);
    },

    /** How often something was allowed under each of these. */
    async uses(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
      const sql = `select exception_id as id, count(*)::integer as n from decisions
        where exception_id = any($1) and outcome = 'allow' group by exception_id`;
      const rows = await connection.call<{ id: string; n: number }>('exception_uses', sql, [[...ids]]);
      return new Map(rows.map(({ id, n }) => [id, n]));
    },

    /** For the metrics: in force, not reviewed in time, and uses of all that there ever were. */
    async counts(): Promise<{ active: number; unreviewed: number; uses: number }> {
      const sql = `select
        (select count(*) from exceptions where state = 'approved' and starts_at <= now() and ends_at > now())::integer as active,
        (select count(*) from exceptions where state in ('approved', 'ended') and reviewed_at is null and review_by <= now())::integer as unreviewed,
        (select count(*) from decisions where exception_id is not null and outcome = 'allow')::integer as uses`;
      const rows = await connection.call<{ active: number; unreviewed: number; uses: number }>('exceptions', sql, []);
      return rows[0] ?? { active: 0, unreviewed: 0, uses: 0 };
    },
  };
}

const APPROVED = { state: { in: ['approved', 'ended'] } };

function inState(state: ExceptionState, now: Date): Prisma.ExceptionWhereInput {
  switch (state) {
    case 'requested':
      return { state, endsAt: { gt: now } };
    case 'lapsed':
      return { state: 'requested', endsAt: { lte: now } };
    case 'scheduled':
      return { state: 'approved', startsAt: { gt: now } };
    case 'active':
      return { state: 'approved', startsAt: { lte: now }, endsAt: { gt: now } };
    case 'over':
      return { state: 'approved', endsAt: { lte: now } };
    case 'denied':
    case 'ended':
      return { state };
  }
}

/** The same of one row. */
export function exceptionState({ state, startsAt, endsAt }: ExceptionRow, now: Date): ExceptionState {
  if (state === 'denied' || state === 'ended') return state;
  if (state === 'requested') return endsAt > now ? 'requested' : 'lapsed';
  if (startsAt > now) return 'scheduled';
  return endsAt > now ? 'active' : 'over';
}
