import type { Principal } from './account.ts';
import type { Extras } from './authorize.ts';
import { AwsError, invalid } from './errors.ts';
import { checkText, violated } from './query.ts';

export interface SessionTags {
  /** Those of this request. */
  readonly tags: Readonly<Record<string, string>>;
  readonly transitive: readonly string[];
}

const TAG = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** Holds the limits of session tags against a request's; the caller's transitive tags cannot be passed again. */
export function checkTags(
  pairs: readonly (readonly [string, string])[],
  transitive: readonly string[],
  who?: Principal,
): SessionTags {
  if (pairs.length > 50) throw violated('[...]', 'tags', 'Member must have length less than or equal to 50');
  if (transitive.length > 50)
    throw violated('[...]', 'transitiveTagKeys', 'Member must have length less than or equal to 50');
  for (const [key, value] of pairs) {
    checkText(key, 'tags.member.key', { min: 1, max: 128, pattern: TAG });
    checkText(value, 'tags.member.value', { min: 0, max: 256, pattern: TAG });
    if (key.toLowerCase().startsWith('aws:'))
      throw invalid('Tag keys that begin with aws: are reserved for system use.');
  }
  const keys = new Set(pairs.map(([key]) => key.toLowerCase()));
  if (keys.size < pairs.length) {
    throw invalidValue('Duplicate tag keys found. Please note that Tag keys are case insensitive.');
  }
  if (transitive.some((key) => !keys.has(key.toLowerCase()))) {
    throw invalidValue('The specified transitive tag key must be included in the requested tags.');
  }
  const inherited = who?.is === 'session' ? who.transitiveTagKeys : [];
  if (inherited.some((key) => keys.has(key.toLowerCase()))) {
    throw invalidValue(
      "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
    );
  }
  return { tags: Object.fromEntries(pairs), transitive };
}

export function tagExtras({ tags, transitive }: SessionTags): Extras {
  return {
    ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value])),
    'aws:TagKeys': Object.keys(tags),
    'sts:TransitiveTagKeys': transitive,
  };
}

/** What a session inherits of the one that made it, with what the request adds. */
export function withInherited({ tags, transitive }: SessionTags, who?: Principal): SessionTags {
  if (who?.is !== 'session') return { tags, transitive };
  const inherited = Object.entries(who.tags).filter(([key]) => includesKey(who.transitiveTagKeys, key));
  return {
    tags: { ...Object.fromEntries(inherited), ...tags },
    transitive: [...inherited.map(([key]) => key), ...transitive],
  };
}

function includesKey(keys: readonly string[], key: string): boolean {
  return keys.some((one) => one.toLowerCase() === key.toLowerCase());
}

const invalidValue = (message: string) => new AwsError(400, 'InvalidParameterValue', message);
