import pg from 'pg';

export const ARCHIVE_REFUSALS = [
  'not_over',
  'no_such_month',
  'archived',
  'unsealed',
  'unsigned',
  'held',
  'undelivered',
  'unasked',
  'changed',
] as const;
export type ArchiveRefusal = (typeof ARCHIVE_REFUSALS)[number];

export interface ArchivableMonth {
  readonly events: number;
  readonly ranges: readonly { readonly first: number; readonly end: number }[];
  readonly checkpoint: { readonly size: number; readonly note: string; readonly key: string };
}

const PAGE = 5_000;
const HASH_BYTES = 32;
/** Detaching waits for what reads or writes events at that moment, and holds up what comes behind it; so long at most. */
const LOCK_TIMEOUT = '3s';
/** For the end of a transaction whose outcome was not told. */
const OUTCOME_TIMEOUT = '10s';

/** The database was asked to commit, and neither its answer nor the record could be read. */
export class OutcomeUnknown extends Error {
  readonly code = 'outcome_unknown';
  constructor(cause: unknown) {
    super('whether the month was put away is not known', { cause });
    this.name = 'OutcomeUnknown';
  }
}

/**
 * A month of the record, for whoever owns the database. Nothing is changed before `detach`.
 * @param month - such as `2026-11`.
 */
export async function openArchive(url: string, month: string) {
  const client = await connect(url);
  const part = `events_${month.replace('-', '')}`;
  return {
    /** Why it cannot be put away; undefined: it can. */
    async refusal(forced: boolean): Promise<ArchiveRefusal | undefined> {
      const sql = 'select archive_refused($1, $2) as code';
      const { rows } = await client.query<{ code: ArchiveRefusal | null }>(sql, [month, forced]);
      return rows[0]?.code ?? undefined;
    },

    async month(): Promise<ArchivableMonth> {
      const { rows } = await client.query<{ first: number; end: number }>(
        // as ranges, whose number is that of the gaps and not that of the events
        `select min(leaf)::float8 as first, (max(leaf) + 1)::float8 as end
           from (select leaf, leaf - row_number() over (order by leaf) as island from ${part}) as numbered group by island order by 1`,
      );
      const { rows: signed } = await client.query<ArchivableMonth['checkpoint']>(
        'select size::float8 as size, note, key from log_checkpoints order by log_checkpoints.size desc limit 1',
      );
      if (!signed[0]) throw new Error('nothing is signed');
      const events = rows.reduce((sum, { first, end }) => sum + end - first, 0);
      return { events, ranges: rows, checkpoint: signed[0] };
    },

    /** Its events in sealed order, a page at a time. */
    async *events(): AsyncGenerator<{ leaf: number; body: string }, void, void> {
      for (let from = 0; ;) {
        const { rows } = await client.query<{ leaf: number; body: string }>(
          `select leaf::float8 as leaf, body from ${part} where leaf >= $1 order by leaf limit ${PAGE}`,
          [from],
        );
        yield* rows;
        const last = rows.at(-1);
        if (!last || rows.length < PAGE) return;
        from = last.leaf + 1;
      }
    },

    async hashes(positions: readonly number[]): Promise<Uint8Array[]> {
      const { rows } = await client.query<{ hash: Buffer }>(
        `select substring(h.hashes from ((w.position - h.first) * ${HASH_BYTES})::integer + 1 for ${HASH_BYTES}) as hash
           from unnest($1::bigint[]) with ordinality as w (position, n), lateral (
             select first, hashes from log_hashes where first <= w.position order by first desc limit 1) as h order by w.n`,
        [positions],
      );
      return rows.map(({ hash }) => hash).filter((hash) => hash.length === HASH_BYTES);
    },

    /** Which sinks hold it: they were not given all of it, or did not take something of it. */
    async heldBy(): Promise<string[]> {
      const { rows } = await client.query<{ name: string }>(
        `select name from sinks s where position <= (select max(leaf) from ${part})
            or exists (select 1 from dead_letters d join ${part} e on e.leaf = d.leaf where d.sink = s.name) order by name`,
      );
      return rows.map(({ name }) => name);
    },

    /**
     * All or nothing, by a request of a person. The table stays, on its own, until somebody drops it.
     * @throws OutcomeUnknown; after any other error nothing was changed.
     */
    async detach(written: number, sha256: string, request: string): Promise<ArchiveRefusal | undefined> {
      await client.query('begin');
      try {
        await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
        const { rows } = await client.query<{ code: ArchiveRefusal | null }>(
          'select archive_events($1, $2, $3, $4) as code',
          [month, written, sha256, request],
        );
        const code = rows[0]?.code ?? undefined;
        if (code) {
          await client.query('rollback');
          return code;
        }
      } catch (error) {
        await client.query('rollback').catch(() => undefined); // or the connection is gone, and with it what was begun
        throw error;
      }
      try {
        await client.query('commit');
      } catch (error) {
        // an error of the server's is no answer either: one that is shut down says so after it has committed
        if (!(await isDetached(url, { month, sha256, request }, error))) throw error;
      }
      return undefined;
    },

    /** The detached table, gone for good. The connection may have been lost with the answer to `detach`. */
    drop: () => on(url, (own) => own.query(`drop table if exists ${part}`)),
    close: () => client.end(),
  };
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: 10_000,
    application_name: 'writ archive',
  });
  client.on('error', () => undefined); // whoever asks next is told
  await client.connect();
  return client;
}

/** By a connection of its own. */
async function on<T>(url: string, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(url);
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}

/** By another connection, and not before the transaction that was asked to commit is over. @throws OutcomeUnknown */
async function isDetached(
  url: string,
  { month, sha256, request }: { readonly month: string; readonly sha256: string; readonly request: string },
  cause: unknown,
): Promise<boolean> {
  try {
    return await on(url, async (client) => {
      await client.query(`set lock_timeout = '${OUTCOME_TIMEOUT}'`);
      await client.query('select lock_holds()');
      const { rowCount } = await client.query(
        'select 1 from event_archives where month = $1 and sha256 = $2 and request = $3',
        [month, sha256, request],
      );
      return rowCount === 1;
    });
  } catch {
    throw new OutcomeUnknown(cause);
  }
}
