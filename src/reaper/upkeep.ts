import type { ExchangeContext } from '../exchange/context.ts';
import { UPKEEP_SECONDS } from '../providers/provider.ts';
import type { Provider } from '../providers/provider.ts';
import { startLoop } from './loop.ts';
import type { Loop } from './loop.ts';

const TIMEOUT_MS = 20_000;

/** Has a provider see to what it keeps standing at its server: another replica's late write, or a person's, is put right again. */
export function startUpkeep({ log }: Pick<ExchangeContext, 'log'>, provider: Provider): Loop {
  return startLoop(
    UPKEEP_SECONDS * 1000,
    async () => {
      await provider.upkeep?.(AbortSignal.timeout(TIMEOUT_MS));
      return false;
    },
    (error) => log.warn({ provider: provider.name, code: (error as { code?: unknown }).code }, 'upkeep failed'),
  );
}
