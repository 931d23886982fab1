import type { Connection } from './connection.ts';

/** How far the log has come, and its newest checkpoint. `tx` is '0' where transaction ids have started again since. */
export interface HeadRow {
  readonly logId: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly tx: string;
  readonly seq: string;
  readonly sealedAt: Date | null;
  readonly checkpointSize: number;
}

export interface UnsealedRow {
  readonly at: string;
  readonly seq: string;
  readonly tx: string | null;
  readonly body: string;
}

export interface CheckpointRow {
  readonly size: number;
  readonly root: Uint8Array;
  readonly origin: string;
  readonly key: string;
  readonly note: string;
}

const HASH_BYTES = 32;
const CHECKPOINT = 'size::float8 as size, root, origin, key, note';

/** The sealed log as it is kept. Sizes are numbers: a ledger of 2^53 events is not to be feared. */
export function makeSealing(connection: Connection) {
  async function checkpoint(name: string, condition: string, values: readonly unknown[]) {
    const sql = `select ${CHECKPOINT} from log_checkpoints where ${condition} limit 1`;
    return (await connection.call<CheckpointRow>(name, sql, values))[0];
  }
  return {
    async head(): Promise<HeadRow> {
      const sql = `select log_id as "logId", size::float8 as size, root, sealed_at as "sealedAt",
        case when running then tx::text else '0' end as tx, case when running then seq::text else '0' end as seq,
        coalesce((select max(c.size) from log_checkpoints c), 0)::float8 as "checkpointSize"
        from log_head, lateral (select tx < pg_snapshot_xmax(pg_current_snapshot()) as running) as ids`;
      const [head] = await connection.call<HeadRow>('log_head', sql, []);
      if (!head) throw new Error('the log has no head: the schema is not whole');
      return head;
    },

    unsealed: (from: string, { events, bytes }: { events: number; bytes: number }): Promise<UnsealedRow[]> => {
      const sql = 'select at_text as at, seq::text, tx::text, body from unsealed_events($1::text::xid8, $2, $3)';
      return connection.call<UnsealedRow>('unsealed_events', sql, [from, events, bytes]);
    },

    async seal(batch: {
      readonly size: number;
      readonly events: readonly Pick<UnsealedRow, 'at' | 'seq' | 'tx'>[];
      readonly hashes: Uint8Array;
      readonly root: Uint8Array;
    }): Promise<boolean> {
      const sql = 'select seal_events($1, $2::text[]::timestamptz[], $3::bigint[], $4::text::xid8, $5, $6) as done';
      const { size, events, hashes, root } = batch;
      const values = [size, events.map(({ at }) => at), events.map(({ seq }) => seq), events.at(-1)?.tx, hashes, root];
      const rows = await connection.call<{ done: boolean }>('seal_events', sql, values);
      return rows[0]?.done ?? false;
    },

    /** Those that are there and whole, in the order asked for; fewer than asked for where one is missing. */
    async hashes(positions: readonly number[]): Promise<Uint8Array[]> {
      const sql = `select substring(h.hashes from ((w.position - h.first) * ${HASH_BYTES})::integer + 1 for ${HASH_BYTES}) as hash
        from unnest($1::bigint[]) with ordinality as w (position, n), lateral (
          select first, hashes from log_hashes where first <= w.position order by first desc limit 1) as h order by w.n`;
      const rows = await connection.call<{ hash: Buffer }>('log_hashes', sql, [positions]);
      return rows.map(({ hash }) => hash).filter((hash) => hash.length === HASH_BYTES);
    },

    newestCheckpoint: () => checkpoint('newest_checkpoint', 'true order by log_checkpoints.size desc', []),

    async keepCheckpoint({ size, root, origin, key, note }: CheckpointRow): Promise<boolean> {
      const sql = 'select keep_checkpoint($1, $2, $3, $4, $5) as kept';
      const rows = await connection.call<{ kept: boolean }>('keep_checkpoint', sql, [size, root, origin, key, note]);
      return rows[0]?.kept ?? false;
    },

    /** How long the oldest event that is committed and not sealed is there; 0 when there is none. */
    async unsealedSeconds(): Promise<number> {
      const sql = `select coalesce(greatest(extract(epoch from clock_timestamp() - (
        select e.at from events e where e.leaf is null and e.tx >= case when h.tx < pg_snapshot_xmax(pg_current_snapshot()) then h.tx else '0' end
        order by e.tx, e.seq limit 1)), 0), 0)::float8 as seconds from log_head h`;
      const rows = await connection.call<{ seconds: number }>('unsealed_seconds', sql, []);
      return rows[0]?.seconds ?? 0;
    },

    /** The oldest transaction of the whole server that may still write, if there is one: nothing beyond it can be sealed. */
    async oldestTransaction(): Promise<
      { readonly tx: string; readonly pid: number | null; readonly database: string | null } | undefined
    > {
      const sql = `select s.xmin::text as tx, a.pid, coalesce(a.datname, p.database) as database
        from (select pg_snapshot_xmin(pg_current_snapshot()) as xmin, pg_snapshot_xmax(pg_current_snapshot()) as xmax) s
        left join pg_stat_activity a on a.backend_xid = s.xmin::xid left join pg_prepared_xacts p on p.transaction = s.xmin::xid
        where s.xmin < s.xmax limit 1`;
      type Row = { tx: string; pid: number | null; database: string | null };
      return (await connection.call<Row>('oldest_transaction', sql, []))[0];
    },
  };
}
