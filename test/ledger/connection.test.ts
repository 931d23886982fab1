import { setTimeout as sleep } from 'node:timers/promises';
import { LedgerConflict } from '../../src/ledger/connection.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { startPgProxy } from '../support/pg-proxy.ts';
import type { PgProxy } from '../support/pg-proxy.ts';
import { until } from '../support/waiting.ts';
import { ids, makeWorld } from './world.ts';
import type { World } from './world.ts';

/** What a broker sees of a ledger that is away, slow or comes back. */
let world: World;
let proxy: PgProxy;
let ledger: Ledger;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  proxy = await startPgProxy(world.database.brokerUrl);
  ledger = makeLedger({ url: proxy.url, poolSize: 12, timeoutMs: 1_000 });
});
afterEach(async () => {
  await ledger.close();
  proxy.close();
});

const away = { name: 'Fault', code: 'ledger_unavailable' };
/** One call of every kind: a transition, a read, a claim, a row by Prisma. */
const CALLS: readonly { readonly name: string; readonly call: () => Promise<unknown> }[] = [
  { name: 'schema', call: () => ledger.schema() },
  { name: 'openGrant', call: () => ledger.issuing.openGrant(world.opening()) },
  {
    name: 'recordDecision',
    call: () => ledger.issuing.recordDecision(world.decision({ outcome: 'deny', code: 'policy_denied' })),
  },
  { name: 'claim', call: () => ledger.reaping.claim({ provider: 'p', owner: 'me', limit: 1, lease_seconds: 30 }) },
  { name: 'advanceDue', call: () => ledger.reaping.advanceDue(10) },
  { name: 'activeNumber', call: () => ledger.generations.activeNumber() },
  { name: 'mintIsActive', call: () => ledger.grants.mintIsActive(ids.mint()) },
  { name: 'find', call: () => ledger.grants.find(ids.grant()) },
  { name: 'list', call: () => ledger.grants.list({}, 1) },
  { name: 'progress', call: () => ledger.orders.progress(ids.order()) },
];

const FAULTS: readonly { readonly name: string; readonly begin: () => void }[] = [
  {
    name: 'nobody listens',
    begin: () => {
      proxy.refuse();
      proxy.drop();
    },
  },
  { name: 'nobody answers', begin: () => proxy.silence() },
];

test.each(FAULTS)('$name: every call says that the ledger is away, and works again by itself', async ({ begin }) => {
  for (const { call } of CALLS) await call();
  begin();
  const errors = await Promise.all(
    CALLS.map(async ({ name, call }) => ({ name, error: await call().catch((caught: unknown) => caught) })),
  );
  for (const { name, error } of errors) expect({ name, error }).toMatchObject({ name, error: away });
  await proxy.resume();
  for (const { call } of CALLS) await call();
});

test('connections that are cut while idle are replaced, and told of', async () => {
  const told: unknown[] = [];
  const watched = makeLedger({
    url: proxy.url,
    poolSize: 2,
    timeoutMs: 2_000,
    onIdleError: (error) => told.push(error),
  });
  await Promise.all([watched.schema(), watched.schema()]);
  proxy.drop();
  await until(() => told.length === 2);
  await watched.schema();
  await watched.close();
});

test('a statement that hangs in the database is given up there too', async () => {
  const holder = await world.database.pool.connect();
  await holder.query('begin');
  await holder.query('lock table grants in access exclusive mode');
  await expect(ledger.issuing.openGrant(world.opening())).rejects.toMatchObject(away);
  await until(
    async () =>
      (await holder.query(`select 1 from pg_locks where relation = 'grants'::regclass and not granted`)).rows.length ===
      0,
  );
  await holder.query('rollback');
  holder.release();
});

test('an answer that was lost after the commit: the intent stands, and its deadline ends it', async () => {
  const opening = world.opening();
  const answer = proxy.hold({ from: 'backend', match: ({ type, sql }) => type === 'D' && sql.includes('open_grant') });
  const opened = ledger.issuing.openGrant(opening).catch((error: unknown) => error);
  await answer.reached;
  answer.drop();
  expect(await opened).toMatchObject(away);
  await until(async () => (await world.sql('select 1 from grants where id = $1', [opening.grant.id])).length === 1);
  await world.age(opening.grant.id, 16);
  await world.ledger.reaping.advanceDue(10);
  expect(await world.grant(opening.grant.id)).toMatchObject({ state: 'ending', why: 'abandoned' });
});

test('what the ledger refuses by its constraints is no outage', async () => {
  const opening = world.opening();
  await world.ledger.issuing.openGrant(opening);
  await expect(world.ledger.issuing.openGrant(opening)).rejects.toBeInstanceOf(LedgerConflict);
});

describe('the database’s clock', () => {
  test.each([
    { name: 'ahead', offset: 5_000 },
    { name: 'behind', offset: -5_000 },
    { name: 'right', offset: 0 },
  ])('a process $name is corrected to it', async ({ offset }) => {
    const clock = await world.ledger.startClock(() => Date.now() + offset);
    expect(Math.abs(clock.offsetMs() - offset)).toBeLessThan(500);
    expect(Math.abs(clock.now().getTime() - Date.now())).toBeLessThan(500);
    clock.close();
  });

  test('a measurement that fails keeps the last one', async () => {
    let ahead = 5_000;
    const clock = await ledger.startClock(() => Date.now() + ahead);
    proxy.refuse();
    proxy.drop();
    ahead = 0;
    await expect(clock.measure()).rejects.toMatchObject(away);
    expect(Math.abs(clock.offsetMs() - 5_000)).toBeLessThan(500);
    await proxy.resume();
    await clock.measure();
    expect(Math.abs(clock.offsetMs())).toBeLessThan(500);
    clock.close();
  });

  test('a ledger that is away at the start is said', async () => {
    proxy.refuse();
    proxy.drop();
    await expect(ledger.startClock(() => Date.now())).rejects.toMatchObject(away);
    await proxy.resume();
  });
});

describe('notices', () => {
  test('of orders and generations, once they are committed, and again after the connection was cut', async () => {
    let told = 0;
    const notices = ledger.listen(() => (told += 1));
    await until(() => told === 1); // whatever came before it listened
    await world.order({ kind: 'agent', value: 'nobody' });
    await until(() => told === 2);
    await world.activateRules();
    await until(() => told === 3);
    proxy.drop();
    await until(() => told === 4); // and whatever came meanwhile
    await world.order({ kind: 'agent', value: 'nobody' });
    await until(() => told === 5);
    await notices.close();
    await world.order({ kind: 'agent', value: 'nobody' });
    await sleep(50);
    expect(told).toBe(5);
  });

  test('a ledger that is away is tried again, and closing does not wait for it', async () => {
    proxy.refuse();
    proxy.drop();
    let told = 0;
    const notices = ledger.listen(() => (told += 1));
    const hopeless = ledger.listen(() => (told += 1));
    await sleep(50);
    await hopeless.close();
    await proxy.resume();
    await until(() => told === 1);
    await notices.close();
  });
});

test('which server and database this is: told to whoever may ask', async () => {
  const superuser = makeLedger({ url: world.database.url, poolSize: 1 });
  expect(await superuser.place()).toEqual({
    systemIdentifier: expect.stringMatching(/^\d+$/),
    database: world.database.name,
  });
  await superuser.close();
  proxy.refuse();
  proxy.drop();
  expect(await ledger.place()).toBeUndefined();
  await proxy.resume();
});
