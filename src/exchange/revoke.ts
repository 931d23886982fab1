import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Actor } from '../domain/identity.ts';
import type { GrantId } from '../domain/ids.ts';
import type { GrantView } from '../ledger/index.ts';
import { Refusal } from '../domain/errors.ts';
import type { ExchangeContext } from './context.ts';
import { LEASE_SECONDS } from './settle.ts';
import type { Settle } from './settle.ts';

/** How long an answer waits for the provider's confirmation before it says `ending`. */
const WAIT_MS = 5_000;
/** Between two looks at what somebody else is ending. */
const LOOK_EVERY_MS = 50;

/** Ends what is open of a grant, here and now; what does not finish in time is left to the reaper. */
export type SettleGrant = (grant: GrantId) => Promise<void>;

export interface SettleGrantParts {
  readonly ledger: { readonly reaping: Pick<ExchangeContext['ledger']['reaping'], 'claim' | 'isBeingEnded'> };
  readonly owner: string;
}

/** A reaper, of this process or another, may have claimed a mint first: it is waited for just as long. */
export function makeSettleGrant({ ledger, owner }: SettleGrantParts, settle: Settle): SettleGrant {
  return async (grant) => {
    const late = AbortSignal.timeout(WAIT_MS);
    // Listened to from here: the time may be up before the claim is answered, as when the process stood still meanwhile.
    const over = once(late, 'abort');
    const claims = await ledger.reaping.claim({ grant, owner, limit: 100, lease_seconds: LEASE_SECONDS });
    await Promise.race([Promise.all(claims.map(settle)), over]);
    while (!late.aborted && (await ledger.reaping.isBeingEnded(grant))) await sleep(LOOK_EVERY_MS);
  };
}

export interface Revocation {
  readonly grant: GrantId;
  readonly reason: string;
  readonly actor: Actor;
  readonly origin: string | null;
  /** Restricts it to this workload's own grants. */
  readonly subject?: { readonly trust: string; readonly id: string };
}

/**
 * Takes one grant back and answers how it stands: `revoked` only once that is confirmed, `ending` until then.
 * @throws Refusal `not_found`.
 */
export function makeRevoke({ ledger }: Pick<ExchangeContext, 'ledger'>, settleGrant: SettleGrant) {
  return async function revoke(revocation: Revocation): Promise<GrantView> {
    // Not claimed in the same call: of a process that stands still here, the end is anybody's at once, and not after a lease.
    const { state } = await ledger.issuing.endGrant({ ...revocation, why: 'revocation' });
    if (state === 'ending') await settleGrant(revocation.grant);
    const view = await ledger.grants.find(revocation.grant);
    if (!view) throw new Refusal('not_found');
    return view;
  };
}
