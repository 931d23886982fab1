import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { ALGORITHM } from './classes.ts';
import { encodeHeader, HASH, SIGNATURE } from './jws.ts';
import { KeyProblem } from './problem.ts';
import type { KeyRow, NewKey } from './store.ts';
import type { Wrapper } from './wrap.ts';

/** A key as it came from the store, authentic and tried out. */
export interface LoadedKey {
  readonly row: KeyRow;
  /** As it is published (RFC 7517). */
  readonly jwk: JsonObject;
  /** Absent: of a class or an algorithm of a later version, which is published and not used. */
  readonly use?: KeyUse;
}

export interface KeyUse {
  /** What every token of this key begins with: the protected header in base64url. */
  readonly header: string;
  readonly publicKey: KeyObject;
  /** Absent once wiped. */
  readonly privateKey?: KeyObject;
}

const newPair = promisify(generateKeyPair);

/** A new key of a class, its private half wrapped. Its id is the thumbprint of the public half (RFC 7638). */
export async function makeKey(tokenClass: string, wrapper: Wrapper): Promise<NewKey> {
  const { privateKey, publicKey } = await newPair('ec', { namedCurve: 'P-256' });
  const { crv = '', kty = '', x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const publicJwk = { crv, kty, x, y };
  const kid = createHash('sha256').update(canonicalJson(publicJwk)).digest('base64url');
  const bound = { kid, class: tokenClass, alg: ALGORITHM, publicJwk };
  const privateHalf = privateKey.export({ format: 'der', type: 'pkcs8' });
  const wrapped = wrapper.wrapPrivate(bound, privateHalf);
  privateHalf.fill(0);
  return { ...bound, ...wrapped };
}

/**
 * `typ`: of the row's class, where it is known here.
 * @throws KeyProblem `unknown_encryption_key`, `tampered`, `halves_do_not_fit`.
 */
export function loadKey(row: KeyRow, typ: string | undefined, wrapper: Wrapper): LoadedKey {
  const privateHalf = wrapper.open(row, row);
  const jwk = { ...row.publicJwk, kid: row.kid, alg: row.alg, use: 'sig' };
  if (typ === undefined || row.alg !== ALGORITHM) return { row, jwk };
  const header = encodeHeader({ alg: row.alg, kid: row.kid, typ });
  try {
    const publicKey = createPublicKey({ key: { ...row.publicJwk }, format: 'jwk' });
    if (!privateHalf) return { row, jwk, use: { header, publicKey } };
    const privateKey = createPrivateKey({ key: Buffer.from(privateHalf), format: 'der', type: 'pkcs8' });
    mustFit(privateKey, publicKey);
    return { row, jwk, use: { header, publicKey, privateKey } };
  } catch (cause) {
    throw new KeyProblem('halves_do_not_fit', row.kid, { cause });
  } finally {
    privateHalf?.fill(0);
  }
}

function mustFit(privateKey: KeyObject, publicKey: KeyObject): void {
  const text = Buffer.from('self-test');
  const signature = sign(HASH, text, { key: privateKey, ...SIGNATURE });
  if (!verify(HASH, text, { key: publicKey, ...SIGNATURE }, signature)) throw new Error('the self-test failed');
}
