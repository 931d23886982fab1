import { randomBytes } from 'node:crypto';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader } from 'jose';
import { Secret } from '../../src/domain/secret.ts';
import { makeKeyRing } from '../../src/keys/ring.ts';
import type { KeyRing, KeyRingOptions } from '../../src/keys/ring.ts';
import type { EncryptionKey } from '../../src/keys/wrap.ts';
import { memoryKeyStore } from '../support/memory-key-store.ts';

export const DAY = 86_400;
/** The ring's default lead, and the longest life of a token here. */
export const LEAD = 900;
export const LIFE = 3_600;

export function kek(id: string): EncryptionKey {
  return { id, key: new Secret(new Uint8Array(randomBytes(32))) };
}

/** A store, a clock that is moved, and as many replicas as wanted. */
export function world() {
  let ms = Date.parse('2026-11-23T12:00:00Z');
  const now = () => new Date(ms);
  const store = memoryKeyStore(now);
  const first = kek('kek-1');
  const replica = (options: Partial<KeyRingOptions> & { readonly behindMs?: number } = {}): KeyRing =>
    makeKeyRing({
      store,
      encryption: [first],
      clock: { now: () => new Date(ms - (options.behindMs ?? 0)), offsetMs: () => 0 },
      rotateEverySeconds: 30 * DAY,
      maxTokenLifeSeconds: LIFE,
      classes: ['access'],
      ...options,
    });
  const payload = (life = 600) => ({ iss: 'http://writ.test', exp: Math.floor(ms / 1000) + life, n: 1 });
  return { now, store, first, replica, payload, pass: (seconds: number) => void (ms += seconds * 1000) };
}

/** What a stranger makes of a token, with nothing but the published keys. */
export async function strangerVerifies(ring: KeyRing, token: string): Promise<boolean> {
  const keys = createLocalJWKSet({ keys: [...(await ring.jwks()).keys] });
  return compactVerify(token, keys, { algorithms: ['ES256'] }).then(
    () => true,
    () => false,
  );
}

export function kidOf(token: string): string {
  return decodeProtectedHeader(token).kid ?? '';
}

/** A Fault `keys_unavailable` for this reason. */
export function faultOf(code: string) {
  return { name: 'Fault', code: 'keys_unavailable', cause: { code } };
}
