import type { ExchangeContext } from '../exchange/context.ts';
import type { Provider } from '../providers/provider.ts';
import { startLoop } from './loop.ts';
import type { Loop } from './loop.ts';

const EVERY_MS = 600_000;
const TIMEOUT_MS = 60_000;

/**
 * Holds what a provider shows of our mints against the ledger. What is ended there and still shows here is cleared away again. What
 * the ledger has never heard of (a restored backup, or another broker on the same server) is told and left alone: ending it
 * is a person's decision.
 */
export function startStrays({ ledger, log }: Pick<ExchangeContext, 'ledger' | 'log'>, provider: Provider): Loop {
  return startLoop(
    EVERY_MS,
    async () => {
      const shown = (await provider.names?.(AbortSignal.timeout(TIMEOUT_MS))) ?? [];
      const known = await ledger.reaping.cleanAgain(shown);
      const unknown = shown.filter((mint) => !known.has(mint));
      if (unknown.length > 0) {
        const facts = { provider: provider.name, count: unknown.length, mints: unknown.slice(0, 20) };
        log.warn(facts, 'the provider shows mints that this ledger has no record of');
      }
      return false;
    },
    (error) =>
      log.warn({ provider: provider.name, code: (error as { code?: unknown }).code }, 'looking for strays failed'),
  );
}
