import type { LoadedKey } from './key.ts';
import type { KeyRow, Succession } from './store.ts';

/**
 * The life of a signing key: published `leadSeconds` ahead, so that whoever caches the key set knows it before it signs; then
 * it signs until its successor begins; then it stays published for `keepSeconds`, until the last token of its has ended.
 */
export interface Times {
  readonly rotateEverySeconds: number;
  readonly leadSeconds: number;
  readonly keepSeconds: number;
}

export type KeyState = 'next' | 'signing' | 'retired' | 'gone';

export function stateOf(row: KeyRow, now: Date): KeyState {
  if (row.goneAt !== null && row.goneAt <= now) return 'gone';
  if (row.signsUntil !== null && row.signsUntil <= now) return 'retired';
  return row.signsFrom <= now ? 'signing' : 'next';
}

/**
 * The key of one class that signs at `now`. Where none seems to have begun, the newest: a class's first key begins at once,
 * and this process's clock may be a little behind the database's.
 */
export function signingKey(keys: readonly LoadedKey[], now: Date): LoadedKey | undefined {
  const able = keys.filter((key) => key.use?.privateKey);
  return able.findLast(({ row }) => stateOf(row, now) === 'signing') ?? able.find(({ row }) => row.signsUntil === null);
}

/** What to ask the store for, where a class needs a key: its first one, or the successor of one that has grown old. */
export function successionDue(rows: readonly KeyRow[], now: Date, times: Times): Succession | undefined {
  const { leadSeconds, keepSeconds, rotateEverySeconds } = times;
  const newest = rows.find((row) => row.signsUntil === null);
  if (!newest) return { after: null, leadSeconds, keepSeconds };
  const due = newest.signsFrom.getTime() + (rotateEverySeconds - leadSeconds) * 1000;
  return now.getTime() >= due ? { after: newest.kid, leadSeconds, keepSeconds } : undefined;
}

/** Whether the private half has done its work and is still in the store. */
export function wipeDue(row: KeyRow, now: Date): boolean {
  return row.wipedAt === null && row.signsUntil !== null && row.signsUntil <= now;
}
