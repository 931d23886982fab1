import type { Boundary, Denial } from './boundary.ts';
import type { FindRole } from './attachments.ts';
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
  /** From being seen until it counts everywhere. */
  readonly propagationMs: number;
  /** `no_list`: there is none for its account. `not_attached`: its role does not heed it, or nobody knows. @throws ProviderError. */
  deny(session: Session & { readonly account: string }, signal: AbortSignal): Promise<Denial | NotDenied>;
}

export interface NotDenied {
  readonly kind: 'no_list' | 'not_attached';
}

/**
 * How many ends wait for an account for as long as that takes. More of them wait a while, and then come again: the places for
 * ends are the provider's, and an account that does not answer must not take those of the others.
 */
const PATIENT = 8;
const PATIENCE_MS = 3_000;

export function makeRevocation(
  accounts: ReadonlyMap<string, Account>,
  known: Known,
  propagationMs: number,
): Revocation {
  const waiting = new Map<Account, number>();

  async function denyAt({ boundary, findRole }: Account, session: Session, signal: AbortSignal) {
    // It is denied whatever is known of its role: that may come right, and nothing is lost by it.
    const [looked, denied] = await Promise.allSettled([
      findRole(session.role, signal).catch(unlessRefused),
      boundary.deny(session, signal),
    ]);
    const found = looked.status === 'fulfilled' ? looked.value : undefined;
    if (found && found.boundary !== boundary.config.boundary_arn) return notAttached(session);
    if (denied.status === 'rejected') throw denied.reason;
    if (looked.status === 'rejected') throw looked.reason;
    return found ? heeded(denied.value, found.since) : notAttached(session);
  }

  function notAttached({ role }: Session): NotDenied {
    known.noteDeniable(role, false);
    return { kind: 'not_attached' };
  }

  return {
    accounts,
    propagationMs,
    async deny(session, signal) {
      const account = accounts.get(session.account);
      if (!account) return { kind: 'no_list' };
      const before = waiting.get(account) ?? 0;
      waiting.set(account, before + 1);
      try {
        const denied = denyAt(account, session, signal);
        return before < PATIENT ? await denied : await unlessLate(denied);
      } finally {
        waiting.set(account, (waiting.get(account) ?? 1) - 1);
      }
    },
  };
}

/** What may not be looked at is not known to heed anything; what does not answer is asked again, and soon. */
function unlessRefused(error: unknown): undefined {
  if (error instanceof ProviderError && error.code === 'provider_refused') return undefined;
  throw error;
}

/** A list that was there before its role was seen to heed it counts from then on, and no probe has tried that. */
function heeded(denial: Denial, since: Date): Denial {
  if (denial.kind !== 'since' || since <= denial.since) return denial;
  return { kind: 'since', since, probed: undefined };
}

/** What was begun goes on, for all who ask after it. */
async function unlessLate<T>(work: Promise<T>): Promise<T | Extract<Denial, { kind: 'unseen' }>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ kind: 'unseen' }>((resolve) => {
    timer = setTimeout(() => resolve({ kind: 'unseen' }), PATIENCE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
