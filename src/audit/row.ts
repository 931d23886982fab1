import { hash } from 'node:crypto';
import { canonicalJson, isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { instantOf } from './event.ts';

/** A row, columns by name. Times are texts. */
export type Row = Readonly<Record<string, Json | undefined>>;

/** What events say a row must be. */
export interface Expected {
  /** Columns by name, which must say exactly this. Times are instants. */
  readonly columns: JsonObject;
  /** Times that are taken a moment before or after the event's own, by name: within some seconds of this; null: never. */
  readonly near: Readonly<Record<string, string | null>>;
  /** Columns that must have exactly this canonical text: what somebody else has put in them. */
  readonly exact?: JsonObject;
}

/** A transaction of the ledger does not live longer. */
const NEAR_MS = 10_000;

/** Where a row differs from what its events say, a phrase each: `state is "active" and its events say "revoked"`. */
export function differences(row: Row, { columns, near, exact }: Expected): string[] {
  const found: string[] = [];
  for (const name in columns) {
    const [is, should] = [row[name] ?? null, columns[name] ?? null];
    if (!isSame(is, should)) found.push(`${name} is ${shown(is)} and its events say ${shown(should)}`);
  }
  for (const name in exact) {
    const [is, should] = [row[name] ?? null, exact[name] ?? null];
    if (is !== should && canonicalJson(is) !== canonicalJson(should))
      found.push(`${name} is ${shown(is)} and its events say ${shown(should)}`);
  }
  for (const name in near) {
    const [is, should] = [row[name] ?? null, near[name] ?? null];
    if (!isNear(is, should)) found.push(`${name} is ${shown(is)} and its events say ${should ?? 'null'}`);
  }
  return found;
}

/** Asked of every column of every row: members that are null are as if they were not there (events leave them out). */
function isSame(is: Json, should: Json): boolean {
  if (is === should) return true;
  if (typeof is === 'string' && typeof should === 'string') return instantOf(is) === instantOf(should);
  if (typeof is !== 'object' || typeof should !== 'object' || is === null || should === null) return false;
  if (Array.isArray(is) || Array.isArray(should)) {
    if (!Array.isArray(is) || !Array.isArray(should) || is.length !== should.length) return false;
    return is.every((item: Json, at) => isSame(item, (should[at] ?? null) as Json));
  }
  return hasAll(is as JsonObject, should as JsonObject) && hasAll(should as JsonObject, is as JsonObject);
}

function hasAll(one: JsonObject, other: JsonObject): boolean {
  for (const name in other) if (!isSame(one[name] ?? null, other[name] ?? null)) return false;
  return true;
}

function isNear(is: Json, should: string | null): boolean {
  if (should === null || typeof is !== 'string') return is === should;
  // the same ten seconds, more often than not
  if (is.slice(11, 18) === should.slice(11, 18) && is.slice(0, 10) === should.slice(0, 10)) return true;
  return Math.abs(Date.parse(instantOf(is)) - Date.parse(should)) <= NEAR_MS;
}

function shown(value: Json): string {
  return isJsonObject(value) || Array.isArray(value) ? canonicalJson(value) : JSON.stringify(value);
}

/** Of a public key (RFC 7638): its id, as keys of ours have theirs. */
export function thumbprintOf(jwk: Json): string {
  return hash('sha256', canonicalJson(jwk), 'base64url');
}

/** SHA-256 over the canonical text, as decisions have it of their inputs. */
export function hashOf(value: Json): string {
  return hash('sha256', canonicalJson(value), 'hex');
}
