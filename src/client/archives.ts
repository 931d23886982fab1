/** A month that was put away: its events are in a file, their hashes stay. */
export interface ArchivedMonth {
  readonly month: string;
  readonly events: number;
  /** Of the file. */
  readonly sha256: string;
  readonly archived_at: string;
  readonly ranges: readonly ArchivedRange[];
}

/** Leaves from `first` up to, not including, `end`; the roots of the largest perfect subtrees above them, in base64. */
export interface ArchivedRange {
  readonly first: number;
  readonly end: number;
  readonly hashes: readonly string[];
}

/** That a month be put away, on somebody's word: what the database's owner needs to do it. */
export interface ArchiveRequest {
  readonly id: string;
  readonly month: string;
  readonly reason: string;
  readonly force: boolean;
}
