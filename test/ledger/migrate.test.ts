import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate, SCHEMA_RANGE } from '../../src/ledger/migrate.ts';
import { readSchema } from '../../src/ledger/schema.ts';
import { migrationsDirectory } from '../../src/migrations.ts';
import { randomName } from '../support/names.ts';
import { startOwnServer, testServers } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';

const SHIPPED = (await readdir(migrationsDirectory)).sort();
const schemaVersion = async (url: string) => (await readSchema(url, SCHEMA_RANGE)).newest;
const databases: string[] = [];
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'writ-migrations-'));
});
afterAll(async () => {
  await rm(scratch, { recursive: true });
  await runSql(testServers().ledger, ...databases.map((name) => `DROP DATABASE ${name} WITH (FORCE)`));
});

async function emptyDatabase(server = testServers().ledger): Promise<string> {
  const name = randomName('migrate');
  await runSql(server, `CREATE DATABASE ${name}`);
  if (server === testServers().ledger) databases.push(name);
  return urlFor(server, { database: name });
}

async function rows<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A directory of migrations of one's own: name to SQL, the shipped ones beside them where asked for. */
async function directory(sql: Readonly<Record<string, string>>, shipped = false): Promise<string> {
  const path = await mkdtemp(join(scratch, 'd-'));
  if (shipped) await cp(migrationsDirectory, path, { recursive: true });
  for (const [name, text] of Object.entries(sql)) {
    await mkdir(join(path, name), { recursive: true });
    await writeFile(join(path, name, 'migration.sql'), text);
  }
  return path;
}

const tables = async (url: string) =>
  (
    await rows<{ name: string }>(
      url,
      `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`,
    )
  )
    .map(({ name }) => name)
    .filter((name) => name !== '_prisma_migrations');

test('brings an empty database up to date, and says so in Prisma’s own book', async () => {
  const url = await emptyDatabase();
  expect(await schemaVersion(url)).toBeUndefined();
  expect(await migrate(url, migrationsDirectory)).toEqual(SHIPPED);

  const book = await rows(url, 'select * from _prisma_migrations order by migration_name');
  const want = await Promise.all(
    SHIPPED.map(async (name) => ({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      checksum: createHash('sha256')
        .update(await readFile(join(migrationsDirectory, name, 'migration.sql')))
        .digest('hex'),
      finished_at: expect.any(Date),
      migration_name: name,
      logs: null,
      rolled_back_at: null,
      started_at: expect.any(Date),
      applied_steps_count: 1,
    })),
  );
  expect(book).toEqual(want);
  // schema-engine's own CREATE TABLE (prisma-engines, sql-schema-connector, flavour/postgres)
  const columns = await rows<{ line: string }>(
    url,
    `select attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end || coalesce(' ' || pg_get_expr(adbin, adrelid), '') as line
      from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum where attrelid = '_prisma_migrations'::regclass and attnum > 0 order by attnum`,
  );
  expect(columns.map(({ line }) => line)).toEqual([
    'id character varying(36) not null',
    'checksum character varying(64) not null',
    'finished_at timestamp with time zone',
    'migration_name character varying(255) not null',
    'logs text',
    'rolled_back_at timestamp with time zone',
    'started_at timestamp with time zone not null now()',
    'applied_steps_count integer not null 0',
  ]);
  expect(await schemaVersion(url)).toBe(SHIPPED.at(-1));
});

test('twice is a no-op', async () => {
  const url = await emptyDatabase();
  await migrate(url, migrationsDirectory);
  const before = await rows(url, 'select * from _prisma_migrations order by 1');
  expect(await migrate(url, migrationsDirectory)).toEqual([]);
  expect(await rows(url, 'select * from _prisma_migrations order by 1')).toEqual(before);
});

test('several at once: each migration is applied once', async () => {
  const url = await emptyDatabase();
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(url, migrationsDirectory)));
  expect(applied.flat().sort()).toEqual(SHIPPED);
});

test('several databases of a new server at once: the role that they share is made once', async () => {
  const server = await startOwnServer();
  try {
    const urls: string[] = [];
    for (let n = 0; n < 3; n++) urls.push(await emptyDatabase(server.url.reveal()));
    const applied = await Promise.all(urls.map((url) => migrate(url, migrationsDirectory)));
    expect(applied).toEqual(urls.map(() => SHIPPED));
  } finally {
    await server.stop();
  }
});

test('only what is not applied yet is, in the order of the names', async () => {
  const url = await emptyDatabase();
  await migrate(url, await directory({ '1_one': 'create table one ()' }));
  const more = {
    '1_one': 'create table one ()',
    '3_three': 'create table three (x two)',
    '2_two': 'create domain two as int',
  };
  expect(await migrate(url, await directory(more))).toEqual(['2_two', '3_three']);
  expect(await schemaVersion(url)).toBe('3_three');
});

test('a text that was changed after it was applied: refused, and nothing else is applied either', async () => {
  const url = await emptyDatabase();
  await migrate(url, await directory({ '5_old': 'create table old ()' }));
  const changed = await directory({
    '1_new': 'create table new ()',
    '5_old': 'create table old (); ',
    '9_new': 'create table newer ()',
  });
  await expect(migrate(url, changed)).rejects.toMatchObject({
    name: 'MigrationMismatch',
    message: expect.stringContaining('5_old'),
  });
  expect(await tables(url)).toEqual(['old']);
  expect(
    await migrate(url, await directory({ '5_old': 'create table old ()', '9_new': 'create table newer ()' })),
  ).toEqual(['9_new']);
});

test('one that fails leaves nothing of itself behind, keeps what came before it, and can be tried again', async () => {
  const url = await emptyDatabase();
  const failing = {
    '1_one': 'create table one ()',
    '2_two': 'create table two (); select 1 / 0; create table three ()',
  };
  await expect(migrate(url, await directory(failing))).rejects.toMatchObject({ code: '22012' });
  expect(await tables(url)).toEqual(['one']);
  expect(await schemaVersion(url)).toBe('1_one');
  expect(await migrate(url, await directory({ ...failing, '2_two': 'create table two ()' }))).toEqual(['2_two']);
});

test('one that cannot be put into the book did not happen', async () => {
  const url = await emptyDatabase();
  const unbookable = `create table one (); alter table _prisma_migrations add check (migration_name <> '1_one')`;
  await expect(migrate(url, await directory({ '1_one': unbookable }))).rejects.toMatchObject({ code: '23514' });
  expect(await tables(url)).toEqual([]);
  expect(await migrate(url, await directory({ '1_one': 'create table one ()' }))).toEqual(['1_one']);
});

test('a database that is ahead is left as it is', async () => {
  const url = await emptyDatabase();
  await migrate(url, await directory({ '99999999999999_future': 'create table future ()' }, true));
  expect(await migrate(url, migrationsDirectory)).toEqual([]);
  expect(await schemaVersion(url)).toBe('99999999999999_future');
});

test('nothing is applied beside what this version does not know', async () => {
  const url = await emptyDatabase();
  const known = { '1_one': 'create table one ()', '3_three': 'create table three ()' };
  await migrate(url, await directory({ ...known, '4_future': 'create table future ()' }));
  const forked = await directory({ ...known, '2_two': 'create table two ()' });
  await expect(migrate(url, forked)).rejects.toMatchObject({
    name: 'MigrationsUnknown',
    message: expect.stringMatching(/2_two.* 4_future/),
  });
  expect(await tables(url)).toEqual(['future', 'one', 'three']);
  expect(await migrate(url, await directory(known))).toEqual([]);
});

test('what Prisma left unfinished or rolled back does not count as applied', async () => {
  const url = await emptyDatabase();
  await migrate(url, await directory({ '1_one': 'create table one ()' }));
  await rows(url, `insert into _prisma_migrations (id, checksum, migration_name) values ('a', 'x', '2_two')`);
  await rows(
    url,
    `insert into _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at) values ('b', 'x', '2_two', now(), now())`,
  );
  expect(await schemaVersion(url)).toBe('1_one');
  expect(
    await migrate(url, await directory({ '1_one': 'create table one ()', '2_two': 'create table two ()' })),
  ).toEqual(['2_two']);
});

test('every migration since says which versions it leaves working', async () => {
  const url = await emptyDatabase();
  await migrate(url, migrationsDirectory);
  const said = await rows<{ migration: string; since: string }>(url, 'select * from works_with order by migration');
  const first = SHIPPED.findIndex((name) => name.endsWith('_works_with'));
  expect(said.map(({ migration }) => migration)).toEqual(SHIPPED.slice(first));
  for (const { migration, since } of said) expect([migration, SHIPPED.includes(since)]).toEqual([migration, true]);
});

test('the range that this version knows ends with what it ships', () => {
  expect(SCHEMA_RANGE.newest).toBe(SHIPPED.at(-1));
  expect(SHIPPED).toContain(SCHEMA_RANGE.oldest);
});
