export interface SpiffeId {
  readonly trustDomain: string;
  /** Begins with `/`. */
  readonly path: string;
}

const MAX_BYTES = 2_048;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;

export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text);
}

/**
 * The id of a workload (SPIFFE-ID §2): lower-case trust domain, segments neither empty nor dots, no percent-encoding, no
 * trailing slash, at most 2048 bytes. One without a path names the trust domain's authority and no workload.
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > MAX_BYTES || !text.startsWith('spiffe://')) return undefined;
  const [trustDomain = '', ...segments] = text.slice('spiffe://'.length).split('/');
  if (!isTrustDomain(trustDomain) || segments.length === 0) return undefined;
  if (!segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..')) return undefined;
  return { trustDomain, path: `/${segments.join('/')}` };
}
