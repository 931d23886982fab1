import { compactVerify, errors, type CryptoKey } from 'jose';
import { ALGORITHM_NAMES } from './algorithms.ts';
import type { UnverifiedToken } from './attester.ts';
import { invalid } from './claims.ts';
import type { VerificationKey } from './keys/key-set.ts';
import type { KeySource } from './keys/source.ts';

/**
 * The key of the source that signed the token, of the type that its algorithm takes. With a `kid` only keys of that name
 * are tried, without one each that fits; a key that the source does not have is worth another look at it.
 * @throws Refusal `evidence_invalid`; Fault `evidence_source_unavailable`.
 */
export async function signingKey(token: UnverifiedToken, source: KeySource, now: Date): Promise<VerificationKey> {
  const { kid, alg } = token.header;
  const algorithm = ALGORITHM_NAMES.find((name) => name === alg);
  if (algorithm === undefined) throw invalid('algorithm');
  const named = (keys: readonly VerificationKey[]) => keys.filter((key) => kid === undefined || key.kid === kid);

  const tried = new Set<VerificationKey>();
  const signer = async (keys: readonly VerificationKey[]) => {
    for (const key of keys) {
      if (tried.has(key) || !key.algorithms.includes(algorithm)) continue;
      tried.add(key);
      if (await signed(token, await key.cryptoKey(algorithm), algorithm)) return key;
    }
    return undefined;
  };

  const known = named(await source.keys(now));
  const key = await signer(known);
  if (key) return key;
  if (kid !== undefined && known.length > 0) throw invalid('signature');
  const found = await signer(named(await source.keysAgain(now)));
  if (found) return found;
  throw invalid(kid === undefined ? 'no key signed it' : 'unknown key');
}

async function signed(token: UnverifiedToken, key: CryptoKey, algorithm: string): Promise<boolean> {
  try {
    await compactVerify(token.raw, key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}
