import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/errors.ts';
import { CHECKPOINT_CLASS, CLASS_NAMES, TOKEN_CLASSES } from './classes.ts';
import { loadKey, makeKey } from './key.ts';
import type { LoadedKey } from './key.ts';
import { KeyProblem } from './problem.ts';
import { stateOf, successionDue, wipeDue } from './schedule.ts';
import type { Times } from './schedule.ts';
import type { KeyRow, KeyStore } from './store.ts';
import type { Wrapper } from './wrap.ts';

/** The keys as this replica read them last. */
export interface KeySet {
  /** Not gone, oldest first. */
  readonly keys: readonly LoadedKey[];
  /** By what their tokens begin with. */
  readonly byHeader: ReadonlyMap<string, LoadedKey>;
  readonly readAt: Date;
}

export interface Keeper {
  readonly known: () => KeySet | undefined;
  /** What went wrong at the last attempt. */
  readonly problem: () => KeyProblem | undefined;
  /** When the keys were asked for last, whatever came of it. */
  readonly triedAt: () => Date | undefined;
  readonly refresh: () => Promise<void>;
  readonly rewrap: () => Promise<{ readonly rewrapped: number; readonly remaining: number }>;
  readonly close: () => void;
}

/** Of a key that is not succeeded by time. */
const NEVER = { rotateEverySeconds: Infinity };

/** After losing a race the winner's key is read; a third loss in a row is no race. */
const ATTEMPTS = 3;

/** Keeps a replica's view of the keys, and the store's keys as the schedule wants them. */
export function makeKeeper(parts: {
  readonly store: KeyStore;
  readonly wrapper: Wrapper;
  readonly clock: Clock;
  readonly times: Times;
  /** The classes that must have a key. */
  readonly classes: readonly string[];
}): Keeper {
  const { store, wrapper, clock, times, classes } = parts;
  let known: KeySet | undefined;
  let problem: KeyProblem | undefined;
  let triedAt: Date | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  async function refresh(): Promise<void> {
    if (closed) throw new Fault('shutting_down');
    running ??= update().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function update(): Promise<void> {
    const readAt = clock.now();
    triedAt = readAt;
    try {
      const { rows, set } = await withSuccessors(readAt);
      if (closed) return;
      known = set;
      problem = undefined;
      for (const row of rows) if (wipeDue(row, readAt)) await store.wipe(row.kid, row.wrapped, wrapper.sealPublic(row));
    } catch (error) {
      problem = problemOf(error);
      // Closed at once where the keys themselves are in doubt. A store that is away is ridden out until they are stale, and
      // so is a replica that was given a new key-encryption key before this one was.
      if (problem.code === 'tampered' || problem.code === 'halves_do_not_fit') known = undefined;
      throw new Fault('keys_unavailable', { cause: problem });
    }
  }

  /**
   * What the store has, once every class has the keys that it needs at `now`. A replica that cannot open what is there adds
   * nothing: with the wrong key-encryption key it would make a key that the others cannot open.
   */
  async function withSuccessors(now: Date): Promise<{ readonly rows: readonly KeyRow[]; readonly set: KeySet }> {
    for (let attempt = 1; ; attempt++) {
      const rows = await store.list();
      const set = load(rows, now);
      const due = classes.flatMap((keyClass) => {
        const own = rows.filter((row) => row.class === keyClass);
        const succession = successionDue(own, now, keyClass === CHECKPOINT_CLASS ? { ...times, ...NEVER } : times);
        return succession ? [{ keyClass, succession }] : [];
      });
      if (due.length === 0 || attempt === ATTEMPTS) return { rows, set };
      for (const { keyClass, succession } of due) await store.add(await makeKey(keyClass, wrapper), succession);
    }
  }

  function load(rows: readonly KeyRow[], readAt: Date): KeySet {
    const keys = rows
      .filter((row) => stateOf(row, readAt) !== 'gone')
      .map((row) => loadKey(row, typOf(row.class), wrapper));
    const byHeader = new Map(keys.flatMap((key) => (key.use?.header ? [[key.use.header, key] as const] : [])));
    return { keys, byHeader, readAt };
  }

  async function rewrap() {
    try {
      const rows = await store.list();
      const old = rows.filter((row) => row.encryptionKey !== wrapper.first);
      let rewrapped = 0;
      for (const row of old) {
        const privateHalf = wrapper.open(row, row);
        const fresh = privateHalf ? wrapper.wrapPrivate(row, privateHalf) : wrapper.sealPublic(row);
        privateHalf?.fill(0);
        if (await store.rewrap(row.kid, row.wrapped, fresh)) rewrapped++;
      }
      return { rewrapped, remaining: old.length - rewrapped };
    } catch (error) {
      throw new Fault('keys_unavailable', { cause: problemOf(error) });
    }
  }

  return {
    known: () => known,
    problem: () => problem,
    triedAt: () => triedAt,
    refresh,
    rewrap,
    close() {
      closed = true;
      known = undefined;
    },
  };
}

/** Undefined: of a class that a later version made. */
function typOf(tokenClass: string): string | undefined {
  const known = CLASS_NAMES.find((name) => name === tokenClass);
  return known && TOKEN_CLASSES[known].typ;
}

function problemOf(error: unknown): KeyProblem {
  return error instanceof KeyProblem ? error : new KeyProblem('store_unavailable', 'store', { cause: error });
}
