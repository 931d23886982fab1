import { ProviderError, type ProviderErrorCode } from '../../domain/errors.ts';
import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import type { Reply } from './wire.ts';

/** Statuses that are no refusal of what was asked (Vault's API documentation, *HTTP status codes*). */
const CODES: Readonly<Record<number, ProviderErrorCode>> = {
  412: 'provider_throttled', // a replica has still not caught up
  429: 'provider_throttled', // a quota; on sys/health a standby
  472: 'provider_unreachable', // a secondary for disaster recovery
  473: 'provider_unreachable', // a performance standby
};

/**
 * A call that was answered with a failure: its status and our word for the call, and nothing that the answer says, which may
 * repeat what it was asked. `nothingLives` is false; whoever knows better says so with `certain`.
 */
export function failedWith({ status }: Reply, step: string): ProviderError {
  const fail = (code: ProviderErrorCode, facts: JsonObject = {}) =>
    new ProviderError(code, { nothingLives: false, facts: { vault_status: status, step, ...facts } });
  const known = CODES[status];
  if (known) return fail(known);
  if (status >= 500) return fail('provider_unreachable');
  if (status >= 400) return fail('provider_refused');
  if (status >= 300) return fail('provider_unreachable', { finding: 'redirected' });
  return fail('provider_answer_wrong');
}

/**
 * Whether it is Vault that says so. What stands before it refuses too, with the same statuses, and knows of nothing; Vault says
 * with each refusal what is wrong, in a list that may be empty. Only a secret that was deleted and has versions is answered
 * with 404 as if it were there.
 */
export function isVaultsOwn({ status, body }: Reply): boolean {
  if (status < 400 || status >= 500 || CODES[status]) return true;
  if (!isJsonObject(body)) return false;
  return Array.isArray(body['errors']) || (typeof body['request_id'] === 'string' && body['lease_id'] === '');
}

/** By Vault itself: what stands before it says nothing of a token. */
export function isForbidden(reply: Reply): boolean {
  return reply.status === 403 && isVaultsOwn(reply);
}

/** Whether one of the reasons that Vault gives has these words. They decide, and are never told: they may repeat what was asked. */
export function saysOf({ body }: Reply, words: string): boolean {
  const errors = isJsonObject(body) ? body['errors'] : undefined;
  return Array.isArray(errors) && errors.some((each) => typeof each === 'string' && each.includes(words));
}

export function notVaults({ status }: Reply, step: string): ProviderError {
  return new ProviderError('provider_answer_wrong', { nothingLives: false, facts: { vault_status: status, step } });
}

/** The same failure, where it is certain that it left nothing alive. */
export function certain(error: unknown): unknown {
  return error instanceof ProviderError
    ? new ProviderError(error.code, { nothingLives: true, facts: error.facts })
    : error;
}

/** The same failure, with what ends the token that there is. */
export function withHandle(error: unknown, handle: JsonObject): unknown {
  if (!(error instanceof ProviderError) || error.handle) return error;
  return new ProviderError(error.code, { nothingLives: false, facts: error.facts, handle });
}

/** Refused before anything was asked of the server. */
export function refused(finding: string, facts: JsonObject = {}): ProviderError {
  return new ProviderError('provider_refused', { nothingLives: true, facts: { finding, ...facts } });
}

/** An answer that is not what was planned, or makes no sense. */
export function wrong(what: string, facts: JsonObject = {}): ProviderError {
  return new ProviderError('provider_answer_wrong', { nothingLives: false, facts: { what, ...facts } });
}
