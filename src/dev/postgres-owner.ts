import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Secret } from '../domain/secret.ts';
import { EmbeddedError } from './embedded-error.ts';
import { SUPERUSER, type Cluster } from './postgres-cluster.ts';
import { HOST } from './postgres-launch.ts';

/** Held on a server by the process that it serves: the server itself lets go of it when that process dies. */
const LOCK = 0x77726974;
const PATIENCE_MS = 3_000; // a killed process's connection is closed by its kernel, and that takes a moment
const POLL_MS = 100;

export function superuserUrl(cluster: Cluster, port: number): Secret<string> {
  return new Secret(`postgres://${SUPERUSER}:${cluster.password.reveal()}@${HOST}:${port}/postgres`);
}

/** A connection as the superuser; rejects while the server is starting or stopping. */
export async function connect(url: Secret<string>, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    connectionTimeoutMillis: 5_000,
    application_name: `process ${process.pid}, ${name}`,
  });
  client.on('error', () => undefined); // the server went away; whoever uses it learns that from its own connections
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/**
 * Makes this process the one that the server serves, for as long as `client` is connected. Throws `in_use`, and the
 * connection is closed then.
 */
export async function takeOwnership(client: pg.Client, name: string): Promise<void> {
  for (let waited = 0; waited <= PATIENCE_MS; waited += POLL_MS) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [LOCK]);
    if (rows[0]?.taken) return;
    await sleep(POLL_MS);
  }
  const holder = await client.query<{ application_name: string }>(
    `SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND classid = 0 AND objid = $1 AND granted`,
    [LOCK],
  );
  await client.end();
  const who = holder.rows[0]?.application_name ?? 'another process';
  throw new EmbeddedError(
    'in_use',
    `the embedded PostgreSQL server "${name}" is in use by ${who}: stop that one first`,
  );
}
