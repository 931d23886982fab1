import type { GrantRequest } from '../../client/index.ts';
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { sha256Hex } from '../../domain/sha256.ts';

/** What an entry is for: one broker, one identity, one request, on one task. */
export interface CacheKey {
  readonly key: string;
  readonly url: string;
  readonly identity: string;
  readonly profile: string;
}

export function cacheKey(url: string, token: string, request: GrantRequest, taskToken?: string): CacheKey {
  const identity = identityOf(token);
  const asked = Object.entries(request).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  const task = taskToken === undefined ? {} : { task: taskOf(taskToken) };
  const key = sha256Hex(canonicalJson({ url, identity, request: Object.fromEntries(asked), ...task }));
  return { key, url, identity, profile: request.profile };
}

/** What differs from one token of an identity to the next: times, and the token's own number (`uti`, `aio`: Entra's). */
const OF_ONE_TOKEN = new Set(['exp', 'iat', 'nbf', 'jti', 'uti', 'aio']);

/**
 * Whose token it is, as a hash: of all its claims but those of this one token, because the broker may take an id and
 * attributes from any of them. Nothing is verified: whoever can read the cache has no need to forge a token for it. A token
 * that is no JWT stands for itself.
 */
export function identityOf(token: string): string {
  const claims = claimsOf(token);
  if (!claims) return sha256Hex(`token ${token}`);
  const lasting = Object.entries(claims).filter(([name]) => !OF_ONE_TOKEN.has(name));
  return sha256Hex(`claims ${canonicalJson(Object.fromEntries(lasting))}`);
}

/** The task that a task token is of: the next token of one task finds what the last one left. One that says none stands for itself. */
function taskOf(token: string): string {
  const context = claimsOf(token)?.['tctx'];
  const task = isJsonObject(context) ? context['task'] : undefined;
  return sha256Hex(typeof task === 'string' ? `task ${task}` : `token ${token}`);
}

function claimsOf(token: string): JsonObject | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString()) as Json;
    return isJsonObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}
