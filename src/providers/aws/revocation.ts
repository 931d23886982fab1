import type { Boundary, Denial } from './boundary.ts';
import type { FindRole } from './attachments.ts';
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
  /** `no_list`: there is none for its account. `not_attached`: its role does not heed it. @throws ProviderError. */
  deny(session: Session & { readonly account: string }, signal: AbortSignal): Promise<Denial | NotDenied>;
}

export interface NotDenied {
  readonly kind: 'no_list' | 'not_attached';
}

export function makeRevocation(
  accounts: ReadonlyMap<string, Account>,
  known: Known,
  propagationMs: number,
): Revocation {
  return {
    accounts,
    propagationMs,
    async deny(session, signal) {
      const account = accounts.get(session.account);
      if (!account) return { kind: 'no_list' };
      const { boundary, findRole } = account;
      const found = await findRole(session.role, signal);
      if (found.boundary !== boundary.config.boundary_arn) {
        known.noteDeniable(session.role, false);
        return { kind: 'not_attached' };
      }
      return boundary.deny(session, signal);
    },
  };
}
