import type { Boundary, Denial } from './boundary.ts';
import type { FindRole } from './attachments.ts';
import { within } from '../../domain/deadline.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { Session } from './denials.ts';
import type { Known } from './known.ts';

/** One account's deny list, and what its revoker sees of roles. */
export interface Account {
  readonly boundary: Boundary;
  readonly findRole: FindRole;
}

/** The deny lists of all accounts. */
export interface Revocation {
  readonly accounts: ReadonlyMap<string, Account>;
  /** @throws ProviderError. */
  deny(session: Session & { readonly account: string }, signal: AbortSignal): Promise<Verdict>;
}

/**
 * What is said of a session that is denied. `counts`: everywhere, from then on. `gets_through`: a probe has seen that it does not yet.
 * `no_list`: there is none for its account. `not_attached`: its role does not heed it, or nobody knows.
 */
export type Verdict =
  | { readonly kind: 'counts'; readonly from: Date }
  | { readonly kind: 'gets_through' | 'no_list' | 'not_attached' }
  | Exclude<Denial, { kind: 'since' }>;

/**
 * How many ends wait for an account for as long as that takes. More of them wait a while, and then come again: the places for
 * ends are the provider's, and an account that does not answer must not take those of the others.
 */
const PATIENT = 8;
const PATIENCE_MS = 3_000;
const UNSEEN = { kind: 'unseen' } as const;

/** @param propagationMs - from being seen until it counts everywhere. */
export function makeRevocation(
  accounts: ReadonlyMap<string, Account>,
  known: Known,
  propagationMs: number,
): Revocation {
  const waiting = new Map<Account, number>();

  async function denyAt({ boundary, findRole }: Account, session: Session, signal: AbortSignal): Promise<Verdict> {
    // It is denied whatever is known of its role: that may come right, and nothing is lost by it.
    const [looked, denied] = await Promise.allSettled([
      findRole(session.role, signal).catch(unlessHidden),
      boundary.deny(session, signal),
    ]);
    const found = looked.status === 'fulfilled' ? looked.value : undefined;
    if (found && found.boundary !== boundary.config.boundary_arn) return notAttached(session);
    if (denied.status === 'rejected') throw denied.reason;
    if (looked.status === 'rejected') throw looked.reason;
    return found ? heeded(denied.value, found.since) : notAttached(session);
  }

  function notAttached({ role }: Session): Verdict {
    known.noteDeniable(role, false);
    return { kind: 'not_attached' };
  }

  /** A probe tries the list and not whether a role heeds it: for that the wait counts in any case. */
  function heeded(denial: Denial, since: Date): Verdict {
    if (denial.kind !== 'since') return denial;
    if (denial.probed === 'not_yet') return { kind: 'gets_through' }; // which knows better than any wait
    const last = denial.probed === 'denied' || denial.since < since ? since : denial.since;
    return { kind: 'counts', from: new Date(last.getTime() + propagationMs) };
  }

  return {
    accounts,
    async deny(session, signal) {
      const account = accounts.get(session.account);
      if (!account) return { kind: 'no_list' };
      const before = waiting.get(account) ?? 0;
      waiting.set(account, before + 1);
      try {
        const denied = denyAt(account, session, signal);
        return before < PATIENT ? await denied : await within(PATIENCE_MS, denied, () => UNSEEN);
      } finally {
        waiting.set(account, (waiting.get(account) ?? 1) - 1);
      }
    },
  };
}

/** What may not be looked at, or is not there, is not known to heed anything; whatever else went wrong is asked again, and soon. */
function unlessHidden(error: unknown): undefined {
  const what = error instanceof ProviderError ? error.facts['finding'] : undefined;
  if (what === 'access_denied' || what === 'no_such_entity') return undefined;
  throw error;
}
