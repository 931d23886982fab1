import type { GrantFilter } from '../../src/ledger/index.ts';
import { makeWorld, SHAPE } from './world.ts';
import type { World } from './world.ts';

/** What is read of grants. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
beforeEach(() => world.sql('truncate grants cascade'));

test('pages, newest first, lose and repeat nothing, also of grants opened within one millisecond', async () => {
  for (let n = 0; n < 11; n++) await world.live();
  await world.sql(
    `update grants set opened_at = timestamptz '2026-11-23 12:00:00.123' + (random() * 900)::integer * interval '1 microsecond'`,
  );
  const want = await world.sql<{ id: string }>('select id from grants order by opened_at desc, id');
  const seen: string[] = [];
  for (;;) {
    const page = await world.ledger.grants.list({}, 3, seen.at(-1));
    if (page.length === 0) break;
    seen.push(...page.map(({ id }) => id));
  }
  expect(seen).toEqual(want.map(({ id }) => id));
});

test.each([
  { name: 'none', filter: {}, want: 3 },
  { name: 'state', filter: { state: 'issuing' }, want: 1 },
  { name: 'agent', filter: { agent: 'x' }, want: 1 },
  { name: 'profile', filter: { profile: 'x' }, want: 1 },
  { name: 'owner', filter: { owner: 'x' }, want: 1 },
  { name: 'environment', filter: { environment: 'x' }, want: 1 },
  { name: 'provider', filter: { provider: 'x' }, want: 1 },
  { name: 'two of them', filter: { provider: 'x', state: 'issuing' }, want: 0 },
] satisfies { name: string; filter: GrantFilter; want: number }[])('listed by $name', async ({ filter, want }) => {
  await world.live({ subject: 'x', profile: 'x', owner: 'x', environment: 'x', provider: 'x' });
  await world.live();
  await world.open();
  expect(await world.ledger.grants.list(filter, 10)).toHaveLength(want);
});

test('listed by task', async () => {
  const [one] = [await world.live(), await world.live()];
  expect((await world.ledger.grants.list({ task: one.task }, 10)).map(({ id }) => id)).toEqual([one.grant]);
});

test('a grant with its decision and its mints, oldest first', async () => {
  const opened = await world.live();
  const renewal = await world.renew(opened);
  const view = await world.ledger.grants.find(opened.grant);
  expect(view).toMatchObject({
    id: opened.grant,
    state: 'active',
    subject: SHAPE.subject,
    parameters: { month: '2026-11' },
    decision: { policies: ['agents-read'], outcome: 'allow' },
    mints: [
      { id: opened.mint, kind: 'first' },
      { id: renewal.mint, kind: 'renewal' },
    ],
  });
  expect(await world.ledger.grants.find('g000000000000' as typeof opened.grant)).toBeNull();
});

test('whose a mint is', async () => {
  const { grant, mint } = await world.live();
  expect(await world.ledger.grants.ofMint(mint)).toEqual({
    ...{ grant, trust: SHAPE.trust, subject: SHAPE.subject },
  });
  expect(await world.ledger.grants.ofMint('m000000000000000000000' as typeof mint)).toBeUndefined();
});

test('live grants of one workload: all that may still live, and no more than asked for', async () => {
  const { trust, subject } = SHAPE;
  const closed = await world.live();
  await world.revoke(closed);
  const { mint, epoch } = await world.claim(closed);
  await world.ledger.reaping.close(mint, epoch, 'ended', false);
  await world.live();
  await world.open();
  await world.revoke(await world.live());
  await world.live({ subject: 'another' });
  await world.live({ trust: 'another' });
  expect(await world.ledger.grants.liveCount(trust, subject, 10)).toBe(3);
  expect(await world.ledger.grants.liveCount(trust, subject, 2)).toBe(2);
  expect(await world.ledger.grants.countByState()).toEqual({ active: 3, issuing: 1, ending: 1 });
});
