import { canonicalJson } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Principal } from '../domain/task.ts';
import { sha256Hex } from '../domain/sha256.ts';
import type { Idempotency } from '../exchange/issue.ts';
import type { RequestFault } from './body.ts';
import type { Req } from './context.ts';

const KEY = /^[\x21-\x7e]{1,200}$/;

/** What is wrong with the header `Idempotency-Key`, where it is there. */
export function idempotencyFaults({ headers }: Req): RequestFault[] {
  const key = headers['idempotency-key'];
  if (key === undefined || (typeof key === 'string' && KEY.test(key))) return [];
  return [{ path: 'Idempotency-Key', problem: 'must be 1 to 200 visible ASCII characters' }];
}

/** The key with what it is used for: everything of the request that tells it from another one. */
export function idempotency({ headers }: Req, request: Json): Idempotency | undefined {
  const key = headers['idempotency-key'];
  if (typeof key !== 'string') return undefined;
  return { key, requestHash: sha256Hex(canonicalJson(request)) };
}

/** Whom it is for, however that was shown: a token of theirs that is fresh is no other request. */
export function principalKey(principal: Principal | undefined): JsonObject {
  return principal ? { on_behalf_of: [principal.verified?.trust ?? null, principal.id] } : {};
}
