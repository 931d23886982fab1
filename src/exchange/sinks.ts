import type { DeadLetter, SinkState } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';

/** What people see of the sinks of this broker, and do about what those do not take. */
export function makeSinkVerbs({ ledger }: Pick<ExchangeContext, 'ledger'>) {
  return {
    async deadLetters(
      sink: string | null,
      after: { sink: string; leaf: number } | null,
      limit: number,
    ): Promise<{
      letters: DeadLetter[];
      next: DeadLetter | undefined;
      states: (SinkState & { readonly lag: number })[];
    }> {
      const found = await ledger.sinks.deadLetters(sink, after, limit + 1);
      const letters = found.slice(0, limit);
      const [{ size }, states] = await Promise.all([ledger.sealing.head(), ledger.sinks.states()]);
      return {
        letters,
        next: found.length > limit ? letters.at(-1) : undefined,
        states: states.map((state) => ({ ...state, lag: Math.max(0, size - state.position) })),
      };
    },

    /** @throws Refusal `not_found` where there is no such sink. */
    replay: (
      caller: OperatorCaller,
      { sink, task, reason }: { readonly sink: string; readonly task: string | null; readonly reason: string },
    ): Promise<{ count: number }> =>
      ledger.sinks.replay({ sink, task, reason, actor: actorOf(caller), origin: caller.origin }),
  };
}
export type SinkVerbs = ReturnType<typeof makeSinkVerbs>;
