import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { ALGORITHM, CHECKPOINT_ALGORITHM, CHECKPOINT_CLASS } from './classes.ts';
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
  /** What every token of this key begins with: the protected header in base64url. Empty: it signs no tokens. */
  readonly header: string;
  readonly publicKey: KeyObject;
  /** Absent once wiped. */
  readonly privateKey?: KeyObject;
}

const newPair = promisify(generateKeyPair);
const newEdwardsPair = (type: 'ed25519') =>
  new Promise<{ privateKey: KeyObject; publicKey: KeyObject }>((resolve, reject) => {
    generateKeyPair(type, undefined, (error, publicKey, privateKey) => {
      if (error) reject(error);
      else resolve({ publicKey, privateKey });
    });
  });

/** A new key of a class, its private half wrapped. Its id is the thumbprint of the public half (RFC 7638, RFC 8037 §2). */
export async function makeKey(keyClass: string, wrapper: Wrapper): Promise<NewKey> {
  const alg = algorithmOf(keyClass);
  const { privateKey, publicKey } =
    alg === ALGORITHM ? await newPair('ec', { namedCurve: 'P-256' }) : await newEdwardsPair('ed25519');
  const { crv = '', kty = '', x = '', y } = publicKey.export({ format: 'jwk' });
  const publicJwk = { crv, kty, x, ...(y === undefined ? {} : { y }) };
  const kid = createHash('sha256').update(canonicalJson(publicJwk)).digest('base64url');
  const bound = { kid, class: keyClass, alg, publicJwk };
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
  const isToken = typ !== undefined && row.alg === ALGORITHM;
  if (!isToken && !(row.class === CHECKPOINT_CLASS && row.alg === CHECKPOINT_ALGORITHM)) return { row, jwk };
  const header = isToken ? encodeHeader({ alg: row.alg, kid: row.kid, typ }) : '';
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

function algorithmOf(keyClass: string): typeof ALGORITHM | typeof CHECKPOINT_ALGORITHM {
  return keyClass === CHECKPOINT_CLASS ? CHECKPOINT_ALGORITHM : ALGORITHM;
}

function mustFit(privateKey: KeyObject, publicKey: KeyObject): void {
  const text = Buffer.from('self-test');
  // Ed25519 hashes by itself, and its signatures have one form
  const [hash, form] = privateKey.asymmetricKeyType === 'ed25519' ? [null, {}] : [HASH, SIGNATURE];
  const signature = sign(hash, text, { key: privateKey, ...form });
  if (!verify(hash, text, { key: publicKey, ...form }, signature)) throw new Error('the self-test failed');
}
