/** Claims that a profile may not set, by the standard that gives them their meaning. */
const RESERVED: ReadonlySet<string> = new Set([
  // RFC 7519 §4.1
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  // RFC 8693 §4, RFC 7800, RFC 9068 §2.2, RFC 9396
  ...['scope', 'client_id', 'act', 'may_act', 'cnf', 'auth_time', 'acr', 'amr', 'authorization_details'],
  // OpenID Connect Core §2: an access token must not pass as an identity token
  ...['azp', 'nonce', 'sid', 'at_hash', 'c_hash'],
  // RFC 7662 §2.2: members of an introspection answer, which repeats the claims
  ...['active', 'token_type', 'username'],
  // Transaction tokens (draft-ietf-oauth-transaction-tokens) and security events (RFC 8417)
  ...['txn', 'tctx', 'rctx', 'azd', 'purp', 'req_wl', 'events', 'toe', 'sub_id'],
  // No claims, but names that objects already have
  ...['__proto__', 'constructor', 'prototype'],
]);

/** Everything that Writ says of its own begins so. */
const PREFIX = 'writ_';

export function isReserved(claim: string): boolean {
  return RESERVED.has(claim) || claim.startsWith(PREFIX);
}
