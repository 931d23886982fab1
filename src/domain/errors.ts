import type { JsonObject } from './json.ts';

/**
 * Errors have closed codes and facts as fields. HTTP shows code and facts, the log gets the `cause`; a secret is never in
 * either. A `Refusal` is an answer; a `Fault` is something of ours or of a peer's that broke.
 */
export const REFUSAL_CODES = [
  // evidence (401)
  'evidence_missing',
  'evidence_malformed',
  'evidence_untrusted',
  'evidence_invalid',
  'evidence_expired',
  'evidence_not_yet_valid',
  // request (400)
  'invalid_request',
  'invalid_denial_binding',
  // rights (403)
  'not_an_operator',
  'not_a_workload',
  'role_missing',
  'role_limited',
  'not_a_client',
  'policy_denied',
  'principal_refused',
  'approval_required',
  'ttl_below_minimum',
  'unknown_profile',
  'profile_off',
  'outside_task',
  'task_observes',
  'task_token_invalid',
  'wider_than_parent',
  'too_many_hops',
  'delegation_loop',
  'task_budget_spent',
  'own_request',
  // calls of tools: reasons of a decision
  'unknown_tool',
  'unknown_action',
  'unknown_subject',
  'invalid_arguments',
  'mapping_failed',
  'over_limit',
  'grant_required',
  'profile_may_not_call',
  // state (404, 409)
  'not_found',
  'under_order',
  'grant_not_active',
  'request_in_progress',
  'idempotency_key_reused',
  'lift_needs_another_operator',
  'already_lifted',
  'task_not_found',
  'task_ended',
  'approval_pending',
  'approval_closed',
  'already_answered',
  'exception_closed',
  'already_reported',
  'superseded',
  // over (410)
  'expired_denial',
  // limits (429)
  'too_many_requests',
  'too_many_refusals',
  'too_many_live_grants',
  'too_many_open_tasks',
  'too_many_approvals',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly facts: JsonObject;
  constructor(code: RefusalCode, facts: JsonObject = {}, options?: ErrorOptions) {
    super(code, options);
    this.name = 'Refusal';
    this.code = code;
    this.facts = facts;
  }
}

export const FAULT_CODES = [
  'ledger_unavailable',
  'no_generation',
  'generation_behind',
  'evidence_source_unavailable',
  'clock_skew',
  'keys_unavailable',
  'shutting_down',
] as const;
export type FaultCode = (typeof FAULT_CODES)[number];

export class Fault extends Error {
  readonly code: FaultCode;
  readonly facts: JsonObject;
  constructor(code: FaultCode, options?: ErrorOptions, facts: JsonObject = {}) {
    super(code, options);
    this.name = 'Fault';
    this.code = code;
    this.facts = facts;
  }
}

export const PROVIDER_ERROR_CODES = [
  'provider_unreachable',
  'provider_timeout',
  'provider_refused',
  'provider_throttled',
  'provider_answer_wrong',
  'provider_limit',
] as const;
export type ProviderErrorCode = (typeof PROVIDER_ERROR_CODES)[number];

/**
 * A provider's failure. `nothingLives` is true only where it is certain that no credential came to be: the grant may then
 * be `failed` at once. Everything else is ended by the reaper.
 */
export class ProviderError extends Error {
  readonly code: ProviderErrorCode;
  readonly nothingLives: boolean;
  readonly facts: JsonObject;
  /** Where a mint failed after something came to be: what ends it, so that nobody has to look for it. */
  readonly handle?: JsonObject;
  constructor(
    code: ProviderErrorCode,
    options: { nothingLives: boolean; facts?: JsonObject; handle?: JsonObject; cause?: unknown },
  ) {
    super(code, { cause: options.cause });
    this.name = 'ProviderError';
    this.code = code;
    this.nothingLives = options.nothingLives;
    this.facts = options.facts ?? {};
    if (options.handle) this.handle = options.handle;
  }
}
