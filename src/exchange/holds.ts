import { Refusal } from '../domain/errors.ts';
import type { HoldId } from '../domain/ids.ts';
import type { HoldRow } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';

export interface HoldRequest {
  readonly reason: string;
  /** Covers everything where neither is given. */
  readonly from: Date | null;
  readonly to: Date | null;
}

/** Legal holds, by people. */
export function makeHoldVerbs({ ledger, ids }: Pick<ExchangeContext, 'ledger' | 'ids'>) {
  const show = async (id: HoldId): Promise<HoldRow> => {
    const hold = await ledger.holds.find(id);
    if (!hold) throw new Refusal('not_found');
    return hold;
  };
  return {
    list: (limit: number, after?: string) => ledger.holds.list(limit, after),

    async place(caller: OperatorCaller, { reason, from, to }: HoldRequest): Promise<HoldRow> {
      const id = ids.hold();
      const span = { from: from?.toISOString() ?? null, to: to?.toISOString() ?? null };
      await ledger.holds.place({ id, reason, ...span, actor: actorOf(caller), origin: caller.origin });
      return show(id);
    },

    /** @throws Refusal `not_found`, `already_lifted`. */
    async lift(caller: OperatorCaller, id: HoldId, reason: string): Promise<HoldRow> {
      await ledger.holds.lift({ id, reason, actor: actorOf(caller), origin: caller.origin });
      return show(id);
    },
  };
}
export type HoldVerbs = ReturnType<typeof makeHoldVerbs>;
