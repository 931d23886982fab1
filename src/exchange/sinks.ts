import type { DeadLetter, SinkState } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';

/**
 * How far each sink that the ledger knows is behind the log: also those that this broker is not configured with any more, which
 * hold months that are to be put away.
 */
export async function sinkStates({
  sealing,
  sinks,
}: Pick<ExchangeContext['ledger'], 'sealing' | 'sinks'>): Promise<(SinkState & { readonly lag: number })[]> {
  const [{ size }, states] = await Promise.all([sealing.head(), sinks.states()]);
  return states.map((state) => ({ ...state, lag: Math.max(0, size - state.position) }));
}

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
      return {
        letters,
        next: found.length > limit ? letters.at(-1) : undefined,
        states: await sinkStates(ledger),
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
