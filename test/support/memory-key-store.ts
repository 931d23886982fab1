import type { KeyRow, KeyStore, NewKey, Succession, Wrapped } from '../../src/keys/store.ts';

/** A `KeyStore` that keeps its contract in memory, with its own clock, as the database has one. */
export interface MemoryKeyStore extends KeyStore {
  /** To look at, and to tamper with. */
  readonly rows: KeyRow[];
  /** What the ledger would have recorded: `add <kid>`, `wipe <kid>`, `rewrap <kid>`. */
  readonly events: string[];
  /** How often `list` was asked. */
  lists(): number;
  /** Every call waits for this before it does anything; rejecting makes the store fail. */
  before: () => Promise<void>;
}

export function memoryKeyStore(now: () => Date): MemoryKeyStore {
  const rows: KeyRow[] = [];
  const events: string[] = [];
  let lists = 0;

  /** Compare and set, and its event: all at once, as in a transaction. */
  function change(name: string, kid: string, holds: (row: KeyRow) => boolean, to: Partial<KeyRow>): boolean {
    const at = rows.findIndex((row) => row.kid === kid);
    const row = rows[at];
    if (!row || !holds(row)) return false;
    rows[at] = { ...row, ...to };
    if (name) events.push(`${name} ${kid}`);
    return true;
  }
  const insert = (key: NewKey, createdAt: Date, signsFrom: Date) => {
    const never = { signsUntil: null, goneAt: null, wipedAt: null };
    rows.push({ ...key, createdAt, signsFrom, ...never });
    events.push(`add ${key.kid}`);
    return true;
  };

  const store: MemoryKeyStore = {
    rows,
    events,
    lists: () => lists,
    before: () => Promise.resolve(),

    async list() {
      await store.before();
      lists++;
      const kept = rows.filter((row) => row.wipedAt === null || row.goneAt === null || row.goneAt > now());
      return kept.map((row) => ({ ...row }));
    },

    async add(key: NewKey, { after, leadSeconds, keepSeconds }: Succession) {
      await store.before();
      const at = now(); // once, as a transaction reads it
      if (after === null) {
        const taken = rows.some((row) => row.class === key.class && row.signsUntil === null);
        return taken ? false : insert(key, at, at);
      }
      const signsFrom = new Date(at.getTime() + leadSeconds * 1000);
      const goneAt = new Date(signsFrom.getTime() + keepSeconds * 1000);
      const newest = (row: KeyRow) => row.class === key.class && row.signsUntil === null;
      return change('', after, newest, { signsUntil: signsFrom, goneAt }) && insert(key, at, signsFrom);
    },

    async wipe(kid: string, from: string, to: Wrapped) {
      await store.before();
      const done = (row: KeyRow) => row.wrapped === from && row.signsUntil !== null && row.signsUntil <= now();
      return change('wipe', kid, done, { ...to, wipedAt: now() });
    },

    async rewrap(kid: string, from: string, to: Wrapped) {
      await store.before();
      return change('rewrap', kid, (row) => row.wrapped === from, to);
    },
  };
  return store;
}
