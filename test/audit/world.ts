import { createHash } from 'node:crypto';
import pg from 'pg';
import { leafHash } from '../../src/audit/merkle.ts';
import { makeSealer } from '../../src/audit/sealer.ts';
import type { SealStep } from '../../src/audit/sealer.ts';
import { growFrom } from '../../src/audit/tree.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { makeDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';
import type { LedgerServer } from '../support/servers.ts';

/** A ledger whose events are written by hand, to be sealed. */
export interface LogWorld {
  readonly database: TestDatabase;
  readonly ledger: Ledger;
  /** Writes events on a connection of the broker's, or the one given; answers nothing. */
  write(count: number, on?: pg.Client, size?: number): Promise<void>;
  /** A connection with the broker's rights, closed with the world. */
  connection(): Promise<pg.Client>;
  /** Seals until nothing is left that can be; answers the steps. */
  seal(everything?: boolean): Promise<SealStep[]>;
  /** What is wrong with the log, a line each, by the standard and nothing of the sealer's. */
  faults(): Promise<string[]>;
  /** Past every trigger and right, as a superuser can. */
  tamper(sql: string, values?: readonly unknown[]): Promise<void>;
  one<Row extends Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row>;
  close(): Promise<void>;
}

export async function makeLogWorld(server: LedgerServer): Promise<LogWorld> {
  const database = await makeDatabase(server);
  const ledger = makeLedger({ url: database.brokerUrl, poolSize: 4 });
  const clients: pg.Client[] = [];
  const connection = async () => {
    const client = new pg.Client({ connectionString: database.brokerUrl });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  };
  const writer = await connection();
  const sealer = makeSealer(ledger.sealing);
  return {
    database,
    ledger,
    connection,
    async write(count, on = writer, size = 0) {
      const sql = `select emit_own_event('evidence.refused', system_actor('test'), null, null, false, jsonb_build_object('n', n, 'text', repeat('ü', $2))) from generate_series(1, $1) n`;
      await on.query(sql, [count, size]);
    },
    async seal(everything = false) {
      const steps: SealStep[] = [];
      for (;;) {
        const step = await sealer(everything);
        steps.push(step);
        if (!step.more) return steps;
      }
    },
    faults: () => faultsOf(database.pool),
    async tamper(sql, values = []) {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      try {
        await client.query('set session_replication_role = replica');
        await client.query(sql, [...values]);
      } finally {
        await client.end();
      }
    },
    async one<Row extends Record<string, unknown>>(sql: string, values: readonly unknown[] = []) {
      const { rows } = await database.pool.query<Row>(sql, [...values]);
      if (rows.length !== 1 || !rows[0]) throw new Error(`${rows.length} rows instead of one`);
      return rows[0];
    },
    async close() {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await ledger.close();
      await database.drop();
    },
  };
}

/** Leaves without a gap, in the order of transactions; the stored hashes; the head. */
export async function faultsOf(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ leaf: string; body: string; tx: string; seq: string }>(
    'select leaf, body, tx, seq from events where leaf is not null order by leaf, at, seq',
  );
  const stored = await pool.query<{ first: string; hashes: Buffer }>(
    'select first, hashes from log_hashes order by first',
  );
  const head = (await pool.query<{ size: string; root: Buffer }>('select size, root from log_head')).rows[0];
  const found: string[] = [];
  const hashes: Uint8Array[] = [];
  const tree = growFrom(0, [], (hash) => hashes.push(hash));
  for (const [at, { leaf, body }] of rows.entries()) {
    if (Number(leaf) !== at) found.push(`leaf ${leaf} stands at ${at}`);
    tree.append(leafHash(body));
    const [before, row] = [rows[at - 1], rows[at]];
    if (!before || !row) continue;
    const step = BigInt(row.tx) - BigInt(before.tx) || BigInt(row.seq) - BigInt(before.seq);
    if (step <= 0n) found.push(`leaf ${leaf} is older than the one before it`);
  }
  let position = 0;
  for (const { first, hashes: part } of stored.rows) {
    if (Number(first) !== position) found.push(`the hashes at ${first} begin at ${position}`);
    position += part.length / 32;
  }
  if (!Buffer.concat(stored.rows.map((row) => row.hashes)).equals(Buffer.concat(hashes))) found.push('other hashes');
  if (Number(head?.size) !== rows.length) found.push(`the head is at ${head?.size} of ${rows.length}`);
  if (!head?.root.equals(tree.root())) found.push('another root');
  return found;
}

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
