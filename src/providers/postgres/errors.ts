import pg from 'pg';
import { ProviderError, type ProviderErrorCode } from '../../domain/errors.ts';

/** SQLSTATEs, and classes of two characters, that are not the server's refusal (PostgreSQL's appendix A). */
const CODES: Readonly<Record<string, ProviderErrorCode>> = {
  '08': 'provider_unreachable', // connection exceptions
  '57P01': 'provider_unreachable', // admin_shutdown
  '57P02': 'provider_unreachable', // crash_shutdown
  '57P03': 'provider_unreachable', // cannot_connect_now: starting up or in recovery
  '57014': 'provider_timeout', // query_canceled: statement_timeout
  '55P03': 'provider_timeout', // lock_not_available: lock_timeout
  '25P03': 'provider_timeout', // idle_in_transaction_session_timeout
  '25P04': 'provider_timeout', // transaction_timeout
  '53': 'provider_throttled', // insufficient resources: too_many_connections, out of memory, disk full
  '40': 'provider_throttled', // serialization failure, deadlock: the same again may succeed
};

/**
 * What went wrong at the server, for the ledger and the caller: a code and the SQLSTATE. The cause stays private, and no
 * message of `pg` is passed on. `nothingLives` is false; whoever knows better says so with `certain`.
 */
export function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const state = sqlState(error);
  if (state === undefined) return new ProviderError('provider_unreachable', { nothingLives: false, cause: error });
  const code = CODES[state] ?? CODES[state.slice(0, 2)] ?? 'provider_refused';
  return new ProviderError(code, { nothingLives: false, facts: { sqlstate: state }, cause: error });
}

/** The same failure, where it is certain that it left nothing alive. */
export function certain(error: unknown): ProviderError {
  const { code, facts, cause } = asProviderError(error);
  return new ProviderError(code, { nothingLives: true, facts, cause });
}

/** The code of an error that the server itself reported. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

/** The name is taken: `duplicate_object`, or `unique_violation` where two came at once. */
export function isTaken(error: unknown): boolean {
  const state = sqlState(error);
  return state === '42710' || state === '23505';
}
