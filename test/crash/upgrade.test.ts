import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, SCHEMA_RANGE } from '../../src/ledger/migrate.ts';
import { migrationsDirectory } from '../../src/migrations.ts';
import { runWrit } from '../support/broker-process.ts';
import { makeWorld, type Replica, type World } from './world.ts';

/** The way of an upgrade: the next version's `writ migrate` comes first, and until they are replaced the replicas of this one go on. */
const EXPAND = '20990101000001_expand';
const CONTRACT = '20990101000002_contract';

let world: World;
let scratch: string;
let replica: Replica;
let url: string;
beforeAll(async () => {
  world = await makeWorld();
  url = world.ledger.options.connectionString ?? '';
  scratch = await mkdtemp(join(tmpdir(), 'writ-upgrade-'));
  await cp(migrationsDirectory, scratch, { recursive: true });
  replica = await world.start('direct');
});
afterAll(async () => {
  await world.close();
  await rm(scratch, { recursive: true });
});

async function migrateNext(name: string, sql: string): Promise<void> {
  await mkdir(join(scratch, name));
  await writeFile(join(scratch, name, 'migration.sql'), sql);
  expect(await migrate(url, scratch)).toEqual([name]);
}

async function schemaOf(broker: Replica): Promise<unknown> {
  const answer = await fetch(`${broker.url}/readyz`);
  const { checks } = (await answer.json()) as { checks: { schema: unknown } };
  return { status: answer.status, schema: checks.schema };
}

test('a migration that leaves this version working: its replicas go on, and one that crashes starts again', async () => {
  await migrateNext(
    EXPAND,
    `alter table tasks add column new text; insert into works_with values ('${EXPAND}', '${SCHEMA_RANGE.newest}')`,
  );
  expect(await schemaOf(replica)).toEqual({ status: 200, schema: { ok: true, newest: EXPAND } });
  await world.crash(replica);
  replica = await world.start('direct');
  expect(await world.works(await world.issue(replica))).toBe(true);
  expect(await schemaOf(replica)).toEqual({ status: 200, schema: { ok: true, newest: EXPAND } });
  expect(await runWrit(['migrate'], { DATABASE_URL: url })).toEqual([
    `the ledger is ahead of this version, which works with it: ${EXPAND}`,
  ]);
});

test('one that does not: they are not ready any more, none starts, and `writ migrate` says so too', async () => {
  await migrateNext(CONTRACT, 'alter table tasks drop column new');
  expect(await schemaOf(replica)).toEqual({
    status: 503,
    schema: { ok: false, newest: CONTRACT, unfit: 'newer', because: CONTRACT },
  });
  const sentence = new RegExp(
    `writ: the ledger's schema is newer .*${CONTRACT}.*${SCHEMA_RANGE.newest}.*start a newer version`,
  );
  await expect(world.start('direct')).rejects.toThrow(sentence);
  await expect(runWrit(['migrate'], { DATABASE_URL: url })).rejects.toThrow(sentence);
});
