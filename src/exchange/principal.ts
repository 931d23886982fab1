import { Refusal } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import type { Principal } from '../domain/task.ts';

/** On whose behalf, as a workload says it: by name, which policy has to permit, or by a token of theirs. */
export type GivenPrincipal = string | { readonly token: string };

/**
 * Finds out whom a workload acts for. A token must be made out to this broker and be vouched for by a trust entry that
 * attests principals; one that does not hold is a refusal, and never only a name.
 */
export function makeResolvePrincipal(attest: (token: string) => Promise<Identity>) {
  return async function resolvePrincipal(given: GivenPrincipal): Promise<Principal> {
    if (typeof given === 'string') return { id: given };
    const { id, trust, groups, vouchedUntil, issuer, subject } = await attest(given.token).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      throw new Refusal('principal_refused', { why: error.code }, { cause: error });
    });
    const who = issuer === undefined || subject === undefined ? {} : { issuer, subject };
    return { id, verified: { trust, groups, ...who, vouchedUntil } };
  };
}
