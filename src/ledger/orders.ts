import type { Actor } from '../domain/identity.ts';
import type { OrderId } from '../domain/ids.ts';
import type { Selector } from '../domain/selector.ts';
import type { Prisma } from '../generated/client.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';

export type OrderRow = Prisma.OrderGetPayload<object>;

/** How far an order has come, by provider: counts of the grants it ended. */
export type OrderProgress = Readonly<
  Record<string, { matched: number; revoked: number; expired: number; pending: number; stuck: number }>
>;

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

    /**
     * One statement, so that a grant that is being swept is counted once; what is still to be swept is pending. So is what was ending
     * before the order came, and keeps its own reason: it lives, and whoever gave the order must not be told that nothing does.
     */
    async progress(id: OrderId): Promise<OrderProgress> {
      const sql = `select provider, state, count(*)::integer as n from grants where order_id = $1 group by provider, state
        union all select g.provider, case g.state when 'stuck' then 'stuck' else 'ending' end, count(*)::integer from orders o join grants g
            on g.state in ('pending_approval', 'issuing', 'active', 'ending', 'stuck') and g.opened_at <= o.created_at and g.order_id is distinct from o.id
              and case o.kind when 'all' then true when 'agent' then o.value = g.subject when 'task' then o.value = any (g.task_path)
                when 'profile' then o.value = g.profile when 'owner' then o.value = g.owner when 'environment' then o.value = g.environment
                when 'provider' then o.value = g.provider when 'on_behalf_of' then o.value = g.on_behalf_of end
          where o.id = $1 group by 1, 2`;
      const rows = await connection.call<{ provider: string; state: string; n: number }>('order_progress', sql, [id]);
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
