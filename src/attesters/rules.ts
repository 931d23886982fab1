import { OTHERS_AHEAD_MS } from '../domain/clock.ts';
import { Refusal } from '../domain/errors.ts';
import type { Algorithm } from './algorithms.ts';
import type { UnverifiedToken } from './attester.ts';
import { invalid, type Claims } from './claims.ts';

/** What a token must say, whoever signed it. */
export interface TokenRules {
  readonly algorithms: readonly Algorithm[];
  readonly audience: string;
  /** Absent only where the subject names the trust domain. */
  readonly issuer?: string;
  /** The media types of `typ` that are accepted; `typ` may be absent. Compared as RFC 7515 §4.1.9 says. */
  readonly types: readonly string[];
  /** Seconds since `iat`. */
  readonly maxAge: number;
  /** Whether a token without `iat` is refused; otherwise its remaining life is held to `maxAge`. */
  readonly issuedAtRequired: boolean;
  /** What one kind alone demands of the header. @throws Refusal `evidence_invalid`. */
  readonly checkHeader?: (header: Claims) => void;
}

/** When a token counts: milliseconds, from `opens` up to and without `ends`. */
export interface Validity {
  readonly opens: number;
  readonly ends: number;
}

/** Accepted age of evidence where the trust entry says nothing: one hour. */
export const DEFAULT_MAX_AGE = 3_600;

/**
 * Checks everything but the signature, which costs more and may need the network.
 * @throws Refusal `evidence_invalid`, `evidence_expired`, `evidence_not_yet_valid`.
 */
export function checkRules({ header, payload }: UnverifiedToken, rules: TokenRules, now: Date): Validity {
  if (!rules.algorithms.some((name) => name === header['alg'])) throw invalid('algorithm');
  if (!isAcceptedType(header['typ'], rules.types)) throw invalid('typ');
  rules.checkHeader?.(header);
  if (rules.issuer !== undefined && payload['iss'] !== rules.issuer) throw invalid('iss');
  if (!audiences(payload['aud']).includes(rules.audience)) throw invalid('aud');
  // A token that is bound to a key is worth nothing without proof of it (RFC 7800 §3, RFC 9449 §7.1): never a bearer.
  if (Object.hasOwn(payload, 'cnf')) throw invalid('cnf');
  const validity = readValidity(payload, rules, now);
  checkTime(validity, now);
  return validity;
}

/** @throws Refusal `evidence_expired`, `evidence_not_yet_valid`. */
export function checkTime({ opens, ends }: Validity, now: Date): void {
  if (now.getTime() >= ends) throw new Refusal('evidence_expired');
  // granted to `nbf` and `iat` alone, since an end is an end
  if (now.getTime() < opens - OTHERS_AHEAD_MS) throw new Refusal('evidence_not_yet_valid');
}

function readValidity(payload: Claims, rules: TokenRules, now: Date): Validity {
  const expires = time(payload, 'exp');
  const issued = time(payload, 'iat');
  const notBefore = time(payload, 'nbf') ?? Number.NEGATIVE_INFINITY;
  if (expires === undefined) throw invalid('exp');
  if (issued !== undefined) {
    return { opens: Math.max(issued, notBefore), ends: Math.min(expires, issued + rules.maxAge * 1_000) };
  }
  if (rules.issuedAtRequired) throw invalid('iat');
  if (expires - now.getTime() > rules.maxAge * 1_000) throw invalid('a longer life than max_age, and no iat');
  return { opens: notBefore, ends: expires };
}

/** A NumericDate (RFC 7519 §2) in milliseconds. */
function time(payload: Claims, claim: string): number | undefined {
  const value = payload[claim];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(claim);
  return value * 1_000;
}

function audiences(value: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.every((item) => typeof item === 'string') ? list : [];
}

function isAcceptedType(typ: unknown, accepted: readonly string[]): boolean {
  if (typ === undefined) return true;
  if (typeof typ !== 'string') return false;
  const plain = (type: string) => type.toLowerCase().replace(/^application\//, '');
  return accepted.some((type) => plain(type) === plain(typ));
}
