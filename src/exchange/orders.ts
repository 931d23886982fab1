import { Refusal } from '../domain/errors.ts';
import type { Actor } from '../domain/identity.ts';
import type { OrderId } from '../domain/ids.ts';
import type { Selector } from '../domain/selector.ts';
import type { OrderFilter, OrderProgress, OrderRow } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';

export interface OrderView {
  readonly order: OrderRow;
  readonly matched: number;
  readonly state: 'sweeping' | 'in_progress' | 'complete';
  readonly byProvider: OrderProgress;
}

/** Revocation orders: their commit is what counts; the sweep of what is live follows, here and on every replica. */
export function makeOrders({ ledger, ids }: Pick<ExchangeContext, 'ledger' | 'ids'>, wakeReaper: () => void) {
  async function show(id: OrderId): Promise<OrderView> {
    const order = await ledger.orders.find(id);
    if (!order) throw new Refusal('not_found');
    const byProvider = await ledger.orders.progress(id);
    const rows = Object.values(byProvider);
    const matched = rows.reduce((sum, row) => sum + row.matched, 0);
    const open = rows.some((row) => row.pending + row.stuck > 0);
    return { order, matched, byProvider, state: order.sweptAt ? (open ? 'in_progress' : 'complete') : 'sweeping' };
  }

  return {
    show,

    list: (filter: OrderFilter, limit: number, after?: string): Promise<OrderRow[]> =>
      ledger.orders.list(filter, limit, after),

    /** What an order would end, by provider; nothing is written. */
    async dryRun(selector: Selector): Promise<{ matched: number; byProvider: OrderProgress }> {
      const counts = Object.entries(await ledger.orders.countMatching(selector));
      const pending = (n: number) => ({ matched: n, revoked: 0, expired: 0, pending: n, stuck: 0 });
      return {
        matched: counts.reduce((sum, [, n]) => sum + n, 0),
        byProvider: Object.fromEntries(counts.map(([provider, n]) => [provider, pending(n)])),
      };
    },

    async create(
      caller: OperatorCaller,
      order: { selector: Selector; reason: string; blocks: boolean },
    ): Promise<OrderView> {
      const id = ids.order();
      await ledger.orders.create({ id, ...order, author: actorOf(caller), origin: caller.origin });
      wakeReaper();
      return show(id);
    },

    /** @throws Refusal `not_found`, `already_lifted`, `lift_needs_another_operator`. */
    async lift(
      caller: OperatorCaller,
      id: OrderId,
      reason: string,
    ): Promise<{ state: 'lifted' | 'lift_requested'; view: OrderView }> {
      const state = await ledger.orders.lift({ order: id, reason, actor: actorOf(caller), origin: caller.origin });
      return { state, view: await show(id) };
    },
  };
}

export function actorOf({ operator }: OperatorCaller): Actor {
  return { kind: 'operator', issuer: operator.issuer, subject: operator.subject };
}
