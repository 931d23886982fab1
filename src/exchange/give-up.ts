import type { MintId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Claim } from '../ledger/index.ts';
import type { ExchangeContext } from './context.ts';
import { LEASE_SECONDS } from './settle.ts';
import type { Settle } from './settle.ts';

const RETRY_MS = 1_000;
const GIVE_UP_AFTER_MS = 10 * 60_000;

/** What this process knows about a mint that it gives up. */
export interface LostMint {
  readonly mint: MintId;
  readonly handle: JsonObject | null;
  readonly nothingLives: boolean;
  readonly endGrant: boolean;
  readonly error: string;
}

/** Returns at once: the end goes on behind the answer, which has already said that nothing was handed out. */
export type GiveUp = (lost: LostMint) => void;

/**
 * Puts a lost mint on record and ends it. While the ledger is away it is tried again, because this process may be the only
 * one that knows the handle; should the process die first, the reaper finds the mint by its intent.
 */
export function makeGiveUp(
  { ledger, owner, log }: Pick<ExchangeContext, 'ledger' | 'owner' | 'log'>,
  settle: Settle,
): { giveUp: GiveUp; drain(): Promise<void> } {
  const running = new Set<Promise<void>>();
  let closing = false;

  async function end(lost: LostMint): Promise<void> {
    const until = Date.now() + GIVE_UP_AFTER_MS;
    for (;;) {
      try {
        const claim = await abandon(lost);
        if (claim) await settle(claim);
        return;
      } catch (error) {
        log.warn(
          { mint: lost.mint, code: (error as { code?: unknown }).code },
          'a lost mint could not be put on record yet',
        );
        if (closing || Date.now() > until) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async function abandon(lost: LostMint): Promise<Claim | undefined> {
    return ledger.issuing.abandon({
      mint: lost.mint,
      handle: lost.handle,
      nothing_lives: lost.nothingLives,
      end_grant: lost.endGrant,
      error: lost.error,
      owner,
      lease_seconds: LEASE_SECONDS,
    });
  }

  return {
    giveUp(lost) {
      const work = end(lost).finally(() => running.delete(work));
      running.add(work);
    },
    /** Waits for what is under way; a ledger that is away is not waited for. */
    async drain() {
      closing = true;
      await Promise.all(running);
    },
  };
}
