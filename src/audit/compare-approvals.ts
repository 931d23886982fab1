import { isJsonObject } from '../domain/json.ts';
import { askedHash } from './asked.ts';
import type { TableRows } from './check-tables.ts';
import type { Findings } from './findings.ts';
import { expectedApproval, noticeDifferences } from './replay-approval.ts';
import type { ReplayedApproval } from './replay-approval.ts';
import { differences } from './row.ts';
import type { Row } from './row.ts';

const BATCH = 1_000;

/** Approvals as their events have them, with their answers and who was told of them. */
export async function compareApprovals(
  source: Pick<TableRows, 'rows'>,
  approvals: ReadonlyMap<string, ReplayedApproval>,
  findings: Findings,
): Promise<void> {
  const all = [...approvals];
  for (let at = 0; at < all.length; at += BATCH) {
    const part = all.slice(at, at + BATCH);
    const rows = await source.rows(
      'approvals',
      part.map(([id]) => id),
    );
    for (const [id, approval] of part) {
      const row = rows.get(id);
      if (!row) findings.add('event_without_row', `approval ${id}`, 'there are events of it and no row');
      else for (const line of approvalDifferences(row, approval)) findings.add('row_differs', `approval ${id}`, line);
    }
  }
}

function approvalDifferences(row: Row, approval: ReplayedApproval): string[] {
  const asked = row['asked'] ?? null;
  const asked_by = isJsonObject(asked) ? (asked['asked_by'] ?? null) : null;
  return [
    ...differences({ ...row, asked_by }, expectedApproval(approval)),
    ...differences(row, { columns: { answers: approval.answers }, near: {} }),
    ...differences({ asked: askedHash(row) }, { columns: { asked: row['asked_hash'] ?? null }, near: {} }),
    ...noticeDifferences(approval, row['notices'] ?? null),
  ];
}
