import { makeLeafReader } from './archive-file.ts';
import type { ArchiveFile } from './archive-file.ts';
import type { ArchivedMonth } from './archived.ts';
import type { ExportedArchive } from './export-file.ts';
import type { Findings } from './findings.ts';
import { growFast } from './grow-fast.ts';
import { EMPTY_ROOT } from './merkle.ts';
import { spanOf } from './mismatches.ts';
import { same } from './proofs.ts';
import { subtreesOf } from './stored.ts';

/** So many are held in memory. */
const PART = 10_000;

/** What was put away of an export's range: held against the archives that are given. */
export function makeAwayCheck(files: readonly ArchiveFile[], findings: Findings) {
  const readers = new Map(files.map((file) => [file.header.month, { file, read: makeLeafReader(file) }]));
  const seen = new Map<string, ArchivedMonth & { ranges: { first: number; end: number }[]; given: boolean }>();

  return {
    /** Each event of a range to `see`. Its hashes are what the export's proof is of: the archive must lead to them. */
    async take(
      { month, sha256, first, end, hashes }: ExportedArchive,
      see: (leaf: number, body: string) => void,
    ): Promise<void> {
      const archive = readers.get(month);
      const known = seen.get(month);
      const events = (known?.events ?? 0) + end - first;
      const ranges = [...(known?.ranges ?? []), { first, end }];
      seen.set(month, { month, sha256, events, ranges, given: archive !== undefined });
      if (!archive) return;
      if (!known && archive.file.sha256 !== sha256) {
        const message = `its SHA-256 is ${archive.file.sha256} and the export has ${sha256}`;
        findings.add('archive_differs', `archive ${month}`, message);
      }
      for (const [at, { level, index }] of subtreesOf(first, end).entries()) {
        const begin = index * 2 ** level;
        const behind = begin + 2 ** level;
        const tree = growFast(0, []);
        for (let from = begin; from < behind; from += PART) {
          for (const { leaf, body } of await archive.read(from, Math.min(from + PART, behind))) {
            tree.append(body);
            see(leaf, body);
          }
        }
        if (tree.size() === 2 ** level && same(tree.root(), hashes[at] ?? EMPTY_ROOT)) continue;
        findings.add('archive_differs', `archive ${month}`, `${spanOf(begin, behind - 1)} are not what was sealed`);
      }
    },

    archived: () => [...seen.values()],
  };
}
