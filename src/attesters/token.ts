import { Refusal } from '../domain/errors.ts';
import type { UnverifiedToken } from './attester.ts';
import { isObject, parseStrictJson } from './strict-json.ts';

/** Characters of a compact token. Real ones stay under 4 KiB. */
export const MAX_TOKEN_LENGTH = 8_192;

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/**
 * Header parameters that bring a key along, or change what is signed or how. Keys come from the trust entry alone, and
 * no extension is understood (RFC 7515 §4.1.11), so none may be critical.
 */
const FORBIDDEN_HEADERS = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc'];

/**
 * Takes a compact JWS apart without believing it. There is exactly one spelling of each token: padding, white space and
 * spare bits of base64url are refused, so that a digest of the text stands for what was verified.
 * @throws Refusal `evidence_malformed` for what is no such token, `evidence_invalid` for a header that is never accepted.
 */
export function parseToken(raw: string): UnverifiedToken {
  if (raw.length > MAX_TOKEN_LENGTH || !COMPACT.test(raw)) throw malformed('not a compact JWS within the limit');
  const [header = '', payload = '', signature = ''] = raw.split('.');
  bytes(signature);
  const token = { raw, header: object(header), payload: object(payload) };
  checkHeader(token.header);
  return token;
}

function checkHeader(header: Readonly<Record<string, unknown>>): void {
  for (const name of ['alg', 'kid', 'typ']) {
    const value = header[name];
    if (value !== undefined && typeof value !== 'string') throw malformed(`header ${name} is not text`);
  }
  if (header['alg'] === undefined) throw malformed('header alg is missing');
  const forbidden = FORBIDDEN_HEADERS.find((name) => Object.hasOwn(header, name));
  if (forbidden !== undefined) throw new Refusal('evidence_invalid', {}, { cause: new Error(`header ${forbidden}`) });
}

function object(part: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes(part)));
  } catch (cause) {
    throw cause instanceof Refusal ? cause : malformed('a part is not strict JSON', cause);
  }
  if (!isObject(value)) throw malformed('a part is not a JSON object');
  return value;
}

function bytes(part: string): Buffer {
  const decoded = Buffer.from(part, 'base64url');
  if (decoded.toString('base64url') !== part) throw malformed('a part is not canonical base64url');
  return decoded;
}

function malformed(message: string, cause?: unknown): Refusal {
  return new Refusal('evidence_malformed', {}, { cause: new Error(message, { cause }) });
}
