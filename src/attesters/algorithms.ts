/**
 * The signature algorithms that evidence may carry, and the key that each takes (RFC 7518 §3.1, RFC 8037, RFC 9864).
 * Symmetric ones and `none` are not here, so no configuration can name them.
 */
export const ALGORITHMS = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
} as const satisfies Record<string, { kty: string; crv?: string }>;

export type Algorithm = keyof typeof ALGORITHMS;

export const ALGORITHM_NAMES = Object.keys(ALGORITHMS) as [Algorithm, ...Algorithm[]];

/** The algorithms that a key of this type and curve can serve. */
export function algorithmsOf(kty: string, crv: string | undefined): Algorithm[] {
  return ALGORITHM_NAMES.filter((name) => {
    const wants: { kty: string; crv?: string } = ALGORITHMS[name];
    return wants.kty === kty && wants.crv === (kty === 'RSA' ? undefined : crv);
  });
}
