import type { ArchiveFile } from './archive-file.ts';
import { withArchives } from './archive-source.ts';
import { makeUnseen } from './archived.ts';
import type { ArchivedMonth } from './archived.ts';
import { checkLog } from './check-log.ts';
import type { CheckOptions, LogSource, LogSummary } from './check-log.ts';
import { makeTableCheck } from './check-tables.ts';
import type { TableRows } from './check-tables.ts';
import { collectFindings } from './findings.ts';
import type { Finding, Findings } from './findings.ts';

export interface VerifyReport extends LogSummary {
  /** Months that were put away, and whether their events were looked at, in the archive that was given. */
  readonly archived: readonly (ArchivedMonth & { readonly given: boolean })[];
  /** Rows that rest on events that were put away and not given: nothing was held against them. */
  readonly unchecked_rows: number;
  readonly findings: readonly Finding[];
  /** How many there are, also beyond those that are listed. */
  readonly count: number;
}

export type VerifyOptions = Pick<CheckOptions, 'keys' | 'kept' | 'onProgress'> & {
  /** Months that were put away. */
  readonly archives?: readonly ArchiveFile[];
};

/** A whole ledger: its log, what was signed of it, and its tables, as of one moment. */
export async function verifyLedger(ledger: LogSource & TableRows, options: VerifyOptions): Promise<VerifyReport> {
  const findings = collectFindings();
  const archived = await ledger.archives();
  const given = givenArchives(archived, options.archives ?? [], findings);
  const isGiven = ({ month }: ArchivedMonth) => given.some(({ header }) => header.month === month);
  const source = withArchives(ledger, given);
  const unseen = makeUnseen(archived.filter((month) => !isGiven(month)));
  const tables = makeTableCheck(source, unseen, findings);
  const checking = { ...options, isUnseen: unseen.has, onEvent: tables.take, afterWindow: tables.settle };
  const summary = await checkLog(source, checking, findings);
  const unchecked = await tables.finish();
  return {
    ...summary,
    archived: archived.map((month) => ({ ...month, given: isGiven(month) })),
    unchecked_rows: unchecked,
    findings: findings.list(),
    count: findings.count(),
  };
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
