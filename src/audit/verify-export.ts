import type { LookedMonth } from './archived.ts';
import { readCheckpoint } from './checkpoint.ts';
import { conclude } from './export-conclusion.ts';
import type { HeldAgainst } from './export-conclusion.ts';
import { readHeader, readTrailer } from './export-file.ts';
import type { ExportHeader } from './export-file.ts';
import { startReading } from './export-reading.ts';
import type { Reading, ReadingOptions } from './export-reading.ts';
import { collectFindings } from './findings.ts';
import type { Finding, Findings } from './findings.ts';
import { growFast } from './grow-fast.ts';
import { LineTooLong } from './lines.ts';
import { subtreesOf } from './stored.ts';

export interface ExportOptions extends ReadingOptions, HeldAgainst {}

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
