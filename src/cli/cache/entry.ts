import type { IssuedGrant, PendingGrant } from '../../client/index.ts';
import { parseId } from '../../domain/ids.ts';
import { isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { credentialEnd, type Held } from '../lifetime.ts';
import type { CacheKey } from './key.ts';

/** What the cache keeps under one key. A file of it holds a secret. */
export interface Entry extends CacheKey {
  /**
   * The idempotency key of a request whose answer has not been kept: it is written before the broker is asked, so that
   * whoever comes after a crash repeats that request rather than making another.
   */
  readonly asked?: Asked;
  /** A request that a person has to answer: it is claimed, and not made a second time. */
  readonly waits?: Waits;
  readonly held?: Held;
}

export type Waits = Pick<PendingGrant, 'id' | 'approval'>;

export interface Asked {
  readonly under: string;
  readonly at: number;
}

const VERSION = 1;

export function writeEntry(entry: Entry): string {
  return `${JSON.stringify({ version: VERSION, ...entry })}\n`;
}

/** `undefined` for whatever is not an entry of this version under this key: a file is never trusted for its name. */
export function readEntry(text: string, key: string): Entry | undefined {
  const value = parsed(text);
  if (!isJsonObject(value) || value['version'] !== VERSION || value['key'] !== key) return undefined;
  const { url, identity, profile } = value;
  if (typeof url !== 'string' || typeof identity !== 'string' || typeof profile !== 'string') return undefined;
  const asked = askedIn(value['asked']);
  const waits = waitsIn(value['waits']);
  const held = heldIn(value['held']);
  return { key, url, identity, profile, ...(asked && { asked }), ...(waits && { waits }), ...(held && { held }) };
}

function askedIn(value: Json | undefined): Asked | undefined {
  if (!isJsonObject(value)) return undefined;
  const { under, at } = value;
  return typeof under === 'string' && typeof at === 'number' ? { under, at } : undefined;
}

function waitsIn(value: Json | undefined): Waits | undefined {
  if (!isJsonObject(value) || !isJsonObject(value['approval'])) return undefined;
  const { id } = value;
  const { id: approval, url, expires_at } = value['approval'];
  if (typeof id !== 'string' || typeof approval !== 'string') return undefined;
  return typeof url === 'string' && typeof expires_at === 'string'
    ? { id, approval: { id: approval, url, expires_at } }
    : undefined;
}

function heldIn(value: Json | undefined): Held | undefined {
  if (!isJsonObject(value) || !isJsonObject(value['grant']) || typeof value['since'] !== 'number') return undefined;
  const grant = grantIn(value['grant']);
  return grant && { grant, since: value['since'] };
}

/** What is read of it must be there; the rest of its shape is the broker's, as in `client/answers.ts`. */
function grantIn(value: JsonObject): IssuedGrant | undefined {
  const { id, credential, expires_at, credential_expires_at = '' } = value;
  const fits =
    typeof id === 'string' &&
    parseId('grant', id) !== undefined &&
    isJsonObject(credential) &&
    typeof credential['type'] === 'string' &&
    typeof expires_at === 'string' &&
    typeof credential_expires_at === 'string';
  if (!fits) return undefined;
  const held: object = value;
  const grant = held as IssuedGrant;
  return Number.isFinite(Date.parse(grant.expires_at)) && Number.isFinite(Date.parse(credentialEnd(grant)))
    ? grant
    : undefined;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
