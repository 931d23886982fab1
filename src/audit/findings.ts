/** What verification finds. Closed, and on docs/audit.md. */
export const FINDING_CODES = [
  // the log
  'event_altered',
  'event_missing',
  'event_moved',
  'event_added',
  'event_back_dated',
  'event_late',
  'columns_differ',
  'hashes_altered',
  'head_differs',
  'archive_differs',
  'archive_unproven',
  // what was signed
  'checkpoint_forged',
  'checkpoint_differs',
  'log_truncated',
  // the tables
  'row_differs',
  'row_without_event',
  'event_without_row',
  'history_impossible',
  // an export
  'export_malformed',
  'export_incomplete',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

export interface Finding {
  readonly code: FindingCode;
  /** What it is about: `leaf 17`, `grant g...`, `checkpoint 4711`. */
  readonly about: string;
  readonly message: string;
}

/** So many are kept; beyond that they are only counted. */
export const MAX_LISTED = 1_000;

export interface Findings {
  readonly add: (code: FindingCode, about: string, message: string) => void;
  readonly list: () => readonly Finding[];
  readonly count: () => number;
}

export function collectFindings(): Findings {
  const kept: Finding[] = [];
  let count = 0;
  return {
    add(code, about, message) {
      count++;
      if (kept.length < MAX_LISTED) kept.push({ code, about, message });
    },
    list: () => kept,
    count: () => count,
  };
}
