import type { RecordedMonth } from './believed-archives.ts';
import { isCheckpointOf, readCheckpoint } from './checkpoint.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import type { EventRow } from './event.ts';
import type { Findings } from './findings.ts';
import { growFast } from './grow-fast.ts';
import { HASH_BYTES } from './merkle.ts';
import { makeMismatches } from './mismatches.ts';
import { parseNoteKey } from './note.ts';
import type { NoteKey } from './note.ts';
import { same } from './proofs.ts';
import type { KeptCheckpoint } from './store.ts';
import { storedAt, storedCount } from './stored.ts';
import { growFrom } from './tree.ts';
import { repairWindow } from './window.ts';

/** The log as it is kept, at one moment. */
export interface LogSource {
  head(): Promise<{ readonly size: number; readonly root: Uint8Array }>;
  /** Rows by leaf, from `first` up to `end`, in that order; as they are, so that one may be missing or be there twice. */
  events(first: number, end: number): Promise<readonly EventRow[]>;
  /** Stored hashes from one position up to another, each at its place; zeros where one is missing. */
  stored(from: number, to: number): Promise<Buffer>;
  /** How many hashes are stored. */
  storedEnd(): Promise<number>;
  /** How many events have a leaf. */
  sealedCount(): Promise<number>;
  /** Rows with a leaf that a log of that size does not have: some of them. */
  strays(size: number): Promise<readonly EventRow[]>;
  /** What is not sealed, page by page; `late`: it is older than what is. */
  unsealed(): AsyncIterable<readonly (EventRow & { readonly late: boolean })[]>;
  /** Kept checkpoints of more than `above` events and of at most `upTo`, smallest first. */
  checkpoints(above: number, upTo: number, limit: number): Promise<readonly KeptCheckpoint[]>;
  /** Months that are on record as put away, and the events that say so. */
  archives(): Promise<readonly RecordedMonth[]>;
  archivings(): Promise<readonly EventRow[]>;
}

export interface CheckOptions {
  /** Whose signatures count; none: those that the ledger names itself. */
  readonly keys: readonly NoteKey[];
  /** Checkpoints that were kept elsewhere. */
  readonly kept: readonly SignedCheckpoint[];
  /** Whether a leaf's text was put away: its hash stands for it. Asked of rising leaves. */
  readonly isUnseen: (leaf: number) => boolean;
  /** Every event, in the order of the log, some at a time. */
  readonly onEvents: (rows: readonly EventRow[]) => Promise<void>;
  readonly onProgress: (done: number, total: number) => void;
}

export interface LogSummary {
  readonly size: number;
  readonly unsealed: number;
  readonly checkpoints: number;
}

/** Leaves at a time; even, so that two siblings are never apart. */
const WINDOW = 2_000;
const CHECKPOINTS = 10_000;

/** Reads the whole log once, and tells everything that does not fit: events, hashes, head, and what was signed. */
export async function checkLog(source: LogSource, options: CheckOptions, findings: Findings): Promise<LogSummary> {
  const { root, ...head } = await source.head();
  const size = await sizeOf(head.size, source, findings);
  const mismatches = makeMismatches();
  const signed = makeSignedCheck(options, findings);

  const read = (first: number) => {
    const end = Math.min(first + WINDOW, size);
    const both = Promise.all([source.events(first, end), source.stored(storedCount(first), storedCount(end))]);
    both.catch(() => undefined); // nobody waits for it yet, or any more where something else went wrong
    return both;
  };
  let frontier: readonly Uint8Array[] = [];
  let next = size > 0 ? read(0) : undefined;
  for (let first = 0; next; first += WINDOW) {
    const [rows, stored] = await next;
    const end = Math.min(first + WINDOW, size);
    const asked = signed.sizesUpTo(end, source);
    next = end < size ? read(end) : undefined; // read while this one is looked at
    const sizes = await asked;
    const window = { first, end, frontier, rows, stored, sizes, isUnseen: options.isUnseen };
    const fast = growWhole(window);
    const grown = fast ?? repairWindow(window, mismatches, findings);
    for (const [at, found] of grown.roots) signed.compare(at, found);
    frontier = grown.frontier;
    await options.onEvents(rows);
    options.onProgress(end, size);
  }
  mismatches.tell(findings);

  const computed = growFrom(size, frontier).root();
  if (!same(computed, root))
    findings.add('head_differs', 'head', `the root of ${size} events is not the one that the head says`);
  const strays = await source.strays(size);
  for (const row of strays) {
    findings.add(
      'event_added',
      `leaf ${row.leaf}`,
      `event ${row.seq} has a leaf that the log of ${size} does not have`,
    );
  }
  await options.onEvents(strays.map((row) => ({ ...row, leaf: null })));
  await signed.beyond(size, source);

  let unsealed = 0;
  for await (const page of source.unsealed()) {
    for (const row of page) {
      unsealed++;
      if (row.late) findings.add('event_late', `event ${row.seq}`, 'is not sealed, and is older than what is');
    }
    await options.onEvents(page);
  }
  return { size, unsealed, checkpoints: signed.count() };
}

/** How far to read: as far as the head says, unless there is not nearly as much. */
async function sizeOf(size: number, source: LogSource, findings: Findings): Promise<number> {
  const stored = await source.storedEnd();
  if (stored === storedCount(size)) return size;
  findings.add('head_differs', 'head', `there are ${stored} hashes, and ${size} events have ${storedCount(size)}`);
  // every leaf has a hash that is stored, or an event, or is nothing
  return Math.min(size, stored + (await source.sealedCount()));
}

export interface Window {
  readonly first: number;
  readonly end: number;
  /** Of the tree of `first` leaves. */
  readonly frontier: readonly Uint8Array[];
  readonly rows: readonly EventRow[];
  readonly stored: Buffer;
  /** Sizes whose roots are wanted, rising. */
  readonly sizes: readonly number[];
  /** Whether a leaf has no text to be looked at. */
  readonly isUnseen: (leaf: number) => boolean;
}

export interface Grown {
  readonly frontier: readonly Uint8Array[];
  readonly roots: readonly (readonly [size: number, root: Uint8Array])[];
}

/** As it should be: every leaf there once, or put away, and all hashes those that are stored. Undefined where it is not. */
function growWhole({ first, end, frontier, rows, stored, sizes, isUnseen }: Window): Grown | undefined {
  const offset = storedCount(first);
  const computed = Buffer.allocUnsafe((storedCount(end) - offset) * HASH_BYTES);
  const tree = growFast(first, frontier, computed);
  const roots: [number, Uint8Array][] = [];
  let next = 0;
  for (let leaf = first; leaf < end; leaf++) {
    const row = rows[next];
    if (row?.leaf === leaf) {
      tree.append(row.body);
      next++;
    } else if (isUnseen(leaf)) {
      const at = (storedAt({ level: 0, index: leaf }) - offset) * HASH_BYTES;
      tree.appendHash(stored.toString('latin1', at, at + HASH_BYTES));
    } else return undefined;
    if (leaf + 1 === sizes[roots.length]) roots.push([leaf + 1, tree.root()]);
  }
  return next === rows.length && computed.equals(stored) ? { frontier: tree.frontier(), roots } : undefined;
}

/** Holds what was signed, in the ledger and elsewhere, against the roots that the events lead to. */
function makeSignedCheck({ keys, kept }: CheckOptions, findings: Findings) {
  const elsewhere = [...kept].sort((one, other) => one.size - other.size);
  const waiting = new Map<number, { readonly root: Uint8Array; readonly from: string }[]>();
  let readTo = 0;
  let count = 0;
  let agreed = 0;
  let differing = 0;

  function expect(size: number, root: Uint8Array, from: string): void {
    const list = waiting.get(size);
    if (list) list.push({ root, from });
    else waiting.set(size, [{ root, from }]);
  }

  function judge(row: KeptCheckpoint): void {
    count++;
    const about = `checkpoint ${row.size}`;
    const checkpoint = readCheckpoint(row.note);
    const own = parseNoteKey(row.key);
    if (!checkpoint || checkpoint.size !== row.size || !same(checkpoint.root, row.root)) {
      findings.add('checkpoint_forged', about, 'the signed text is not what its row says');
    } else if (!isSignedByAny(checkpoint, keys.length > 0 ? keys : own ? [own] : [])) {
      findings.add('checkpoint_forged', about, 'is not signed by the key');
    } else expect(row.size, row.root, 'in the ledger');
  }

  return {
    count: () => count,

    /** The sizes up to `end` whose roots are to be compared. */
    async sizesUpTo(end: number, source: Pick<LogSource, 'checkpoints'>): Promise<number[]> {
      while (readTo < end) {
        const rows = await source.checkpoints(readTo, end, CHECKPOINTS);
        for (const row of rows) judge(row);
        readTo = rows.length < CHECKPOINTS ? end : (rows.at(-1)?.size ?? end);
      }
      for (let first = elsewhere[0]; first && first.size <= end; first = elsewhere[0]) {
        elsewhere.shift();
        judgeKept(first);
      }
      return [...waiting.keys()].sort((one, other) => one - other);
    },

    compare(size: number, root: Uint8Array): void {
      for (const { root: stated, from } of waiting.get(size) ?? []) {
        if (same(stated, root)) agreed = Math.max(agreed, size);
        else if (differing++ === 0) {
          const range = `among leaves ${agreed} to ${size - 1} something was changed, added or removed`;
          findings.add('checkpoint_differs', `checkpoint ${size}`, `${from}, says another root: ${range}`);
        }
      }
      waiting.delete(size);
    },

    /** What was signed of more events than there are. */
    async beyond(size: number, source: Pick<LogSource, 'checkpoints'>): Promise<void> {
      if (differing > 1)
        findings.add('checkpoint_differs', 'checkpoints', `${differing - 1} larger ones differ as well`);
      for (const row of await source.checkpoints(size, Number.MAX_SAFE_INTEGER, CHECKPOINTS)) {
        judge(row);
        truncated(row.size, 'in the ledger', size);
      }
      for (const checkpoint of elsewhere) {
        judgeKept(checkpoint);
        if (waiting.has(checkpoint.size)) truncated(checkpoint.size, 'kept elsewhere', size);
      }
    },
  };

  function judgeKept(checkpoint: SignedCheckpoint): void {
    count++;
    if (keys.length > 0 && !isSignedByAny(checkpoint, keys)) {
      findings.add('checkpoint_forged', `kept checkpoint ${checkpoint.size}`, 'is not signed by the key');
    } else if (checkpoint.size > 0) expect(checkpoint.size, checkpoint.root, 'kept elsewhere');
  }

  function truncated(signed: number, from: string, size: number): void {
    findings.add('log_truncated', `checkpoint ${signed}`, `${from}, is of ${signed} events; the log has ${size}`);
  }
}

/** A key is made out to the log that it signs for. */
export function isSignedByAny(checkpoint: SignedCheckpoint, keys: readonly NoteKey[]): boolean {
  return keys.some((key) => isCheckpointOf(checkpoint, key.name, [key]));
}
