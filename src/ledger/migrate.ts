import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { sha256Hex } from '../domain/sha256.ts';
import { APPLIED } from './schema.ts';
import type { SchemaRange } from './schema.ts';

/**
 * The migrations that this version can work with. Those to come say themselves whether it works with them (`works_with`): two neighbouring
 * versions run at once (DESIGN, *The record*).
 */
export const SCHEMA_RANGE = {
  oldest: '20261126000012_what_lapses',
  newest: '20261126000012_what_lapses',
} as const satisfies SchemaRange;

const LOCK = [1465010516, 4];

/** Prisma's own table, with its columns, so that `prisma migrate status` and `deploy` agree with what was done here. */
const MIGRATIONS_TABLE = `create table if not exists _prisma_migrations (
  id varchar(36) primary key,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`;

/** A migration on record whose text is not the one shipped. Nothing was applied. */
export class MigrationMismatch extends Error {
  constructor(name: string) {
    super(`migration ${name} was applied from another text than the one that this version ships`);
    this.name = 'MigrationMismatch';
  }
}

/** Something is missing from a database that has migrations which this version does not know. Nothing was applied. */
export class MigrationsUnknown extends Error {
  constructor(missing: string, unknown: string) {
    super(
      `migration ${missing} is missing from a ledger that has ${unknown}, which this version does not know: nothing is applied beside it`,
    );
    this.name = 'MigrationsUnknown';
  }
}

/**
 * Brings a database up to date with the SQL files of `directory`, each in its own transaction, under an advisory lock; answers the
 * names that were applied: none of a database that is ahead. The login must own the database and, the first time on a server, be able to
 * create roles.
 * @throws MigrationMismatch, MigrationsUnknown; or the database's error, with everything of the failing migration rolled back.
 */
export async function migrate(url: string, directory: string): Promise<string[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'writ migrate',
  });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1, $2)', LOCK);
    await client.query(MIGRATIONS_TABLE);
    const done = await applied(client);
    const all = await shipped(directory);
    for (const { name, checksum } of all) {
      if ((done.get(name) ?? checksum) !== checksum) throw new MigrationMismatch(name);
    }
    const missing = all.filter(({ name }) => !done.has(name));
    const unknown = [...done.keys()].find((each) => !all.some(({ name }) => name === each));
    if (missing[0] && unknown !== undefined) throw new MigrationsUnknown(missing[0].name, unknown);
    for (const { name, sql, checksum } of missing) await apply(client, name, sql, checksum);
    return missing.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

async function applied(client: pg.Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; checksum: string }>(APPLIED);
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

async function shipped(directory: string) {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: sha256Hex(sql) };
    }),
  );
}

async function apply(client: pg.Client, name: string, sql: string, checksum: string): Promise<void> {
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query(
      'insert into _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) values ($1, $2, now(), $3, now(), 1)',
      [randomUUID(), checksum, name],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
