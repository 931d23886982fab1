import { ProviderError } from '../domain/errors.ts';
import type { Claim } from '../ledger/index.ts';
import type { Ended, MintRecord, Provider } from '../providers/provider.ts';
import type { ExchangeContext } from './context.ts';

/** A claim's lease; a provider's call gets less, so that its answer is written while the claim still holds. */
export const LEASE_SECONDS = 30;
const PROVIDER_TIMEOUT_MS = 20_000;

/** Attempts before a grant counts as `stuck`; it is tried on, at the longest pause. */
export const STUCK_AFTER = 8;
const FIRST_PAUSE_SECONDS = 1;
const LONGEST_PAUSE_SECONDS = 60;

/** Takes one claimed mint as far as it goes now. Never throws: what fails is recorded and comes round again. */
export type Settle = (claim: Claim) => Promise<void>;

/** Pause before the next attempt: doubling, with up to a quarter of jitter so that replicas spread out. */
export function pauseSeconds(attempts: number, random: number): number {
  const pause = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** attempts);
  return pause * (1 - 0.25 * random);
}

/**
 * Ends a claimed mint: by its handle, or, where its answer was never recorded, by what the provider can find of it. It is closed as
 * ended only when the provider confirms; as absent only when a late mint has been made harmless; as lapsed when its own
 * end was all there was (CORRECTNESS, *Issue* 5 and *Ending*).
 */
export function makeSettle({
  ledger,
  providers,
  clock,
  log,
}: Pick<ExchangeContext, 'ledger' | 'providers' | 'clock' | 'log'>): Settle {
  const { reaping } = ledger;

  async function act(claim: Claim, provider: Provider): Promise<void> {
    const signal = AbortSignal.timeout(PROVIDER_TIMEOUT_MS);
    const record: MintRecord = claim;
    let handle = claim.handle;
    if (!handle) {
      const found = await provider.find(record, signal);
      if (found.kind === 'absent') return close(claim, provider, 'absent');
      if (found.kind === 'unknowable') return wait(claim, provider, found.until);
      handle = found.handle;
      if (!(await reaping.noteHandle(claim.mint, claim.epoch, handle))) return;
    }
    return conclude(claim, provider, await provider.end(record, handle, claim.why, signal));
  }

  async function conclude(claim: Claim, provider: Provider, ended: Ended): Promise<void> {
    switch (ended.kind) {
      case 'ended':
        return close(claim, provider, 'ended');
      case 'pending':
        await reaping.defer(claim.mint, claim.epoch, ended.until);
        return;
      case 'not_revocable':
        return wait(claim, provider, ended.until);
    }
  }

  /** Nothing can be done but to let it end by itself. */
  async function wait(claim: Claim, provider: Provider, until: Date): Promise<void> {
    if (until.getTime() <= clock.now().getTime()) return close(claim, provider, 'lapsed');
    await reaping.defer(claim.mint, claim.epoch, until);
  }

  async function close(claim: Claim, provider: Provider, outcome: 'ended' | 'absent' | 'lapsed'): Promise<void> {
    await reaping.close(claim.mint, claim.epoch, outcome, provider.cleanup !== undefined);
  }

  return async function settle(claim) {
    try {
      const provider = providers.get(claim.provider);
      if (!provider)
        throw new ProviderError('provider_unreachable', { nothingLives: false, facts: { provider: claim.provider } });
      await act(claim, provider);
    } catch (error) {
      const code =
        error instanceof ProviderError ? error.code : ((error as { code?: string }).code ?? 'internal_error');
      log.warn(
        { mint: claim.mint, grant: claim.grant, provider: claim.provider, attempts: claim.attempts + 1, code },
        'ending failed',
      );
      const pause = pauseSeconds(claim.attempts, Math.random());
      await reaping.retry(claim.mint, claim.epoch, code, pause, STUCK_AFTER).catch((cause: unknown) => {
        log.warn(
          { mint: claim.mint, code: (cause as { code?: unknown }).code },
          'the ledger did not take the failure; the lease runs out',
        );
      });
    }
  };
}
