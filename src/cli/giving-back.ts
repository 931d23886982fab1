import { WritError, type Client, type Grant } from '../client/index.ts';
import { deadline } from '../domain/deadline.ts';
import type { Shell } from './shell.ts';

const PAUSES_MS = [500, 1500];
/** For all tries together: whoever started the command waits for this. */
const BUDGET_MS = 10_000;

export interface GivingBack {
  readonly shell: Pick<Shell, 'sleep'> & { readonly out: Pick<Shell['out'], 'note'> };
  readonly client: Client;
  readonly grant: Pick<Grant, 'id' | 'expires_at'>;
  /** Goes into the record; never a part of a command line. */
  readonly reason: string;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/**
 * Ends a grant whose credential is no longer needed. Tried again while the broker cannot be reached; what cannot be done
 * is said on stderr, with the time at which the grant ends by itself, and is never thrown.
 * @returns whether the broker has taken it.
 */
export async function giveBack(giving: GivingBack): Promise<boolean> {
  const { shell, grant } = giving;
  try {
    await revoke(giving);
    return true;
  } catch (error) {
    const why = error instanceof WritError ? error.message : 'internal';
    await shell.out.note(`writ: grant ${grant.id} could not be revoked and ends at ${grant.expires_at}: ${why}`);
    return false;
  }
}

async function revoke(giving: GivingBack): Promise<void> {
  const bounded = deadline(BUDGET_MS, giving.signal);
  await revokeUntil(giving, bounded.signal).finally(bounded.clear);
}

async function revokeUntil({ shell, client, grant, reason }: GivingBack, end: AbortSignal): Promise<void> {
  for (const pause of [...PAUSES_MS, undefined]) {
    try {
      await client.workload.revoke(grant.id, reason, { signal: end });
      return;
    } catch (error) {
      if (!(error instanceof WritError)) throw error;
      if (error.code === 'grant_not_active') return; // it has ended, or is ending, without us
      const passing = error.code === 'unreachable' || error.status >= 500;
      if (!passing || pause === undefined || end.aborted) throw error;
      await shell.sleep(pause);
    }
  }
}
