import { importJWK, type CryptoKey } from 'jose';
import { algorithmsOf, type Algorithm } from '../algorithms.ts';
import { isObject, parseStrictJson } from '../strict-json.ts';
import { rsaWeakness } from './weak-rsa.ts';

/** What a key must be published for: `sig` (or nothing said) in a JWKS, exactly `jwt-svid` in a SPIFFE bundle. */
export type KeyUse = 'sig' | 'jwt-svid';

/** A public key that may be trusted. The same key in a later reading of its set is the same object. */
export interface VerificationKey {
  readonly kid: string | undefined;
  readonly algorithms: readonly Algorithm[];
  /** Imported once for each algorithm. */
  cryptoKey(algorithm: Algorithm): Promise<CryptoKey>;
}

export interface KeySet {
  readonly keys: readonly VerificationKey[];
  /** Why keys were left out that would have been for this use; one item a key. */
  readonly refused: readonly string[];
  /** `spiffe_refresh_hint`. */
  readonly refreshSeconds: number | undefined;
}

/** Without a `kid` every key is tried: the bound is on that work. */
const MAX_KEYS = 64;

const MEMBERS = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'] } as const;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Reads key sets of one source, keeping the objects of keys that stay. An empty set trusts nothing. */
export function makeKeySetParser(use: KeyUse): (text: string) => Promise<KeySet> {
  let known = new Map<string, VerificationKey>();
  return async (text) => {
    const document = parseStrictJson(text);
    const jwks = isObject(document) ? document['keys'] : undefined;
    if (!isObject(document) || !Array.isArray(jwks)) throw new Error('not a JWK set');
    if (jwks.length > MAX_KEYS) throw new Error(`more than ${MAX_KEYS} keys`);

    const current = new Map<string, VerificationKey>();
    const refused: string[] = [];
    for (const jwk of jwks) {
      if (!isObject(jwk) || !isForUse(jwk, use)) continue;
      const read = await readKey(jwk, known);
      if (typeof read === 'string') refused.push(read);
      else current.set(read.identity, read.key);
    }
    known = current;
    return { keys: [...current.values()], refused, refreshSeconds: positive(document['spiffe_refresh_hint']) };
  };
}

function isForUse(jwk: Record<string, unknown>, use: KeyUse): boolean {
  return jwk['use'] === use || (use === 'sig' && jwk['use'] === undefined);
}

async function readKey(
  jwk: Record<string, unknown>,
  known: ReadonlyMap<string, VerificationKey>,
): Promise<{ identity: string; key: VerificationKey } | string> {
  const { kty, kid, alg } = jwk;
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return 'key_type';
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return 'private_key_published';
  if (kid !== undefined && typeof kid !== 'string') return 'key_malformed';
  const operations = jwk['key_ops'];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return 'key_operations';

  const material: Record<string, string> = { kty };
  for (const name of MEMBERS[kty]) {
    const value = jwk[name];
    if (typeof value !== 'string') return 'key_malformed';
    material[name] = value;
  }
  const algorithms = algorithmsOf(kty, material['crv']).filter((name) => alg === undefined || alg === name);
  if (algorithms.length === 0) return 'key_algorithm';

  const identity = JSON.stringify([kid ?? null, alg ?? null, Object.entries(material)]);
  const kept = known.get(identity);
  if (kept) return { identity, key: kept };

  const weakness = kty === 'RSA' ? rsaWeakness(decode(material['n']), decode(material['e'])) : undefined;
  if (weakness !== undefined) return weakness;
  return importable(kid, algorithms, material).then(
    (key) => ({ identity, key }),
    () => 'key_malformed',
  );
}

/** @throws when the material is not a key, such as a point that is not on its curve. */
async function importable(
  kid: string | undefined,
  algorithms: readonly Algorithm[],
  material: Record<string, string>,
): Promise<VerificationKey> {
  const imported = new Map<Algorithm, Promise<CryptoKey>>();
  const cryptoKey = (algorithm: Algorithm): Promise<CryptoKey> => {
    const ready = imported.get(algorithm) ?? importPublic(material, algorithm);
    imported.set(algorithm, ready);
    return ready;
  };
  for (const algorithm of algorithms.slice(0, 1)) await cryptoKey(algorithm);
  return { kid, algorithms, cryptoKey };
}

async function importPublic(material: Record<string, string>, algorithm: Algorithm): Promise<CryptoKey> {
  const key = await importJWK(material, algorithm);
  if (key instanceof Uint8Array) throw new TypeError('a symmetric key');
  return key;
}

function decode(value: string | undefined): Uint8Array {
  return Buffer.from(value ?? '', 'base64url');
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
}
