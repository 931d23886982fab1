import { z } from 'zod';
import type { AttesterKind } from '../attester.ts';
import { invalid, type Claims } from '../claims.ts';
import { keyLocationSchema } from '../keys/location.ts';
import { makeAttester, type Workload } from '../workload.ts';
import { isTrustDomain, parseSpiffeId } from './id.ts';

const config = z.strictObject({
  trust_domain: z
    .string()
    .refine(isTrustDomain, 'must be a trust domain: lower-case letters, digits, dots, dashes, underscores'),
  bundle: keyLocationSchema,
});

/** JWT-SVID §2: these alone, and no other header parameter. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'] as const;
const HEADERS = ['alg', 'kid', 'typ'];

/**
 * JWT-SVIDs of one trust domain. The bundle is chosen by the trust domain of `sub`; two are never merged. Attributes:
 * `trust_domain` and `path` (with its leading slash), so that policies can match parts of the id; no groups.
 */
export const spiffe: AttesterKind<z.output<typeof config>> = {
  kind: 'spiffe',
  config,
  create(entry, deps) {
    const { trust_domain, bundle } = entry.config;
    const authority = `spiffe://${trust_domain}`;
    return makeAttester(entry, deps, {
      claims: ({ payload: { sub } }) =>
        typeof sub === 'string' && (sub === authority || sub.startsWith(`${authority}/`)),
      rules: { algorithms: ALGORITHMS, types: ['JWT', 'JOSE'], issuedAtRequired: false, checkHeader },
      keys: deps.keys.source(bundle, 'jwt-svid'),
      read: (payload) => readWorkload(payload, trust_domain),
    });
  },
};

function checkHeader(header: Claims): void {
  if (!Object.keys(header).every((name) => HEADERS.includes(name)))
    throw invalid('a header that JWT-SVIDs do not have');
  // JWT-SVID §2.3 gives these two words; other spellings of the media type are not among them.
  if (header['typ'] !== undefined && header['typ'] !== 'JWT' && header['typ'] !== 'JOSE') throw invalid('typ');
}

function readWorkload({ sub }: Claims, expected: string): Workload {
  const id = typeof sub === 'string' ? parseSpiffeId(sub) : undefined;
  if (typeof sub !== 'string' || id?.trustDomain !== expected) throw invalid('sub is no SPIFFE id of the trust domain');
  return { id: sub, attributes: { trust_domain: id.trustDomain, path: id.path }, groups: [] };
}
