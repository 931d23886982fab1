import { checkLog } from './check-log.ts';
import type { CheckOptions, LogSource, LogSummary } from './check-log.ts';
import { makeTableCheck } from './check-tables.ts';
import type { TableRows } from './check-tables.ts';
import { collectFindings } from './findings.ts';
import type { Finding } from './findings.ts';

export interface VerifyReport extends LogSummary {
  readonly findings: readonly Finding[];
  /** How many there are, also beyond those that are listed. */
  readonly count: number;
}

/** A whole ledger: its log, what was signed of it, and its tables, as of one moment. */
export async function verifyLedger(
  source: LogSource & TableRows,
  options: Pick<CheckOptions, 'keys' | 'kept' | 'onProgress'>,
): Promise<VerifyReport> {
  const findings = collectFindings();
  const tables = makeTableCheck(source, findings);
  const summary = await checkLog(source, { ...options, onEvent: tables.take, afterWindow: tables.settle }, findings);
  await tables.finish();
  return { ...summary, findings: findings.list(), count: findings.count() };
}
