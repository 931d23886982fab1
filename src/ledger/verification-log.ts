import { EVENT, SOME } from './verification-reads.ts';
import type { EventRow, Read } from './verification-reads.ts';

/** A month that was put away. */
export interface ArchivedMonth {
  readonly month: string;
  readonly events: number;
  readonly sha256: string;
  readonly ranges: readonly { readonly first: number; readonly end: number }[];
  readonly archivedAt: string;
}

const HASH_BYTES = 32;
const PAGE = 4_000;

/** The log as it was sealed: its head, events by their leaves, stored hashes, checkpoints, and what was put away. */
export function logReads(read: Read) {
  return {
    async head(): Promise<{ logId: string; size: number; root: Uint8Array }> {
      const sql = 'select log_id as "logId", size::float8 as size, root from log_head';
      const [head] = await read<{ logId: string; size: number; root: Uint8Array }>('head', sql);
      if (!head) throw new Error('the log has no head');
      return head;
    },

    events: (first: number, end: number): Promise<EventRow[]> =>
      read('events', `select ${EVENT} from events where leaf >= $1 and leaf < $2 order by events.leaf`, [first, end]),

    /** Hashes from a position up to another, each at its place; zeros where one is missing. */
    async stored(from: number, to: number): Promise<Buffer> {
      const sql = `select greatest(first, $1::bigint)::float8 as at,
          substring(hashes from (greatest($1::bigint - first, 0) * 32)::integer + 1 for
            (least($2::bigint - first, octet_length(hashes) / 32) * 32 - greatest($1::bigint - first, 0) * 32)::integer) as part
        from log_hashes where first >= (select coalesce(max(first), 0) from log_hashes where first <= $1::bigint) and first < $2::bigint
          and first + octet_length(hashes) / 32 > $1::bigint order by first`;
      const whole = Buffer.alloc((to - from) * HASH_BYTES);
      for (const { at, part } of await read<{ at: number; part: Buffer }>('stored', sql, [from, to])) {
        whole.set(part.subarray(0, (to - at) * HASH_BYTES), (at - from) * HASH_BYTES);
      }
      return whole;
    },

    async storedEnd(): Promise<number> {
      const sql = `select coalesce(sum(octet_length(hashes)) / 32, 0)::float8 as n from log_hashes`;
      return (await read<{ n: number }>('stored end', sql))[0]?.n ?? 0;
    },

    async sealedCount(): Promise<number> {
      return (await read<{ n: number }>('sealed count', 'select count(leaf)::float8 as n from events'))[0]?.n ?? 0;
    },

    strays: (size: number): Promise<EventRow[]> =>
      read('strays', `select ${EVENT} from events where leaf < 0 or leaf >= $1 order by events.leaf limit ${SOME}`, [
        size,
      ]),

    async *unsealed(): AsyncGenerator<(EventRow & { late: boolean })[]> {
      const sql = `select ${EVENT}, tx::text as tx,
          h.head_tx < pg_snapshot_xmax(pg_current_snapshot()) and (tx, seq) <= (h.head_tx, h.head_seq) as late
        from events, (select tx, seq from log_head) as h (head_tx, head_seq)
        where leaf is null and (tx, seq) > ($1::text::xid8, $2::bigint) order by events.tx, events.seq limit ${PAGE}`;
      let place: readonly [string, string] | undefined = ['0', '-1'];
      while (place) {
        const page: (EventRow & { late: boolean; tx: string })[] = await read('unsealed', sql, place);
        yield page;
        const last = page.at(-1);
        place = last && page.length === PAGE ? [last.tx, last.seq] : undefined;
      }
    },

    checkpoints: (above: number, upTo: number, limit: number) =>
      read<{ size: number; root: Uint8Array; origin: string; key: string; note: string }>(
        'checkpoints',
        `select size::float8 as size, root, origin, key, note from log_checkpoints c where c.size > $1 and c.size <= $2
          order by c.size limit $3`,
        [above, upTo, limit],
      ),

    /** Months that are on record as put away, and the leaves that they took along. */
    archives(): Promise<ArchivedMonth[]> {
      const sql = `select month, events::float8 as events, sha256, archived_at as "archivedAt", (select coalesce(jsonb_agg(jsonb_build_object('first', lower(r), 'end', upper(r))
          order by lower(r)), '[]') from unnest(leaves) as u (r)) as ranges from event_archives order by month`;
      return read<ArchivedMonth>('archives', sql);
    },

    archivings: (): Promise<EventRow[]> =>
      read('archivings', `select ${EVENT} from events where type = 'events.archived' order by events.leaf nulls last`),
  };
}
