import { createHash } from 'node:crypto';
import pg from 'pg';
import { makeLedger } from '../../src/ledger/index.ts';
import { until } from '../support/waiting.ts';
import { makeWorld, OPERATOR } from './world.ts';
import type { World } from './world.ts';

/** One numbered set of rules decides for every replica, and one that has not loaded it decides nothing. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const activation = (body: string, base: number | null) => ({
  hash: createHash('sha256').update(body).digest('hex'),
  body,
  author: OPERATOR,
  difference: { added: ['profiles/a.yaml'] },
  base,
  origin: '192.0.2.9',
});
const behind = { name: 'Fault', code: 'generation_behind' };

test('each is one more than the last, and its text can be read again by every replica', async () => {
  const base = world.generation();
  await world.activateRules('permit nothing');
  expect(world.generation()).toBe(base + 1);
  const replica = makeLedger({ url: world.database.brokerUrl, poolSize: 1 });
  expect(await replica.generations.activeNumber()).toBe(base + 1);
  expect(await replica.generations.active()).toEqual({
    number: base + 1,
    hash: createHash('sha256').update('permit nothing').digest('hex'),
    body: 'permit nothing',
  });
  await replica.close();
});

test('an empty ledger has none, and refuses to decide', async () => {
  const empty = await makeWorld();
  await empty.sql('truncate generations cascade');
  expect(await empty.ledger.generations.activeNumber()).toBeUndefined();
  expect(await empty.ledger.generations.active()).toBeUndefined();
  await expect(empty.open()).rejects.toMatchObject(behind);
  expect(await empty.ledger.generations.activate(activation('first', null))).toMatchObject({
    number: 1,
    unchanged: false,
  });
  await expect(empty.ledger.generations.activate(activation('second', null))).rejects.toMatchObject(behind);
  await empty.close();
});

test('the same again changes nothing and writes nothing', async () => {
  await world.activateRules('same');
  const before = await world.sql('select count(*) from events');
  const again = await world.ledger.generations.activate(activation('same', world.generation()));
  expect(again).toMatchObject({ number: world.generation(), unchanged: true, activatedAt: expect.any(Date) });
  expect(await world.sql('select count(*) from events')).toEqual(before);
});

test('going back to an earlier text is a new generation of that text', async () => {
  await world.activateRules('earlier');
  await world.activateRules('later');
  const number = await world.activateRules('earlier');
  expect(await world.ledger.generations.active()).toMatchObject({ number, body: 'earlier' });
  expect(await world.sql(`select 1 from rule_texts where body = 'earlier'`)).toHaveLength(1);
});

test('of many activated against one base, one is', async () => {
  const base = world.generation();
  const raced = await Promise.allSettled(
    Array.from({ length: 8 }, (_, n) => world.ledger.generations.activate(activation(`race ${n}`, base))),
  );
  expect(raced.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const lost of raced.filter((each) => each.status === 'rejected')) expect(lost.reason).toMatchObject(behind);
  expect(await world.ledger.generations.activeNumber()).toBe(base + 1);
  await world.activateRules();
});

test('its event says who, what and the difference', async () => {
  const number = await world.activateRules('with an event');
  const [row] = await world.sql<{ body: string }>(
    `select body from events where type = 'generation.activated' order by seq desc limit 1`,
  );
  const hash = createHash('sha256').update('with an event').digest('hex');
  expect(JSON.parse(row?.body ?? '')).toMatchObject({
    actor: OPERATOR,
    resource: hash,
    success: true,
    facts: { number, hash, difference: {} },
  });
});

describe('a replica behind', () => {
  test.each([
    { name: 'opens nothing', call: () => world.ledger.issuing.openGrant(world.opening()) },
    {
      name: 'records no decision',
      call: () => world.ledger.issuing.recordDecision(world.decision({ outcome: 'deny', code: 'policy_denied' })),
    },
    {
      name: 'renews nothing',
      call: async () => {
        const opening = world.openingMint(await live, 'renewal');
        return world.ledger.issuing.openMint({
          ...opening,
          decision: { ...opening.decision, generation: world.generation() - 1 },
        });
      },
    },
  ])('$name', async ({ call }) => {
    const replica = world.generation();
    await world.ledger.generations.activate(activation(`ahead of ${replica} ${Math.random()}`, replica));
    await expect(call()).rejects.toMatchObject(behind);
    await world.activateRules();
  });
  let live: ReturnType<World['live']>;
  beforeAll(() => {
    live = world.live();
  });

  test('a generation in the making is waited for', async () => {
    const other = new pg.Client({ connectionString: world.database.brokerUrl });
    await other.connect();
    await other.query('begin');
    await other.query('select activate_generation($1)', [
      JSON.stringify(activation('in the making', world.generation())),
    ]);
    const opened = world.ledger.issuing.openGrant(world.opening()).catch((error: unknown) => error);
    await until(
      async () => (await world.sql(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length > 0,
    );
    await other.query('commit');
    await other.end();
    expect(await opened).toMatchObject(behind);
    await world.activateRules();
  });
});

test('what was decided under an older generation may still be activated: the decision was made', async () => {
  const grant = await world.open();
  await world.activateRules();
  await world.activate(grant);
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'active' });
});
