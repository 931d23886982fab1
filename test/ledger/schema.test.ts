import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, SCHEMA_RANGE } from '../../src/ledger/migrate.ts';
import { readSchema } from '../../src/ledger/schema.ts';
import { migrationsDirectory } from '../../src/migrations.ts';
import { mustFit } from '../../src/schema-fit.ts';
import { makeDatabase, type TestDatabase } from '../support/database.ts';
import { randomName } from '../support/names.ts';
import { testServers } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';

/** Two versions and one ledger: this one, and what the next one's `writ migrate` leaves behind. */
const THIS = SCHEMA_RANGE.newest;
const EXPAND = '20990101000001_expand';
const CONTRACT = '20990101000002_contract';
const NEXT = { oldest: EXPAND, newest: CONTRACT };

let scratch: string;
let database: TestDatabase;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'writ-schema-'));
});
afterAll(() => rm(scratch, { recursive: true }));
beforeEach(async () => {
  database = await makeDatabase();
});
afterEach(() => database.drop());

const says = (migration: string, since: string) =>
  `insert into works_with (migration, since) values ('${migration}', '${since}')`;

/** As the next version's `writ migrate`: what this one ships, and these. */
async function migrateNext(migrations: Readonly<Record<string, string>>): Promise<string[]> {
  const directory = await mkdtemp(join(scratch, 'd-'));
  await cp(migrationsDirectory, directory, { recursive: true });
  for (const [name, sql] of Object.entries(migrations)) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, 'migration.sql'), sql);
  }
  return migrate(database.url, directory);
}

const ADD = 'alter table tasks add column new text';

test.each([
  { name: 'it says so of this version', next: { [EXPAND]: `${ADD}; ${says(EXPAND, THIS)}` } },
  { name: 'it says so of the one before, too', next: { [EXPAND]: `${ADD}; ${says(EXPAND, SCHEMA_RANGE.oldest)}` } },
  { name: 'each of two says so', next: { [EXPAND]: says(EXPAND, THIS), [CONTRACT]: says(CONTRACT, THIS) } },
  { name: 'it says nothing', next: { [EXPAND]: ADD }, because: EXPAND },
  { name: 'it says so of itself alone', next: { [EXPAND]: says(EXPAND, EXPAND) }, because: EXPAND },
  {
    name: 'the first of two says nothing',
    next: { [EXPAND]: ADD, [CONTRACT]: says(CONTRACT, THIS) },
    because: EXPAND,
  },
  {
    name: 'the second says it of the first alone',
    next: { [EXPAND]: says(EXPAND, THIS), [CONTRACT]: says(CONTRACT, EXPAND) },
    because: CONTRACT,
  },
  {
    name: 'the second takes back what the first says',
    next: { [EXPAND]: says(EXPAND, THIS), [CONTRACT]: `delete from works_with; ${says(CONTRACT, THIS)}` },
    because: EXPAND,
  },
  {
    name: 'nothing can say anything any more',
    next: { [EXPAND]: `${says(EXPAND, THIS)}; drop table works_with` },
    because: EXPAND,
  },
])(
  'this version on a newer schema: $name',
  async ({ next, because }: { next: Record<string, string>; because?: string }) => {
    expect(await migrateNext(next)).toEqual(Object.keys(next));
    const newest = Object.keys(next).at(-1) ?? '';
    // with the rights of a broker, which has no others
    const fit = await readSchema(database.brokerUrl, SCHEMA_RANGE);
    expect(fit).toEqual(because === undefined ? { newest } : { newest, unfit: 'newer', because });
    const start = mustFit(database.brokerUrl);
    if (because === undefined) expect(await start).toBe(newest);
    else {
      const error = await start.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'StartError', message: expect.stringContaining(because) });
      expect((error as Error).message).toContain(THIS);
      expect((error as Error).message).toContain(newest);
    }
    // its own `migrate` leaves alone what it does not know
    expect(await migrate(database.url, migrationsDirectory)).toEqual([]);
    expect((await readSchema(database.url, SCHEMA_RANGE)).newest).toBe(newest);
  },
);

test('the next version on the schema of this one, and once it has been migrated', async () => {
  expect(await readSchema(database.brokerUrl, NEXT)).toEqual({ newest: THIS, unfit: 'older' });
  await expect(mustFit(database.brokerUrl, NEXT)).rejects.toMatchObject({
    name: 'StartError',
    message: expect.stringMatching(new RegExp(`${THIS}.*writ migrate`)),
  });
  await migrateNext({ [EXPAND]: ADD });
  expect(await mustFit(database.brokerUrl, NEXT)).toBe(EXPAND);
});

test('what Prisma left unfinished is no newer schema', async () => {
  await database.pool.query(
    `insert into _prisma_migrations (id, checksum, migration_name) values ('a', 'x', '${EXPAND}')`,
  );
  expect(await readSchema(database.brokerUrl, SCHEMA_RANGE)).toEqual({ newest: THIS });
});

test.each(['', 'any', '0', '20990101000003_later'])(
  '%p is no version to work with, and nothing is applied',
  async (since) => {
    await expect(migrateNext({ [EXPAND]: `${ADD}; ${says(EXPAND, since)}` })).rejects.toMatchObject({ code: '23514' });
    expect(await readSchema(database.brokerUrl, SCHEMA_RANGE)).toEqual({ newest: THIS });
  },
);

test('a ledger without a schema, and one that is not there', async () => {
  const name = randomName('schema');
  const url = urlFor(testServers().ledger, { database: name });
  await expect(mustFit(url)).rejects.toMatchObject({ name: 'StartError', message: expect.stringContaining('3D000') });
  await runSql(testServers().ledger, `CREATE DATABASE ${name}`);
  try {
    await expect(mustFit(url)).rejects.toMatchObject({
      name: 'StartError',
      message: expect.stringContaining('writ migrate'),
    });
  } finally {
    await runSql(testServers().ledger, `DROP DATABASE ${name} WITH (FORCE)`);
  }
});
