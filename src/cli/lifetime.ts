import type { IssuedGrant } from '../client/index.ts';

/** A credential in hand, and when it came, in milliseconds since the epoch. */
export interface Held {
  readonly grant: IssuedGrant;
  readonly since: number;
}

const LONGEST_MARGIN_MS = 60_000;
/** Providers round to whole seconds: less than this is no difference between two ends. */
const ROUNDING_MS = 2_000;

/** Of the credential, which may be a short child of its grant. */
export function credentialEnd({ credential_expires_at, expires_at }: IssuedGrant): string {
  return credential_expires_at ?? expires_at;
}

export function msLeft(grant: IssuedGrant, now: Date): number {
  return Date.parse(credentialEnd(grant)) - now.getTime();
}

/** Whether the grant goes on when this credential has ended, so that renewing it gives the next one. */
export function hasNext(grant: IssuedGrant): boolean {
  return Date.parse(grant.expires_at) - Date.parse(credentialEnd(grant)) >= ROUNDING_MS;
}

/** How long before its end a credential is followed by the next one: a third of its life, and a minute at most. */
export function marginMs({ grant, since }: Held): number {
  const life = Date.parse(credentialEnd(grant)) - since;
  return Math.min(LONGEST_MARGIN_MS, life / 3);
}

/** Whether it is time for the next one. Also of what cannot be read, or came from the future: the clock was set back. */
export function isAging(held: Held, now: Date): boolean {
  return !(held.since <= now.getTime() && msLeft(held.grant, now) > marginMs(held));
}

/** Whether it may still be handed out while the next one is fetched: half of its margin is left. */
export function isUsable(held: Held, now: Date): boolean {
  return held.since <= now.getTime() && msLeft(held.grant, now) > marginMs(held) / 2;
}
