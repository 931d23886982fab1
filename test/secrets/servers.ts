import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { PostgresServer } from '../../src/dev/postgres-server.ts';
import { randomName } from '../support/names.ts';
import { startOwnServer, testServers } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';
import type { Written } from './spelling.ts';

export interface LoudServer {
  /** Superuser's URL. */
  readonly url: string;
  /** From now on the server writes every statement that it is sent, with its parameters, into its log. */
  loud(): Promise<void>;
  /** Its log since it was made loud, and every row of every table and view of every database that was not given before. */
  written(): AsyncGenerator<Written>;
  /** Every file of its data directory, its write-ahead log included, as Latin-1. */
  files(): AsyncGenerator<Written>;
  stop(): Promise<void>;
}

const LOUD = {
  log_statement: 'all',
  log_min_messages: 'debug1',
  log_min_error_statement: 'debug5',
  log_parameter_max_length: '-1',
  log_parameter_max_length_on_error: '-1',
  log_error_verbosity: 'verbose',
  log_connections: 'on',
  log_min_duration_statement: '0',
};

/** A server that can be searched; what the test itself does before `loud` is not in what is searched. */
export async function startLoudServer(what: string): Promise<LoudServer> {
  const name = randomName(what);
  const server: PostgresServer = await startOwnServer({ name, settings: { track_activity_query_size: '65536' } });
  const url = server.url.reveal();
  const home = join(testServers().directory, name);
  const readLog = () => readFile(join(home, 'log'), 'utf8');
  const seen = new Set<string>();
  // the catalogues of a new server say nothing of anybody
  for await (const { text } of everyRow(what, url, seen)) seen.add(text);
  let quiet = 0;
  return {
    url,
    async loud() {
      const settings = Object.entries(LOUD).map(([setting, value]) => `ALTER SYSTEM SET ${setting} = '${value}'`);
      await runSql(url, ...settings, 'SELECT pg_reload_conf()');
      quiet = (await readLog()).length;
    },
    async *written() {
      yield { where: `${what}: log`, text: (await readLog()).slice(quiet) };
      yield* everyRow(what, url, seen);
    },
    async *files() {
      const data = join(home, 'data');
      for (const entry of await readdir(data, { withFileTypes: true, recursive: true })) {
        if (!entry.isFile()) continue;
        const text = await readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => '');
        yield { where: `${what}: ${join(entry.parentPath, entry.name).slice(data.length)}`, text };
      }
    },
    stop: server.stop,
  };
}

/**
 * Tables, their partitions, materialized views, and views such as pg_stat_activity; `information_schema` says it all again,
 * and what is said of NUMA is not to be had on every machine.
 */
const RELATIONS = `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind in ('r', 'm', 'v') and nspname <> 'information_schema' and relname !~ '_numa$' order by 1`;

async function* everyRow(what: string, url: string, seen: Set<string>): AsyncGenerator<Written> {
  for (const { datname } of await rows<{ datname: string }>(
    url,
    'select datname from pg_database where datallowconn',
  )) {
    const client = new pg.Client({ connectionString: urlFor(url, { database: datname }) });
    await client.connect();
    try {
      for (const { name } of (await client.query<{ name: string }>(RELATIONS)).rows) {
        const { rows: found } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
        const fresh = found.map(({ row }) => row).filter((row) => !seen.has(row));
        for (const row of fresh) seen.add(row);
        yield { where: `${what}: ${datname}, ${name}`, text: fresh.join('\n') };
      }
    } finally {
      await client.end();
    }
  }
}

async function rows<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
