import { sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Json, JsonObject } from '../domain/json.ts';
import { isJsonObject } from '../domain/json.ts';

/**
 * Compact JWS (RFC 7515 §7.1) with ES256 (RFC 7518 §3.4), for our own tokens alone: the header is a constant of the key, so a
 * token is recognised by it and nothing in a header is ever interpreted. By `node:crypto`, because this stands on the path of
 * each issuance: signing takes a quarter of the time that it takes through Web Crypto.
 */
export const HASH = 'sha256';
/** R and S side by side, 32 bytes each. */
export const SIGNATURE = { dsaEncoding: 'ieee-p1363' } as const;
const SIGNATURE_BYTES = 64;
const MAX_CHARS = 16_384;

export interface JwsParts {
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
}

export function encodeHeader(header: JsonObject): string {
  return encode(JSON.stringify(header));
}

export function signJws(header: string, payload: JsonObject, privateKey: KeyObject): string {
  const input = `${header}.${encode(JSON.stringify(payload))}`;
  return `${input}.${sign(HASH, Buffer.from(input), { key: privateKey, ...SIGNATURE }).toString('base64url')}`;
}

/** The three parts of a token, or undefined where it is none. Nothing is decoded. */
export function splitJws(token: string): JwsParts | undefined {
  if (token.length > MAX_CHARS) return undefined;
  const [header, payload, signature, ...rest] = token.split('.');
  return header && payload && signature && rest.length === 0 ? { header, payload, signature } : undefined;
}

/** The payload where the signature holds, and is written in the one way that is canonical; otherwise undefined. */
export function verifyJws({ header, payload, signature }: JwsParts, publicKey: KeyObject): JsonObject | undefined {
  const bytes = Buffer.from(signature, 'base64url');
  if (bytes.length !== SIGNATURE_BYTES || bytes.toString('base64url') !== signature) return undefined;
  const holds = verify(HASH, Buffer.from(`${header}.${payload}`), { key: publicKey, ...SIGNATURE }, bytes);
  if (!holds) return undefined;
  const value = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Json;
  return isJsonObject(value) ? value : undefined;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}
