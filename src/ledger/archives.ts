import type { Actor } from '../domain/identity.ts';
import type { ArchiveId } from '../domain/ids.ts';
import type { Connection } from './connection.ts';

export interface ArchiveRow {
  readonly month: string;
  readonly events: number;
  readonly sha256: string;
  readonly archivedAt: Date;
  /** Leaves from `first` up to, not including, `end`; rising. */
  readonly ranges: readonly { readonly first: number; readonly end: number }[];
}

/** Months that were put away, and the requests that they be. */
export function makeArchives(connection: Connection) {
  return {
    /** Goes into the record. What is done about it is for the database's owner, within the hour. */
    request: (asked: {
      readonly id: ArchiveId;
      readonly month: string;
      readonly reason: string;
      readonly forced: boolean;
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<{ asked_at: string }> => connection.transition<{ asked_at: string }>('request_archive', asked),

    list: (): Promise<ArchiveRow[]> => {
      const sql = `select month, events::float8 as events, sha256, archived_at as "archivedAt",
          (select coalesce(jsonb_agg(jsonb_build_object('first', lower(r), 'end', upper(r)) order by lower(r)), '[]') from unnest(leaves) as u (r)) as ranges
        from event_archives order by month`;
      return connection.call<ArchiveRow>('archives', sql, []);
    },
  };
}
