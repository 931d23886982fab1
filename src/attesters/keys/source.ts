import { Fault } from '../../domain/errors.ts';
import type { KeySet, VerificationKey } from './key-set.ts';

/** A document as it was read, and for how many seconds its server says that it may be kept. */
export interface KeyDocument {
  readonly text: string;
  readonly freshSeconds?: number | undefined;
}

/** Seconds. */
export interface SourceLimits {
  /** How long a set is used before it is asked for again, where the source says nothing. */
  readonly fresh: number;
  /** What the source itself may shorten or lengthen that to. */
  readonly floor: number;
  readonly ceiling: number;
  /** After a failed attempt. */
  readonly retry: number;
  /** Between two attempts because of keys that the set does not have, whoever asks. */
  readonly unknownKey: number;
  /** How old the last good set may become while the source is down. */
  readonly outage: number;
}

/** The keys of one place, as of a moment. Nothing runs on a timer: asking is what refreshes. */
export interface KeySource {
  /** The current keys. @throws Fault `evidence_source_unavailable` when there are none, or too old ones. */
  keys(now: Date): Promise<readonly VerificationKey[]>;
  /** The keys after another look, unless there was one just now: for a token whose key is unknown. @throws as `keys`. */
  keysAgain(now: Date): Promise<readonly VerificationKey[]>;
  /** Whether a key that has verified something may still count. False also when that cannot be told without asking. */
  holds(key: VerificationKey, now: Date): boolean;
  status(now: Date): SourceStatus;
}

export interface SourceStatus {
  readonly healthy: boolean;
  readonly keysAgeSeconds?: number;
  readonly lastError?: string;
  readonly refusedKeys?: readonly string[];
}

export interface SourceDeps {
  readonly read: () => Promise<KeyDocument>;
  readonly parse: (text: string) => Promise<KeySet>;
  readonly limits: SourceLimits;
}

/**
 * A set that is due is refreshed behind the caller's back; one that nobody has asked for in twice its time is waited
 * for, so that a key which was withdrawn long ago is not accepted once more. While the source fails, the last good set
 * serves without waiting, until it is older than `outage`.
 */
export function makeKeySource({ read, parse, limits }: SourceDeps): KeySource {
  let good: { set: KeySet; keys: ReadonlySet<VerificationKey>; text: string; at: number; fresh: number } | undefined;
  let lastError: string | undefined;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | undefined;

  const age = (now: number) => (good ? (now - good.at) / 1000 : Number.POSITIVE_INFINITY);
  const sinceAttempt = (now: number) => (now - attemptedAt) / 1000;
  const usable = (now: number) => age(now) <= limits.outage;
  const due = (now: number) =>
    age(now) > (good?.fresh ?? 0) && (lastError === undefined || sinceAttempt(now) >= limits.retry);
  const mustWait = (now: number) => !usable(now) || (lastError === undefined && age(now) > 2 * (good?.fresh ?? 0));

  async function fetchOnce(now: number): Promise<void> {
    attemptedAt = now;
    try {
      const document = await read();
      const set = document.text === good?.text ? good.set : await parse(document.text);
      const asked = set.refreshSeconds ?? document.freshSeconds ?? limits.fresh;
      const fresh = Math.min(Math.max(asked, limits.floor), limits.ceiling);
      good = { set, keys: new Set(set.keys), text: document.text, at: now, fresh };
      lastError = undefined;
    } catch (error) {
      lastError = error instanceof Error ? error.message : 'unknown';
    }
  }

  /** One at a time; never rejects. */
  function refresh(now: number): Promise<void> {
    underWay ??= fetchOnce(now).finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  function current(now: number): readonly VerificationKey[] {
    if (!good || !usable(now)) throw new Fault('evidence_source_unavailable', { cause: new Error(lastError) });
    return good.set.keys;
  }

  return {
    async keys(date) {
      const now = date.getTime();
      const waits = mustWait(now);
      if (due(now)) void refresh(now);
      if (waits) await underWay;
      return current(now);
    },

    async keysAgain(date) {
      const now = date.getTime();
      await (sinceAttempt(now) >= limits.unknownKey ? refresh(now) : underWay);
      return current(now);
    },

    holds(key, date) {
      const now = date.getTime();
      if (due(now)) void refresh(now);
      return good !== undefined && good.keys.has(key) && !mustWait(now);
    },

    status(date) {
      return {
        healthy: lastError === undefined && (good === undefined || usable(date.getTime())),
        ...(good ? { keysAgeSeconds: Math.max(0, Math.floor(age(date.getTime()))) } : {}),
        ...(lastError === undefined ? {} : { lastError }),
        ...(good && good.set.refused.length > 0 ? { refusedKeys: good.set.refused } : {}),
      };
    },
  };
}
