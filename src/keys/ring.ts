import { sign as signBytes } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { CHECKPOINT_CLASS } from './classes.ts';
import type { TokenClass } from './classes.ts';
import { signJws, splitJws, verifyJws } from './jws.ts';
import { makeKeeper } from './keeper.ts';
import type { KeySet } from './keeper.ts';
import { KeyProblem } from './problem.ts';
import { signingKey, stateOf } from './schedule.ts';
import type { KeyState } from './schedule.ts';
import type { KeyStore } from './store.ts';
import { makeWrapper } from './wrap.ts';
import type { EncryptionKey } from './wrap.ts';

export interface KeyRingOptions {
  readonly store: KeyStore;
  /** The first wraps, the others unwrap. */
  readonly encryption: readonly EncryptionKey[];
  readonly clock: Clock;
  /** How long a key signs. */
  readonly rotateEverySeconds: number;
  /** No token lives longer; so long a key stays published after it has stopped signing. */
  readonly maxTokenLifeSeconds: number;
  /** How long a key is published before it signs; default 15 minutes. */
  readonly leadSeconds?: number;
  /** Also keep a key for the log's checkpoints. */
  readonly checkpoints?: boolean;
  /** The classes of token that are signed here. */
  readonly classes: readonly TokenClass[];
}

export interface KeyRing {
  /**
   * A compact JWS of `payload` by the class's current key. `payload.exp`, in seconds, is required.
   * @throws Fault `keys_unavailable`, `shutting_down`; RangeError when it would live longer than a token may.
   */
  readonly sign: (tokenClass: TokenClass, payload: JsonObject) => Promise<string>;
  /**
   * The payload of a token of this class that one of our own published keys signed; undefined for anything else. Issuer,
   * audience and time are the caller's to check. @throws Fault `keys_unavailable`, `shutting_down`.
   */
  readonly verify: (tokenClass: TokenClass, token: string) => Promise<JsonObject | undefined>;
  /**
   * The key for the log's checkpoints, if there is one: its public half, 32 bytes, and what signs with it (Ed25519).
   * @throws Fault `keys_unavailable`, `shutting_down`.
   */
  readonly checkpointKey: () => Promise<CheckpointKey>;
  /** The public halves of every key that may sign soon, signs, or has signed what may still be valid (RFC 7517 §5). */
  readonly jwks: () => Promise<JwkSet>;
  /**
   * Reads the keys again, makes what is missing and wipes what has done its work. Call it at the start and every
   * `REFRESH_EVERY_SECONDS`. @throws Fault `keys_unavailable` with a `KeyProblem` as its cause.
   */
  readonly refresh: () => Promise<void>;
  /**
   * Puts what another key-encryption key wrapped under the first one. May run anywhere, any time, more than once;
   * `remaining` are those that another replica changed in between. @throws Fault `keys_unavailable`.
   */
  readonly rewrap: () => Promise<{ readonly rewrapped: number; readonly remaining: number }>;
  readonly status: () => KeyRingStatus;
  /** Forgets the private halves. */
  readonly close: () => void;
}

export interface CheckpointKey {
  readonly publicKey: Uint8Array;
  readonly sign: (text: Uint8Array) => Uint8Array;
}

export interface JwkSet {
  readonly keys: readonly JsonObject[];
}

export interface KeyRingStatus {
  /** Every class can sign. */
  readonly healthy: boolean;
  /** Since the keys were last read; absent: they are not known. */
  readonly ageSeconds?: number;
  readonly keys: readonly {
    readonly kid: string;
    readonly class: string;
    readonly state: KeyState;
    readonly encryptionKey: string;
    readonly signsFrom: Date;
  }[];
  /** What went wrong last, until a refresh goes well: `unknown_encryption_key: kek-2`. */
  readonly problem?: string;
}

/** For whoever publishes `jwks()`: how long an answer may be cached (`Cache-Control: max-age`). */
export const JWKS_MAX_AGE_SECONDS = 300;
export const REFRESH_EVERY_SECONDS = 60;
const LEAD_SECONDS = 900;
/** Beyond a token's life: for the clocks of replicas, and of those who verify. */
const SLACK_SECONDS = 60;
/** A token of an unknown key makes the keys be read again at most so often. */
const UNKNOWN_KEY_SECONDS = 10;
/** After a failure the store is left alone for so long. */
const RETRY_SECONDS = 1;

/** @throws RangeError when the times or the key-encryption keys cannot be right. */
export function makeKeyRing(options: KeyRingOptions): KeyRing {
  const { store, clock, rotateEverySeconds, maxTokenLifeSeconds, leadSeconds = LEAD_SECONDS } = options;
  // A replica that has not read the keys for so long may not know what another one has published since: from then on it
  // neither publishes nor signs with what it knows. A cache's age on top of it still ends before the lead does.
  const staleSeconds = leadSeconds - JWKS_MAX_AGE_SECONDS;
  if (staleSeconds < REFRESH_EVERY_SECONDS) throw new RangeError('the lead is too short for caches of the key set');
  if (rotateEverySeconds < 2 * leadSeconds) throw new RangeError('keys must sign for at least twice the lead');

  const wrapper = makeWrapper(options.encryption);
  const times = { rotateEverySeconds, leadSeconds, keepSeconds: maxTokenLifeSeconds + SLACK_SECONDS };
  const classes = [...options.classes, ...(options.checkpoints === true ? [CHECKPOINT_CLASS] : [])];
  const keeper = makeKeeper({ store, wrapper, clock, times, classes });

  async function current(now: Date): Promise<KeySet> {
    const known = keeper.known();
    if (known && ageSeconds(known, now) <= staleSeconds) return known;
    const problem = keeper.problem();
    if (problem && triedSecondsAgo(now) < RETRY_SECONDS) return unavailable(problem);
    await keeper.refresh();
    const read = keeper.known();
    if (!read) throw new Fault('shutting_down');
    return read;
  }

  function triedSecondsAgo(now: Date): number {
    return secondsBetween(keeper.triedAt() ?? new Date(0), now);
  }

  return {
    async sign(tokenClass, payload) {
      const now = clock.now();
      const key = signingKey(ofClass(await current(now), tokenClass), now);
      if (!key?.use?.privateKey) return unavailable(new KeyProblem('no_signing_key', tokenClass));
      mustEndInTime(payload['exp'], now, maxTokenLifeSeconds);
      return signJws(key.use.header, payload, key.use.privateKey);
    },

    async verify(tokenClass, token) {
      const parts = splitJws(token);
      if (!parts) return undefined;
      const now = clock.now();
      let known = await current(now);
      if (!known.byHeader.has(parts.header) && triedSecondsAgo(now) >= UNKNOWN_KEY_SECONDS) {
        // Where that fails, what is known is good enough until it is stale.
        await keeper.refresh().catch(() => undefined);
        known = await current(now);
      }
      const key = known.byHeader.get(parts.header);
      if (!key?.use || key.row.class !== tokenClass || stateOf(key.row, now) === 'gone') return undefined;
      return verifyJws(parts, key.use.publicKey);
    },

    async checkpointKey() {
      const now = clock.now();
      const key = signingKey(ofClass(await current(now), CHECKPOINT_CLASS), now);
      const privateKey = key?.use?.privateKey;
      if (!privateKey) return unavailable(new KeyProblem('no_signing_key', CHECKPOINT_CLASS));
      const { x = '' } = key.use.publicKey.export({ format: 'jwk' });
      return { publicKey: Buffer.from(x, 'base64url'), sign: (text) => signBytes(null, text, privateKey) };
    },

    async jwks() {
      const now = clock.now();
      const { keys } = await current(now);
      const published = keys.filter(({ row }) => row.class !== CHECKPOINT_CLASS && stateOf(row, now) !== 'gone');
      return { keys: published.map(({ jwk }) => jwk) };
    },

    refresh: keeper.refresh,
    rewrap: keeper.rewrap,
    close: keeper.close,

    status() {
      const now = clock.now();
      const known = keeper.known();
      const problem = keeper.problem();
      const able = (set: KeySet) => classes.every((keyClass) => signingKey(ofClass(set, keyClass), now));
      return {
        healthy: known !== undefined && ageSeconds(known, now) <= staleSeconds && able(known),
        ...(known && { ageSeconds: ageSeconds(known, now) }),
        keys: (known?.keys ?? []).map(({ row }) => ({
          kid: row.kid,
          class: row.class,
          state: stateOf(row, now),
          encryptionKey: row.encryptionKey,
          signsFrom: row.signsFrom,
        })),
        ...(problem && { problem: problem.message }),
      };
    },
  };
}

function ofClass(set: KeySet, keyClass: string) {
  return set.keys.filter(({ row }) => row.class === keyClass);
}

function ageSeconds(set: KeySet, now: Date): number {
  return secondsBetween(set.readAt, now);
}

function secondsBetween(earlier: Date, later: Date): number {
  return (later.getTime() - earlier.getTime()) / 1000;
}

/** So that a key may leave the published set: nothing that it signed is valid any more. */
function mustEndInTime(exp: unknown, now: Date, maxTokenLifeSeconds: number): void {
  const last = now.getTime() / 1000 + maxTokenLifeSeconds + SLACK_SECONDS / 2;
  if (typeof exp !== 'number' || !(exp <= last))
    throw new RangeError('a token must end within the longest life of tokens');
}

function unavailable(cause: KeyProblem): never {
  throw new Fault('keys_unavailable', { cause });
}
