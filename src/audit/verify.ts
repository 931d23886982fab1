import type { ArchiveFile } from './archive-file.ts';
import { withArchives } from './archive-source.ts';
import { makeUnseen } from './archived.ts';
import type { ArchivedMonth, LookedMonth } from './archived.ts';
import { archivingsIn, believedArchives, sealedArchivings } from './believed-archives.ts';
import { checkLog } from './check-log.ts';
import type { CheckOptions, LogSource, LogSummary } from './check-log.ts';
import type { TableRows } from './check-tables.ts';
import { makeEventTaker } from './event-taker.ts';
import type { EventTaker } from './event-taker.ts';
import { collectFindings } from './findings.ts';
import { MAX_LISTED } from './findings.ts';
import type { Finding, Findings } from './findings.ts';

export interface VerifyReport extends LogSummary {
  /** Months that were put away, and whether their events were looked at, in the archive that was given. */
  readonly archived: readonly LookedMonth[];
  /** Rows that rest on events that were put away and not given: nothing was held against them. */
  readonly unchecked_rows: number;
  readonly findings: readonly Finding[];
  /** How many there are, also beyond those that are listed. */
  readonly count: number;
}

export type VerifyOptions = Pick<CheckOptions, 'keys' | 'kept' | 'onProgress'> & {
  /** Months that were put away. */
  readonly archives?: readonly ArchiveFile[];
  /** Has events looked at somewhere else: in a thread. Undefined: here. */
  readonly elsewhere?: (archived: readonly LookedMonth[], size: number) => EventTaker | undefined;
};

/** A whole ledger: its log, what was signed of it, and its tables, as of one moment. */
export async function verifyLedger(ledger: LogSource & TableRows, options: VerifyOptions): Promise<VerifyReport> {
  const findings = collectFindings();
  const believed = await archivesOf(ledger, options.archives ?? [], findings);
  const given = givenArchives(believed, options.archives ?? [], findings);
  const isGiven = ({ month }: ArchivedMonth) => given.some(({ header }) => header.month === month);
  const source = withArchives(ledger, given);
  const archived = believed.map((month) => ({ ...month, given: isGiven(month) }));
  const unseen = makeUnseen(archived);
  // what is in a file is here alone
  const { size } = await source.head();
  const elsewhere = given.length === 0 ? options.elsewhere?.(archived, size) : undefined;
  const taker = elsewhere ?? makeEventTaker(source, unseen);
  const summary = await checkLog(source, { ...options, isUnseen: unseen.has, onEvents: taker.take }, findings);
  const taken = await taker.finish();
  return {
    ...summary,
    archived,
    unchecked_rows: taken.unchecked,
    findings: [...findings.list(), ...taken.findings].slice(0, MAX_LISTED),
    count: findings.count() + taken.count,
  };
}

/** The months that were put away, and not those that only a row says it of. */
async function archivesOf(
  ledger: LogSource,
  files: readonly ArchiveFile[],
  findings: Findings,
): Promise<ArchivedMonth[]> {
  const recorded = await ledger.archives();
  if (recorded.length === 0) return [];
  const stored = (from: number, to: number) => ledger.stored(from, to);
  const told = await sealedArchivings(await ledger.archivings(), stored);
  const isTold = (month: string) => told.some(({ event }) => event.facts['month'] === month);
  if (!recorded.every(({ month }) => isTold(month)))
    told.push(...(await sealedArchivings(archivingsIn(files), stored)));
  const isGiven = (month: string) => files.some(({ header }) => header.month === month);
  return believedArchives(recorded, told, isGiven, findings);
}

/** Those that are of this ledger. One that was changed is read all the same: from its leaves can be told what was. */
function givenArchives(
  archived: readonly ArchivedMonth[],
  files: readonly ArchiveFile[],
  findings: Findings,
): ArchiveFile[] {
  return files.filter(({ header: { month }, sha256 }) => {
    const recorded = archived.find((each) => each.month === month);
    if (!recorded) findings.add('archive_differs', `archive ${month}`, 'the ledger has put no such month away');
    else if (recorded.sha256 !== sha256) {
      const message = `its SHA-256 is ${sha256} and the ledger has ${recorded.sha256} on record`;
      findings.add('archive_differs', `archive ${month}`, message);
    }
    return recorded !== undefined;
  });
}
