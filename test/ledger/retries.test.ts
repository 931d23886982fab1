import { LEASE, makeWorld } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

async function ending(): Promise<OpenedGrant> {
  const grant = await world.live();
  await world.revoke(grant);
  return grant;
}
const seconds = (date: Date) => Math.round((date.getTime() - Date.now()) / 1000);

test('a failure: on record, and tried again after the pause and not before', async () => {
  const grant = await ending();
  const { epoch } = await world.claim(grant);
  expect(await world.ledger.reaping.retry(grant.mint, epoch, 'provider_throttled', 20, 8)).toBe(true);
  const mint = await world.mint(grant.mint);
  expect(mint).toMatchObject({ state: 'ending', attempts: 1, last_error: 'provider_throttled', claimed_by: null });
  expect(seconds(mint.due_at)).toBeGreaterThan(15);
  await expect(world.claim(grant)).rejects.toThrow('nothing to claim');
  await world.age(grant.grant, 21);
  expect(await world.claim(grant)).toMatchObject({ attempts: 1 });
});

test('stuck after so many, an alarm once; tried on until it is confirmed', async () => {
  const grant = await ending();
  for (let attempt = 1; attempt <= 5; attempt++) {
    const { epoch, attempts, why } = await world.claim(grant);
    expect({ attempts, why }).toEqual({ attempts: attempt - 1, why: 'revocation' });
    await world.ledger.reaping.retry(grant.mint, epoch, 'provider_unreachable', 60, 3);
    expect((await world.grant(grant.grant)).state).toBe(attempt < 3 ? 'ending' : 'stuck');
    await world.age(grant.grant, 61);
  }
  expect((await world.events(grant.grant)).filter((type) => type === 'grant.stuck')).toHaveLength(1);
  const { epoch } = await world.claim(grant);
  expect(await world.ledger.reaping.close(grant.mint, epoch, 'ended', false)).toBe(true);
  expect(await world.grant(grant.grant)).toMatchObject({ state: 'revoked', why: 'revocation' });
});

test('a mint whose end needs time: deferred until then, which is no failure', async () => {
  const grant = await ending();
  const { epoch } = await world.claim(grant);
  const until = new Date(Date.now() + 40_000);
  expect(await world.ledger.reaping.defer(grant.mint, epoch, until)).toBe(true);
  const mint = await world.mint(grant.mint);
  expect(mint).toMatchObject({ attempts: 0, claimed_by: null, due_at: until });
  await expect(world.claim(grant)).rejects.toThrow('nothing to claim');
  await world.age(grant.grant, 41);
  expect((await world.claim(grant)).epoch).toBe(epoch + 1);
});

test('a deferral into the past is due now', async () => {
  const grant = await ending();
  const { epoch } = await world.claim(grant);
  await world.ledger.reaping.defer(grant.mint, epoch, new Date(0));
  expect((await world.mint(grant.mint)).due_at.getFullYear()).toBeGreaterThan(2000);
  await world.claim(grant);
});

test('how long the longest waiting mint is overdue', async () => {
  expect(await world.ledger.reaping.overdueSeconds()).toBe(0);
  const grant = await ending();
  await world.age(grant.grant, 100);
  expect(Math.round((await world.ledger.reaping.overdueSeconds()) / 10)).toBe(10);
  const live = await world.live();
  await world.age(live.grant, 800);
  expect(Math.round((await world.ledger.reaping.overdueSeconds()) / 10)).toBe(20);
});

describe('clearing away', () => {
  const claims = (provider: string, limit = 5) => world.ledger.reaping.claimCleanups(provider, limit, LEASE);
  async function ended(provider: string, cleanup = true): Promise<OpenedGrant> {
    const grant = await world.live({ provider });
    await world.revoke(grant);
    await world.ledger.reaping.close(grant.mint, (await world.claim(grant)).epoch, 'ended', cleanup);
    return grant;
  }

  test('is due once the mint has ended, where the provider has something to clear away', async () => {
    await ended('none', false);
    expect(await claims('none')).toEqual([]);
    const grant = await ended('some');
    const [claim] = await claims('some');
    expect(claim).toEqual({
      mint: grant.mint,
      grant: grant.grant,
      request: { role: 'reader' },
      endsAt: (await world.mint(grant.mint)).ends_at,
      tries: 1,
    });
    expect(await claims('some')).toEqual([]); // under its lease
  });

  test.each([
    { name: 'done', until: undefined, again: false },
    { name: 'later', until: 50_000, again: true },
  ])('$name', async ({ name, until, again }) => {
    const grant = await ended(name);
    await claims(name);
    await world.ledger.reaping.finishCleanup(
      grant.mint,
      until === undefined ? undefined : new Date(Date.now() + until),
    );
    expect(await claims(name)).toEqual([]);
    await world.ageCleanup(grant.mint, 51);
    expect((await claims(name)).map(({ tries }) => tries)).toEqual(again ? [2] : []);
  });

  test('a lease that ran out is taken over', async () => {
    const grant = await ended('lease');
    await claims('lease');
    await world.ageCleanup(grant.mint, LEASE + 1);
    expect((await claims('lease')).map(({ mint, tries }) => ({ mint, tries }))).toEqual([
      { mint: grant.mint, tries: 2 },
    ]);
  });

  test('many at once share the work', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => ended('many')));
    const claimed = (await Promise.all([1, 2, 3, 4].map(() => claims('many', 3)))).flat();
    claimed.push(...(await claims('many', 12)));
    expect(claimed.map(({ mint }) => mint).sort()).toEqual(all.map(({ mint }) => mint).sort());
  });

  test('what a provider still shows: the ended are cleared away again, the living left alone, the unknown told', async () => {
    const gone = await ended('shown');
    await claims('shown');
    await world.ledger.reaping.finishCleanup(gone.mint);
    const living = await world.live({ provider: 'shown' });
    const unknown = 'm000000000000000000000' as typeof gone.mint;
    const known = await world.ledger.reaping.cleanAgain([gone.mint, living.mint, unknown]);
    expect([...known].sort()).toEqual([gone.mint, living.mint].sort());
    expect((await claims('shown')).map(({ mint }) => mint)).toEqual([gone.mint]);
    expect(await world.mint(living.mint)).toMatchObject({ state: 'live', cleanup_due_at: null });
    expect([...(await world.ledger.reaping.cleanAgain([]))]).toEqual([]);
  });
});
