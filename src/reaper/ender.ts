import type { ExchangeContext } from '../exchange/context.ts';
import { LEASE_SECONDS } from '../exchange/settle.ts';
import type { Settle } from '../exchange/settle.ts';
import type { Provider } from '../providers/provider.ts';
import { startWoken } from './loop.ts';
import type { Loop } from './loop.ts';

/** How many ends of one provider are under way at once in one process: a slow provider keeps only its own waiting. */
const CONCURRENCY = 32;
const CLEANUP_LEASE_SECONDS = 120;
const CLEANUP_TIMEOUT_MS = 60_000;
const CLEANUP_LONGEST_PAUSE_SECONDS = 600;

type Needs = Pick<ExchangeContext, 'ledger' | 'owner' | 'clock' | 'log'>;

/** Ends a provider's due mints, as many as there are free places. */
export function startEnder({ ledger, owner, log }: Needs, provider: Provider, settle: Settle): Loop {
  const running = new Set<Promise<void>>();
  const loop = startWoken(
    async () => {
      const free = CONCURRENCY - running.size;
      if (free > 0) {
        const claims = await ledger.reaping.claim({
          provider: provider.name,
          owner,
          limit: free,
          lease_seconds: LEASE_SECONDS,
        });
        for (const claim of claims) {
          const work = settle(claim).finally(() => {
            running.delete(work);
            loop.wake();
          });
          running.add(work);
        }
      }
      return false;
    },
    (error) => log.warn({ provider: provider.name, code: (error as { code?: unknown }).code }, 'claiming failed'),
  );
  return {
    wake: loop.wake,
    async stop() {
      await loop.stop();
      await Promise.all(running);
    },
  };
}

/** Clears away what ended mints left behind: names and objects, nothing that lives. One at a time, retried until done. */
export function startCleaner({ ledger, clock, log }: Needs, provider: Provider): Loop {
  const after = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);
  return startWoken(
    async () => {
      const [claim] = await ledger.reaping.claimCleanups(provider.name, 1, CLEANUP_LEASE_SECONDS);
      if (!claim || !provider.cleanup) return false;
      try {
        const cleaned = await provider.cleanup(claim, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
        await ledger.reaping.finishCleanup(claim.mint, cleaned.kind === 'later' ? cleaned.until : undefined);
      } catch (error) {
        const code = (error as { code?: unknown }).code;
        log.warn({ provider: provider.name, mint: claim.mint, tries: claim.tries, code }, 'clearing away failed');
        const pause = Math.min(CLEANUP_LONGEST_PAUSE_SECONDS, 2 ** claim.tries);
        await ledger.reaping.finishCleanup(claim.mint, after(pause));
      }
      return true;
    },
    (error) => log.warn({ provider: provider.name, code: (error as { code?: unknown }).code }, 'clearing away failed'),
  );
}
