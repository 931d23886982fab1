import type { ArchiveFile } from './archive-file.ts';
import type { LookedMonth } from './archived.ts';
import { makeAwayCheck } from './check-away.ts';
import { readCheckpoint } from './checkpoint.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import { isSignedByAny } from './check-log.ts';
import { readEvent } from './event.ts';
import type { Event } from './event.ts';
import { readArchiveLine, readEventLine, readHeader, readTrailer } from './export-file.ts';
import type { ConsistencyProof, ExportHeader, ExportTrailer } from './export-file.ts';
import { collectFindings } from './findings.ts';
import type { Finding, Findings } from './findings.ts';
import { growFast, leafText } from './grow-fast.ts';
import type { FastTree } from './grow-fast.ts';
import { LineTooLong } from './lines.ts';
import { EMPTY_ROOT, leafHash } from './merkle.ts';
import type { NoteKey } from './note.ts';
import { includes, isExtension, rootOfRange, same } from './proofs.ts';
import { subtreesOf } from './stored.ts';

export interface ExportOptions {
  /** Whose signatures count; none: the signature of the export's own checkpoint is not checked. */
  readonly keys: readonly NoteKey[];
  /** Checkpoints that were kept by whoever verifies: of each place, all that it has. */
  readonly kept: readonly (readonly SignedCheckpoint[])[];
  /** Months that were put away. */
  readonly archives?: readonly ArchiveFile[];
  readonly onProgress: (done: number, total: number) => void;
}

export interface ExportReport {
  readonly header: ExportHeader | undefined;
  /** The size of the log that the export's checkpoint speaks of. */
  readonly size: number;
  readonly events: number;
  /** What was put away of the range, and whether its events were looked at, in the archive that was given. */
  readonly archived: readonly LookedMonth[];
  readonly findings: readonly Finding[];
  readonly count: number;
}

const DISORDER_MS = 60_000;
const PROGRESS_EVERY = 5_000;
const HINTS = 5;

/**
 * An export, with nothing but itself, a checkpoint and a key: every event is the log's, none is missing, and they stand in their order.
 * The lines are read once; the proof comes last, so what lies before the range is asked for as soon as it can be known.
 * @param lines - of the file. `trailer` is its last line: what lies before the range must be known to begin.
 */
export async function verifyExport(
  { lines, trailer: last }: { readonly lines: AsyncIterable<readonly string[]>; readonly trailer: string },
  options: ExportOptions,
): Promise<ExportReport> {
  const findings = collectFindings();
  const trailer = readTrailer(last);
  const checkpoint = trailer && readCheckpoint(trailer.checkpoint);
  if (!trailer || !checkpoint) findings.add('export_incomplete', 'the end', 'there is no trailer with a checkpoint');
  let reading: Reading | undefined;
  let header: ExportHeader | undefined;
  for await (const part of wholeLines(lines, findings)) {
    for (const line of part) {
      if (!header) {
        header = readHeader(line);
        if (!header) {
          findings.add('export_malformed', 'line 1', 'is no header of an export');
          return { header, size: 0, events: 0, archived: [], findings: findings.list(), count: findings.count() };
        }
        const { first } = header;
        const left = trailer?.left.length === subtreesOf(0, first).length ? trailer.left : undefined;
        if (!left && first > 0)
          findings.add('export_incomplete', 'the end', 'does not prove what lies before the range');
        reading = startReading(header, growFast(first, left ?? []), options, findings);
      } else if (trailer && line === last) continue;
      else if (line.startsWith('{"archived":')) await reading?.takeArchived(line);
      else reading?.take(line);
    }
  }
  if (header && reading) {
    reading.finish();
    if (trailer && checkpoint) conclude(header, reading, trailer, checkpoint, options, findings);
    reading.judgeArchived();
  }
  const events = reading?.count() ?? 0;
  const archived = reading?.archived() ?? [];
  const size = checkpoint?.size ?? 0;
  return { header, size, events, archived, findings: findings.list(), count: findings.count() };
}

/** What can be read of a file. */
async function* wholeLines(
  lines: AsyncIterable<readonly string[]>,
  findings: Findings,
): AsyncGenerator<readonly string[]> {
  try {
    yield* lines;
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    findings.add('export_malformed', 'the file', error.message);
  }
}

interface Reading {
  take(line: string): void;
  /** What stands for events that were put away; they are looked at where their archive is given. */
  takeArchived(line: string): Promise<void>;
  /** An event that is proven to be in the log, and lies outside of the range. */
  hear(event: Event): void;
  archived(): ExportReport['archived'];
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

function startReading(
  { first, end }: ExportHeader,
  tree: FastTree,
  { kept, archives = [], onProgress }: ExportOptions,
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

/** The checkpoint of the export, and those that were kept. */
function conclude(
  { origin, first, end }: ExportHeader,
  reading: Reading,
  trailer: ExportTrailer,
  checkpoint: SignedCheckpoint,
  { keys, kept }: ExportOptions,
  findings: Findings,
): void {
  const { size, root } = checkpoint;
  const about = `checkpoint ${size}`;
  const signed = keys.length === 0 || isSignedByAny(checkpoint, keys);
  if (!signed) findings.add('checkpoint_forged', about, 'the export’s own is not signed by the key');
  if (checkpoint.origin !== origin)
    findings.add('checkpoint_forged', about, `is of ${checkpoint.origin}, the export of ${origin}`);
  if (end > size) {
    findings.add('export_incomplete', about, `is of fewer events than the export has`);
    return;
  }
  const whole = reading.tree().size() === end && rootOfRange(reading.tree().frontier(), end, trailer.right, size);
  if (!whole || !same(whole, root)) {
    const range = `among leaves ${first} to ${end - 1} something was changed, added or removed`;
    findings.add('checkpoint_differs', about, `says another root: ${range}${reading.hints()}`);
  }
  for (const { leaf, body, path } of trailer.archivings) {
    const event = includes(checkpoint, leaf, leafHash(body), path) ? readEvent(body) : undefined;
    if (event) reading.hear(event);
    else findings.add('export_malformed', 'the end', `what it says leaf ${leaf} to be is not in the log`);
  }
  for (const one of kept.flatMap((place) => toBeHeld(place, size, (sized) => proofOf(sized, reading, trailer)))) {
    const name = `kept checkpoint ${one.size}`;
    if (keys.length > 0 && !isSignedByAny(one, keys))
      findings.add('checkpoint_forged', name, 'is not signed by the key');
    else if (one.origin !== origin)
      findings.add('checkpoint_forged', name, `is of ${one.origin}, the export of ${origin}`);
    else if (one.size > size) {
      findings.add(
        'log_truncated',
        name,
        `is of more events than the export’s, which is of ${size}: ask for a newer export`,
      );
    } else compareKept(one, reading, trailer, checkpoint, findings);
  }
}

/** Of what one place has kept: all that can be held against an export, the newest that should be, and the newest that is beyond it. */
function toBeHeld(
  place: readonly SignedCheckpoint[],
  size: number,
  isProven: (size: number) => unknown,
): SignedCheckpoint[] {
  const rising = [...place].sort((one, other) => one.size - other.size);
  const within = rising.filter((one) => one.size <= size);
  const beyond = rising.at(-1);
  return [
    ...within.filter((one) => one === within.at(-1) || one.size === size || isProven(one.size) !== undefined),
    ...(beyond && beyond.size > size ? [beyond] : []),
  ];
}

/** What says how the log of that size goes on to the checkpoint's; undefined: nothing. */
function proofOf(size: number, reading: Reading, trailer: ExportTrailer): ConsistencyProof | Buffer | undefined {
  return trailer.consistency.find(({ oldSize }) => oldSize === size) ?? reading.roots().get(size);
}

function compareKept(
  kept: SignedCheckpoint,
  reading: Reading,
  trailer: ExportTrailer,
  checkpoint: SignedCheckpoint,
  findings: Findings,
): void {
  const name = `kept checkpoint ${kept.size}`;
  const inside = reading.roots().get(kept.size);
  const proof = trailer.consistency.find(({ oldSize }) => oldSize === kept.size);
  const agrees =
    kept.size === checkpoint.size
      ? same(kept.root, checkpoint.root)
      : proof
        ? isExtension(kept, checkpoint, proof.path)
        : inside && same(inside, kept.root);
  if (agrees === undefined) {
    findings.add(
      'export_incomplete',
      name,
      'lies outside of the range, or within what was put away: export with --checkpoint, and its proof comes along',
    );
  } else if (!agrees)
    findings.add('checkpoint_differs', name, 'says another root: the log is not the one that it was of');
}
