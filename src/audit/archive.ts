import { readCheckpoint } from './checkpoint.ts';
import { leafHash } from './merkle.ts';
import type { Prover } from './proofs.ts';
import { rootOfRange, same } from './proofs.ts';
import { growFrom } from './tree.ts';

/** The first line of an archive: which leaves it holds, and what it takes to get from them to a root that was signed. */
export interface ArchiveHeader {
  readonly kind: 'writ.archive';
  readonly version: 1;
  readonly month: string;
  readonly events: number;
  /** The signed note, and the key that has signed it as the ledger has it. */
  readonly checkpoint: string;
  readonly key: string;
  readonly ranges: readonly ArchivedRange[];
}

/** Leaves from `first` up to, not including, `end`; hashes beside them in base64. */
export interface ArchivedRange {
  readonly first: number;
  readonly end: number;
  readonly left: readonly string[];
  readonly right: readonly string[];
}

export const ARCHIVE_FAULTS = [
  'malformed',
  /** Fewer events than the header says, or other leaves. */
  'incomplete',
  /** The events do not lead to the root of the checkpoint. */
  'differs_from_signed',
] as const;
export type ArchiveFault = (typeof ARCHIVE_FAULTS)[number];

export async function makeRanges(
  prover: Prover,
  ranges: readonly { readonly first: number; readonly end: number }[],
  size: number,
): Promise<ArchivedRange[]> {
  const made: ArchivedRange[] = [];
  for (const range of ranges) {
    const { left, right } = await prover.range(range, size);
    made.push({ ...range, left: left.map(base64), right: right.map(base64) });
  }
  return made;
}

/** One event's line. The text is put in as it was sealed. */
export function archiveLine({ leaf, body }: { readonly leaf: number; readonly body: string }): string {
  return `{"leaf":${leaf},"body":${JSON.stringify(body)}}\n`;
}

/**
 * Whether an archive holds what its header says, and whether that is what was signed: every event, in its place, to the byte. That
 * the checkpoint's signature counts is for whoever keeps the key. Null: nothing is wrong.
 */
export async function checkArchive(lines: AsyncIterable<string>): Promise<ArchiveFault | null> {
  const iterator = lines[Symbol.asyncIterator]();
  const header = parseArchiveHeader((await iterator.next()).value as string | undefined);
  const signed = header && readCheckpoint(header.checkpoint);
  if (!header || !signed) return 'malformed';
  let count = 0;
  for (const { first, end, left, right } of header.ranges) {
    const tree = growFrom(first, left.map(bytes));
    for (let leaf = first; leaf < end; leaf++) {
      const event = parseArchivedEvent((await iterator.next()).value as string | undefined);
      if (!event) return 'malformed';
      if (event.leaf !== leaf) return 'incomplete';
      tree.append(leafHash(event.body));
      count++;
    }
    const root = rootOfRange(tree.frontier(), end, right.map(bytes), signed.size);
    if (!root || !same(root, signed.root)) return 'differs_from_signed';
  }
  const more = await iterator.next();
  return more.done && count === header.events ? null : 'incomplete';
}

export function parseArchiveHeader(line: string | undefined): ArchiveHeader | undefined {
  const value = parse(line) as Partial<ArchiveHeader> | undefined;
  if (value?.kind !== 'writ.archive' || value.version !== 1 || typeof value.checkpoint !== 'string') return undefined;
  if (!Number.isSafeInteger(value.events) || !Array.isArray(value.ranges)) return undefined;
  const ranges: readonly Partial<ArchivedRange>[] = value.ranges;
  const fits = ranges.every(
    ({ first, end, left, right }) =>
      Number.isSafeInteger(first) && Number.isSafeInteger(end) && Array.isArray(left) && Array.isArray(right),
  );
  return fits ? (value as ArchiveHeader) : undefined;
}

export function parseArchivedEvent(line: string | undefined): { leaf: number; body: string } | undefined {
  const value = parse(line) as { leaf?: unknown; body?: unknown } | undefined;
  return typeof value?.leaf === 'number' && typeof value.body === 'string'
    ? { leaf: value.leaf, body: value.body }
    : undefined;
}

function parse(line: string | undefined): object | undefined {
  try {
    const value: unknown = JSON.parse(line ?? '');
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const base64 = (hash: Uint8Array) => Buffer.from(hash).toString('base64');
const bytes = (text: string) => Buffer.from(text, 'base64');
