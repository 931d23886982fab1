import { makeLeafReader } from './archive-file.ts';
import type { ArchiveFile } from './archive-file.ts';
import { endOfMonth, isMonth } from './archived.ts';
import type { LookedMonth, Span } from './archived.ts';
import { hasSpan, rangesOf } from './believed-archives.ts';
import type { Event } from './event.ts';
import { textOrNull } from './event.ts';
import type { ExportedArchive } from './export-file.ts';
import type { Findings } from './findings.ts';
import { growFast } from './grow-fast.ts';
import { EMPTY_ROOT } from './merkle.ts';
import { spanOf } from './mismatches.ts';
import { same } from './proofs.ts';
import { subtreesOf } from './stored.ts';

/** So many are held in memory. */
const PART = 10_000;

/** What the lines of a month have said so far. */
interface Away extends LookedMonth {
  events: number;
  readonly ranges: { first: number; end: number }[];
}

/** What was put away of an export's range: held against the archives that are given, or else against the events that say so. */
export function makeAwayCheck(files: readonly ArchiveFile[], findings: Findings) {
  const readers = new Map(files.map((file) => [file.header.month, { file, read: makeLeafReader(file) }]));
  const seen = new Map<string, Away>();
  /** Nobody has looked at what is there: it takes an event that says that it was put away. */
  const unread: Pick<ExportedArchive, 'month' | 'sha256' | 'first' | 'end'>[] = [];
  const told: Event[] = [];

  function note({ month, sha256, first, end }: ExportedArchive, given: boolean): boolean {
    const known = seen.get(month);
    if (!known) {
      seen.set(month, { month, sha256, events: end - first, ranges: [{ first, end }], given });
      return true;
    }
    known.events += end - first;
    const last = known.ranges.at(-1);
    if (last?.end === first) last.end = end;
    else known.ranges.push({ first, end });
    return false;
  }

  return {
    /** An event that can be looked at, of whatever type. */
    hear(event: Event): void {
      if (event.type === 'events.archived' && event.body['success'] === true) told.push(event);
    },

    /** Each event of a range to `see`. Its hashes are what the export's proof is of: the archive must lead to them. */
    async take(line: ExportedArchive, see: (leaf: number, body: string) => void): Promise<void> {
      const { month, sha256, first, end, hashes } = line;
      const archive = readers.get(month);
      const isFirst = note(line, archive !== undefined);
      if (!archive) {
        unread.push({ month, sha256, first, end });
        return;
      }
      const about = `archive ${month}`;
      if (isFirst && archive.file.sha256 !== sha256) {
        const message = `its SHA-256 is ${archive.file.sha256} and the export has ${sha256}`;
        findings.add('archive_differs', about, message);
      }
      if (!archive.file.header.ranges.some((range) => range.first <= first && end <= range.end)) {
        findings.add('archive_differs', about, `${spanOf(first, end - 1)} are not among its leaves`);
        return;
      }
      for (const [at, { level, index }] of subtreesOf(first, end).entries()) {
        const begin = index * 2 ** level;
        const behind = begin + 2 ** level;
        const tree = growFast(0, []);
        for (let from = begin; from < behind; from += PART) {
          const to = Math.min(from + PART, behind);
          const events = await archive.read(from, to);
          for (const { leaf, body } of events) {
            tree.append(body);
            see(leaf, body);
          }
          if (events.length < to - from) break; // it has fewer than it says
        }
        if (tree.size() === 2 ** level && same(tree.root(), hashes[at] ?? EMPTY_ROOT)) continue;
        findings.add('archive_differs', about, `${spanOf(begin, behind - 1)} are not what was sealed`);
      }
    },

    /** Everything was heard: whatever was left out of the export without an event that says why could be anything. */
    finish(): void {
      const ranges = new Map<string, Span[][]>();
      for (const { facts, at } of told) {
        const [month, sha256] = [textOrNull(facts['month']) ?? '', textOrNull(facts['sha256']) ?? ''];
        const leaves = rangesOf(textOrNull(facts['leaves']));
        const key = `${month} ${sha256}`;
        if (leaves && isMonth(month) && at >= endOfMonth(month)) ranges.set(key, [...(ranges.get(key) ?? []), leaves]);
      }
      for (const { month, sha256, first, end } of unread) {
        if (ranges.get(`${month} ${sha256}`)?.some((leaves) => hasSpan(leaves, { first, end }))) continue;
        const message = 'no event that can be looked at says that they were put away: give --archive';
        findings.add('archive_unproven', spanOf(first, end - 1), message);
      }
    },

    archived: (): readonly LookedMonth[] => [...seen.values()],
  };
}
