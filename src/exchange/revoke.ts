import type { Actor } from '../domain/identity.ts';
import type { GrantId } from '../domain/ids.ts';
import type { GrantView } from '../ledger/index.ts';
import { Refusal } from '../domain/errors.ts';
import type { ExchangeContext } from './context.ts';
import { LEASE_SECONDS } from './settle.ts';
import type { Settle } from './settle.ts';

/** How long an answer waits for the provider's confirmation before it says `ending`. */
const WAIT_MS = 5_000;

/** Ends what is open of a grant, here and now; what does not finish in time is left to the reaper. */
export type SettleGrant = (grant: GrantId) => Promise<void>;

export function makeSettleGrant(
  { ledger, owner }: Pick<ExchangeContext, 'ledger' | 'owner'>,
  settle: Settle,
): SettleGrant {
  return async (grant) => {
    const claims = await ledger.reaping.claim({ grant, owner, limit: 100, lease_seconds: LEASE_SECONDS });
    const all = Promise.all(claims.map(settle));
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, WAIT_MS)));
    await Promise.race([all, patience]);
    clearTimeout(timer);
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
    const state = await ledger.issuing.endGrant({ ...revocation, why: 'revocation' });
    if (state === 'ending') await settleGrant(revocation.grant);
    const view = await ledger.grants.find(revocation.grant);
    if (!view) throw new Refusal('not_found');
    return view;
  };
}
