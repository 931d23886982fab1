import pg from 'pg';
import { makeWorld } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** What ends because its time has come; time is moved by moving the rows. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

const advance = (batch = 500) => world.ledger.reaping.advanceDue(batch);
const mintStates = async ({ grant }: OpenedGrant) =>
  (await world.sql<{ state: string }>('select state from mints where grant_id = $1 order by opened_at', [grant])).map(
    ({ state }) => state,
  );

test('nothing is due: nothing happens', async () => {
  await world.live();
  await world.open();
  expect(await advance()).toBe(0);
});

test.each([
  { name: 'a second early', seconds: 599, state: 'active', why: null, active: true },
  { name: 'at its end', seconds: 600, state: 'ending', why: 'expiry', active: false },
])('a grant $name: $state', async ({ seconds, state, why, active }) => {
  const grant = await world.live();
  await world.age(grant.grant, seconds);
  expect(await world.ledger.grants.mintIsActive(grant.mint)).toBe(active); // before anybody has looked round
  await advance();
  expect(await world.grant(grant.grant)).toMatchObject({ state, why });
});

test.each([
  { name: 'before its deadline', seconds: 14, state: 'issuing', why: null },
  { name: 'past its deadline', seconds: 15, state: 'ending', why: 'abandoned' },
])('an intent $name: $state', async ({ seconds, state, why }) => {
  const grant = await world.open();
  await world.age(grant.grant, seconds);
  await advance();
  expect(await world.grant(grant.grant)).toMatchObject({ state, why });
});

test('a renewal’s intent past its deadline: it is ended, and the grant goes on', async () => {
  const grant = await world.live({ ttlSeconds: 3600 });
  const opening = world.openingMint(grant, 'renewal', 3600);
  await world.ledger.issuing.openMint(opening);
  await world.age(grant.grant, 15);
  expect(await advance()).toBe(1);
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'active' });
  expect(await mintStates(grant)).toEqual(['live', 'ending']);
  expect(await world.claim(grant)).toMatchObject({ mint: opening.mint.id, why: 'expiry' });
});

test('a mint that its renewal outlives ends by itself, at its own end', async () => {
  const grant = await world.live({ ttlSeconds: 300 });
  const renewal = await world.renew(grant, 'renewal', 900);
  expect((await world.grant(grant.grant)).expires_at).toEqual((await world.mint(renewal.mint)).ends_at);
  expect([
    await world.ledger.grants.mintIsActive(grant.mint),
    await world.ledger.grants.mintIsActive(renewal.mint),
  ]).toEqual([true, true]);
  await world.age(grant.grant, 300);
  expect([
    await world.ledger.grants.mintIsActive(grant.mint),
    await world.ledger.grants.mintIsActive(renewal.mint),
  ]).toEqual([false, true]);
  expect(await advance()).toBe(1);
  expect(await mintStates(grant)).toEqual(['ending', 'live']);
  const { mint, epoch } = await world.claim(grant);
  await world.ledger.reaping.close(mint, epoch, 'ended', false);
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'active' });
  await world.age(grant.grant, 600);
  await advance();
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'ending', why: 'expiry' });
});

test('a renewal of a shorter life than what is left takes nothing away', async () => {
  const grant = await world.live({ ttlSeconds: 900 });
  const { expires_at } = await world.grant(grant.grant);
  await world.renew(grant, 'renewal', 60);
  expect((await world.grant(grant.grant)).expires_at).toEqual(expires_at);
});

test('a grant past its end takes its renewal’s intent along', async () => {
  const grant = await world.live({ ttlSeconds: 10 });
  await world.ledger.issuing.openMint(world.openingMint(grant, 'renewal'));
  await world.age(grant.grant, 11);
  await advance();
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'ending', why: 'expiry' });
  expect(await mintStates(grant)).toEqual(['ending', 'ending']);
});

test('a grant closes only when its last mint has', async () => {
  const grant = await world.live();
  await world.renew(grant);
  await world.age(grant.grant, 1_000);
  await advance();
  const claims = await world.ledger.reaping.claim({ grant: grant.grant, owner: 'me', limit: 9, lease_seconds: 30 });
  const states: string[] = [];
  for (const { mint, epoch } of claims) {
    await world.ledger.reaping.close(mint, epoch, 'ended', false);
    states.push((await world.grant(grant.grant)).state);
  }
  expect(states).toEqual(['ending', 'expired']);
});

test('one mint that could not be taken back makes it expired, whatever the others were', async () => {
  const grant = await world.live();
  await world.renew(grant);
  await world.revoke(grant);
  const claims = await world.ledger.reaping.claim({ grant: grant.grant, owner: 'me', limit: 9, lease_seconds: 30 });
  for (const [n, { mint, epoch }] of claims.entries()) {
    await world.ledger.reaping.close(mint, epoch, n === 0 ? 'lapsed' : 'ended', false);
  }
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'expired', why: 'revocation' });
});

test('in batches, the longest due first', async () => {
  const grants: OpenedGrant[] = [];
  for (let n = 0; n < 5; n++) {
    const grant = await world.live();
    await world.age(grant.grant, 650 - n);
    grants.push(grant);
  }
  // so many grants by their own end, and so many by their mints'
  expect(await advance(1)).toBe(2);
  const states = await Promise.all(grants.map(async ({ grant }) => (await world.grant(grant)).state));
  expect(states).toEqual(['ending', 'ending', 'active', 'active', 'active']);
  expect(await advance(1)).toBe(2);
  expect(await advance(1)).toBe(1);
  expect(await advance(1)).toBe(0);
});

test('many replicas at once: each grant ends once, and none waits for what another holds', async () => {
  const grants = await Promise.all(Array.from({ length: 30 }, () => world.live()));
  for (const { grant } of grants) await world.age(grant, 700);
  const holder = new pg.Client({ connectionString: world.database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query('select 1 from grants where id = $1 for update', [grants[0]?.grant]);
  const moved = await Promise.all([1, 2, 3, 4].map(() => advance(10)));
  expect(moved.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(29);
  await holder.query('rollback');
  await holder.end();
  while ((await advance()) > 0);
  for (const { grant } of grants) {
    expect((await world.events(grant)).filter((type) => type === 'grant.ending')).toHaveLength(1);
  }
});

test.each([
  { name: 'active and in time', arrange: () => world.live(), want: true },
  { name: 'not active yet', arrange: () => world.open(), want: false },
  {
    name: 'revoked',
    arrange: async () => {
      const grant = await world.live();
      await world.revoke(grant);
      return grant;
    },
    want: false,
  },
  {
    name: 'unknown',
    arrange: async () => ({ mint: 'm000000000000000000000' as OpenedGrant['mint'] }),
    want: undefined,
  },
])('whether a credential counts: $name', async ({ arrange, want }) => {
  expect(await world.ledger.grants.mintIsActive((await arrange()).mint)).toBe(want);
});
