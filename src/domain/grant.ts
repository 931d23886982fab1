/** The life of a grant (DESIGN, *Life of a grant*). The database holds the same table as a trigger. */
export const GRANT_STATES = [
  'pending_approval',
  'issuing',
  'active',
  'ending',
  'stuck',
  'expired',
  'revoked',
  'failed',
  'lapsed',
  'refused',
] as const;
export type GrantState = (typeof GRANT_STATES)[number];

export const GRANT_TRANSITIONS: Readonly<Record<GrantState, readonly GrantState[]>> = {
  pending_approval: ['issuing', 'lapsed', 'refused'],
  issuing: ['active', 'ending', 'failed'],
  active: ['ending'],
  ending: ['expired', 'revoked', 'failed', 'stuck'],
  stuck: ['expired', 'revoked', 'failed'],
  expired: [],
  revoked: [],
  failed: [],
  lapsed: [],
  refused: [],
};

/** States in which something may live, or may come to live, at a provider. */
export const LIVE_STATES = [
  'pending_approval',
  'issuing',
  'active',
  'ending',
  'stuck',
] as const satisfies readonly GrantState[];

export const END_REASONS = ['expiry', 'revocation', 'task_ended', 'order', 'abandoned'] as const;
export type EndReason = (typeof END_REASONS)[number];

/**
 * How a grant can be taken back (DESIGN, promise 5).
 * `immediate`: the provider confirms. `bounded`: its life alone limits the exposure to `withinSeconds`.
 * `eventual`: a deny is written and expected to bite within `expectedSeconds`. `expiry_only`: its end is all there is.
 */
export type Revocability =
  | { readonly mode: 'immediate' }
  | { readonly mode: 'bounded'; readonly withinSeconds: number }
  | { readonly mode: 'eventual'; readonly expectedSeconds: number }
  | { readonly mode: 'expiry_only' };

/** A revocability as it was stored. @throws TypeError when it is none. */
export function readRevocability(stored: unknown): Revocability {
  const { mode, withinSeconds, expectedSeconds } = (stored ?? {}) as Readonly<Record<string, unknown>>;
  if (mode === 'immediate' || mode === 'expiry_only') return { mode };
  if (mode === 'bounded' && typeof withinSeconds === 'number') return { mode, withinSeconds };
  if (mode === 'eventual' && typeof expectedSeconds === 'number') return { mode, expectedSeconds };
  throw new TypeError('not a revocability');
}
