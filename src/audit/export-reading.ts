import type { ArchiveFile } from './archive-file.ts';
import type { LookedMonth } from './archived.ts';
import { makeAwayCheck } from './check-away.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import { readEvent } from './event.ts';
import type { Event } from './event.ts';
import { readArchiveLine, readEventLine } from './export-file.ts';
import type { ExportHeader } from './export-file.ts';
import type { Findings } from './findings.ts';
import { leafText } from './grow-fast.ts';
import type { FastTree } from './grow-fast.ts';
import { EMPTY_ROOT } from './merkle.ts';
import { subtreesOf } from './stored.ts';

export interface ReadingOptions {
  /** Checkpoints that were kept by whoever verifies: of each place, all that it has. */
  readonly kept: readonly (readonly SignedCheckpoint[])[];
  /** Months that were put away. */
  readonly archives?: readonly ArchiveFile[];
  readonly onProgress: (done: number, total: number) => void;
}

const DISORDER_MS = 60_000;
const PROGRESS_EVERY = 5_000;
const HINTS = 5;

/** An export’s lines, taken one after another into the tree that they make. */
export interface Reading {
  take(line: string): void;
  /** What stands for events that were put away; they are looked at where their archive is given. */
  takeArchived(line: string): Promise<void>;
  /** An event that is proven to be in the log, and lies outside of the range. */
  hear(event: Event): void;
  archived(): readonly LookedMonth[];
  /** Once everything was read and heard. */
  judgeArchived(): void;
  finish(): void;
  count(): number;
  tree(): FastTree;
  /** Roots at the sizes of kept checkpoints that lie within the range. */
  roots(): ReadonlyMap<number, Buffer>;
  /** Where numbers go back most: a root that is wrong does not say where. */
  hints(): string;
}

export function startReading(
  { first, end }: ExportHeader,
  tree: FastTree,
  { kept, archives = [], onProgress }: ReadingOptions,
  findings: Findings,
): Reading {
  const away = makeAwayCheck(archives, findings);
  let line = 1;
  const sizes = new Set(kept.flat().map(({ size }) => size));
  const roots = new Map<number, Buffer>();
  /** The most of them, most first. */
  const back: { leaf: number; by: number }[] = [];
  let next = first;
  let count = 0;
  let newest = '';
  let highest = 0;

  function see(leaf: number, body: string): void {
    const event = readEvent(body);
    if (!event) {
      findings.add('event_altered', `leaf ${leaf}`, 'is no event');
      return;
    }
    if (event.at < newest && Date.parse(newest) - Date.parse(event.at) > DISORDER_MS) {
      findings.add('event_back_dated', `leaf ${leaf}`, `is of ${event.at} and was sealed behind one of ${newest}`);
    } else if (event.at > newest) newest = event.at;
    if (event.seq < highest) goesBack(leaf, highest - event.seq);
    else highest = event.seq;
    away.hear(event);
  }

  function goesBack(leaf: number, by: number): void {
    if (back.length === HINTS && by <= (back.at(-1)?.by ?? 0)) return;
    back.push({ leaf, by });
    back.sort((one, other) => other.by - one.by);
    back.length = Math.min(back.length, HINTS);
  }

  /** Where the leaf that stands next is another one. */
  function follow(leaf: number): void {
    if (leaf > next) {
      const gone = leaf === next + 1 ? `leaf ${next}` : `leaves ${next} to ${leaf - 1}`;
      findings.add('event_missing', gone, `is not there: line ${line} is of leaf ${leaf}`);
    } else if (leaf < next)
      findings.add('event_moved', `leaf ${leaf}`, `stands on line ${line}, behind leaf ${next - 1}`);
  }

  const mark = (): void => {
    if (sizes.has(tree.size())) roots.set(tree.size(), tree.root());
  };
  mark();
  return {
    take(text) {
      line++;
      count++;
      const read = readEventLine(text);
      if (!read) {
        findings.add('export_malformed', `line ${line}`, 'is not written as an event');
        return;
      }
      const { leaf, hash, body } = read;
      follow(leaf);
      next = leaf + 1;
      const own = leafText(body);
      const stated = Buffer.from(hash, 'base64').toString('binary');
      if (own !== stated) findings.add('event_altered', `leaf ${leaf}`, 'is not what its hash is of');
      // what was sealed, most likely: then all else still fits
      tree.appendHash(stated);
      see(leaf, body);
      mark();
      if (count % PROGRESS_EVERY === 0) onProgress(next - first, end - first);
    },
    async takeArchived(text) {
      line++;
      const read = readArchiveLine(text);
      const subtrees = read && subtreesOf(read.first, read.end);
      if (!read || subtrees?.length !== read.hashes.length) {
        findings.add('export_malformed', `line ${line}`, 'is not written as what was put away');
        return;
      }
      if (read.first < first || read.end > end) {
        findings.add('export_malformed', `line ${line}`, `is of leaves outside of the range`);
        return;
      }
      follow(read.first);
      next = read.end;
      for (const [at, { level }] of subtrees.entries()) tree.appendSubtree(level, read.hashes[at] ?? EMPTY_ROOT);
      await away.take(read, see);
      mark();
      onProgress(next - first, end - first);
    },
    hear: away.hear,
    archived: away.archived,
    judgeArchived: away.finish,
    finish() {
      if (next < end) {
        const gone = next === end - 1 ? `leaf ${next}` : `leaves ${next} to ${end - 1}`;
        findings.add('export_incomplete', gone, 'the export ends before its range does');
      }
      onProgress(next - first, end - first);
    },
    count: () => count,
    tree: () => tree,
    roots: () => roots,
    hints() {
      const places = back.map(({ leaf, by }) => `leaf ${leaf} (by ${by})`).join(', ');
      return back.length === 0 ? '' : `; numbers of events go back at ${places}, which may be why or may be nothing`;
    },
  };
}
