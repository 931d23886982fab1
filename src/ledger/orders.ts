import type { Actor, Reach } from '../domain/identity.ts';
import type { OrderId } from '../domain/ids.ts';
import type { Selector, SelectorKind } from '../domain/selector.ts';
import type { Prisma } from '../generated/client.ts';
import { behind } from './behind.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';

export type OrderRow = Prisma.OrderGetPayload<object>;

/** How far an order has come, by provider: counts of the grants it ended. */
export type OrderProgress = Readonly<
  Record<string, { matched: number; revoked: number; expired: number; pending: number; stuck: number }>
>;

/** What a selector covers, as `selector_condition` in SQL says it: one for each kind, so that indexes count. */
const CONDITIONS: Readonly<Record<SelectorKind, string>> = {
  agent: 'subject = $2',
  profile: 'profile = $2',
  owner: 'owner = $2',
  environment: 'environment = $2',
  provider: 'provider = $2',
  on_behalf_of: 'on_behalf_of = $2',
  task: 'task_id in (select descendants($2))',
  all: "$2 = '*'",
};

export interface OrderFilter {
  /** Those that block now, or those that do not: lifted, or given to end only. */
  readonly blocking?: boolean;
  /** What whoever looks may see. */
  readonly within?: readonly Reach[] | undefined;
}

export function makeOrders(connection: Connection) {
  return {
    /** Inserts the order: from this commit on everything that matches is refused, on every replica. */
    async create(order: {
      readonly id: OrderId;
      readonly selector: Selector;
      readonly reason: string;
      readonly author: Actor;
      readonly blocks: boolean;
      readonly origin: string | null;
    }): Promise<Date> {
      const { selector, ...rest } = order;
      const argument = { ...rest, kind: selector.kind, value: selector.value };
      const answer = await connection.transition<{ created_at: string }>('create_order', argument);
      return new Date(answer.created_at);
    },

    /** How many grants a selector covers now, by provider, that are not ending already. */
    async countMatching(selector: Selector): Promise<Readonly<Record<string, number>>> {
      const rows = await connection.call<{ counts: Record<string, number> }>(
        'count_matching',
        'select count_matching($1, $2) as counts',
        [selector.kind, selector.value],
      );
      return rows[0]?.counts ?? {};
    },

    find: (id: OrderId) => connection.prisma((client) => client.order.findUnique({ where: { id } })),

    /** Newest first, from behind the order `after`. */
    list: ({ blocking, within }: OrderFilter, limit: number, after?: string): Promise<OrderRow[]> =>
      connection.prisma((client) =>
        behind(after, limit, (page) =>
          client.order.findMany({
            where: {
              AND: [
                blocking === undefined ? {} : blocking ? BLOCKING : { NOT: BLOCKING },
                within ? { OR: within.map(ordersWithin) } : {},
              ],
            },
            orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
            ...page,
          }),
        ),
      ),

    /**
     * One statement, so that a grant that is being swept is counted once; what is still to be swept is pending. So is what was ending
     * before the order came, and keeps its own reason: it lives, and whoever gave the order must not be told that nothing does. What is
     * ending has a mint that is, by which it is found.
     */
    async progress(id: OrderId): Promise<OrderProgress> {
      const order = await connection.prisma((client) => client.order.findUnique({ where: { id } }));
      if (!order) return {};
      const kind = order.kind as SelectorKind;
      const others = `from grants where opened_at <= (select created_at from orders where id = $1) and order_id is distinct from $1 and ${CONDITIONS[kind]}`;
      const sql = `select provider, state, count(*)::integer as n from grants where order_id = $1 group by provider, state
        union all select provider, 'ending', count(*)::integer ${others} and state in ('pending_approval', 'issuing', 'active') group by provider
        union all select provider, case state when 'stuck' then state else 'ending' end, count(*)::integer ${others} and state in ('ending', 'stuck')
            and id in (select grant_id from mints where state = 'ending') group by 1, 2`;
      type Row = { provider: string; state: string; n: number };
      const rows = await connection.call<Row>(`order_progress_${kind}`, sql, [id, order.value]);
      const progress: Record<
        string,
        { matched: number; revoked: number; expired: number; pending: number; stuck: number }
      > = {};
      for (const { provider, state, n } of rows) {
        const row = (progress[provider] ??= { matched: 0, revoked: 0, expired: 0, pending: 0, stuck: 0 });
        row.matched += n;
        if (state === 'stuck') row.stuck += n;
        else if (state === 'expired') row.expired += n;
        else if (state === 'ending') row.pending += n;
        else row.revoked += n;
      }
      return progress;
    },

    /** @throws Refusal `not_found`, `already_lifted`, `lift_needs_another_operator`. */
    async lift(lifting: {
      order: OrderId;
      reason: string;
      actor: Actor;
      origin: string | null;
    }): Promise<'lifted' | 'lift_requested'> {
      return admit(await connection.transition<Answer & { state: 'lifted' | 'lift_requested' }>('lift_order', lifting))
        .state;
    },
  };
}

const BLOCKING = { blocks: true, liftedAt: null };

/** The orders that can touch nothing else: the same as `mayActOn` says of what a selector covers. */
function ordersWithin({ owners, environments }: Reach): Prisma.OrderWhereInput {
  if (owners && environments) return { id: { in: [] } };
  if (owners) return { kind: 'owner', value: { in: [...owners] } };
  return environments ? { kind: 'environment', value: { in: [...environments] } } : {};
}
