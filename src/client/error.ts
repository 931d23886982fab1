import type { JsonObject } from '../domain/json.ts';

/** Codes of this client's own, beside those of the broker's problems (`RefusalCode`, `FaultCode`, `ProviderErrorCode`). */
export const CLIENT_CODES = [
  /** No answer: `facts.reason` is the system's code (`ECONNREFUSED`) or `timeout`, or `aborted` by the caller's signal. */
  'unreachable',
  /** An answer that is not Writ's: a proxy's page, a redirect, a body that is not JSON. `facts.reason` says which. */
  'unexpected_answer',
  /** The verb needs a token that this client was not given, or could not read. */
  'identity_token_missing',
  'operator_token_missing',
  /** A token with characters that cannot stand in a header; never quoted. */
  'token_malformed',
] as const;
export type ClientCode = (typeof CLIENT_CODES)[number];

/** One fault of a request, of those that a `400` reports at once. `path` is dotted: `parameters.month`. */
export interface RequestFault {
  readonly path: string;
  readonly problem: string;
}

export interface WritErrorFields {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly code: string;
  /** What happened, in a sentence. */
  readonly title: string;
  /** More of this case, what would help above all. */
  readonly detail?: string;
  readonly errors?: readonly RequestFault[];
  /** Whatever else the problem says (RFC 9457 §3.2), such as `minimum` or `decision`. */
  readonly facts?: JsonObject;
  readonly requestId?: string;
}

/**
 * Every failure of this client: a problem that the broker answered (RFC 9457), an OAuth error, or no answer at all.
 * Match on `code`. It never holds a token, a credential or a request's body, and has no `cause` that could.
 */
export class WritError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly errors?: readonly RequestFault[];
  readonly facts: JsonObject;
  readonly requestId?: string;
  constructor(fields: WritErrorFields) {
    super(`${fields.code}: ${fields.title}`);
    this.name = 'WritError';
    this.status = fields.status;
    this.code = fields.code;
    this.title = fields.title;
    if (fields.detail !== undefined) this.detail = fields.detail;
    if (fields.errors !== undefined) this.errors = fields.errors;
    this.facts = fields.facts ?? {};
    if (fields.requestId !== undefined) this.requestId = fields.requestId;
  }
}
