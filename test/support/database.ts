import pg from 'pg';
import { randomName } from './names.ts';
import { testServers } from './servers.ts';
import type { LedgerServer } from './servers.ts';
import { runSql, urlFor } from './sql.ts';
import { TEMPLATE } from './template.ts';

export interface TestDatabase {
  /** Superuser's. */
  readonly url: string;
  /** Of a login with the broker's rights and no more. */
  readonly brokerUrl: string;
  readonly name: string;
  /** The superuser's. */
  readonly pool: pg.Pool;
  /** Ends the pool, cuts whoever else is connected, and removes the database. */
  drop(): Promise<void>;
}

/** A migrated database for one test file: a clone of the template of the run's server, or of one of its own. */
export async function makeDatabase(servers: LedgerServer = testServers()): Promise<TestDatabase> {
  const { ledger: server, broker } = servers;
  const name = randomName('ledger');
  await runSql(server, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY wal_log`);
  const url = urlFor(server, { database: name });
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => undefined); // a test may cut its idle connections
  return {
    url,
    brokerUrl: urlFor(broker, { database: name }),
    name,
    pool,
    drop: async () => {
      await pool.end();
      await runSql(server, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}
