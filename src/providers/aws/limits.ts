import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';

/** STS takes no more (API reference of AssumeRole). Characters, tags and seconds. */
export const MAX_POLICY_CHARS = 2_048;
export const MAX_TAGS = 50;
export const SHORTEST_SESSION = 900;
export const LONGEST_SESSION = 43_200;
/** Of a session that was made by a session. */
export const LONGEST_CHAINED = 3_600;

/** `writ:grant` and `writ:task`. */
export const OWN_TAGS = 2;

const POLICY_TEXT = /^[\t\n\r\u0020-\u00ff]+$/;
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

export function tagKeyFault(key: string): string | undefined {
  if (key.length < 1 || key.length > 128) return 'is a key of more than 128 characters, or of none';
  if (!TAG_TEXT.test(key)) return 'is a key of other characters than letters, digits, spaces and _.:/=+-@';
  const name = key.toLowerCase();
  return name.startsWith('aws:') || name.startsWith('writ:') ? 'is a key that AWS or Writ sets by itself' : undefined;
}

export function tagValueFault(value: string): string | undefined {
  if (value.length > 256) return 'is a value of more than 256 characters';
  return TAG_TEXT.test(value) ? undefined : 'is a value of other characters than letters, digits, spaces and _.:/=+-@';
}

/** What a request would come to, against what STS takes. */
export interface Measure {
  readonly finding: string;
  readonly actual: number;
  readonly limit: number;
  readonly profile: string;
}

/** @throws ProviderError `provider_limit`: asked for nothing yet. */
export function requireWithin(measure: Measure): void {
  if (measure.actual > measure.limit) throw limitPassed({ ...measure });
}

/** @throws ProviderError `provider_limit`. */
export function requirePolicyText(profile: string, policy: string): void {
  requireWithin({ finding: 'policy_too_long', actual: policy.length, limit: MAX_POLICY_CHARS, profile });
  if (!POLICY_TEXT.test(policy)) throw limitPassed({ finding: 'policy_characters', profile });
}

export function limitPassed(facts: JsonObject): ProviderError {
  return new ProviderError('provider_limit', { nothingLives: true, facts });
}
