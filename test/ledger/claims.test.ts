import { LEASE, makeWorld, SHAPE } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** Work is claimed by epochs: whoever holds the newest may write, and nobody else (CORRECTNESS, *Everywhere*). */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

async function ending(change: Parameters<World['live']>[0] = {}): Promise<OpenedGrant> {
  const grant = await world.live(change);
  await world.revoke(grant);
  return grant;
}
const claimAll = (owner: string, provider: string, limit = 3) =>
  world.ledger.reaping.claim({ provider, owner, limit, lease_seconds: LEASE });

test('many claimers share all the work, and no two of them a mint', async () => {
  const grants = await Promise.all(Array.from({ length: 40 }, () => ending({ provider: 'shared' })));
  const claimer = async (owner: string) => {
    const mine: string[] = [];
    for (;;) {
      const claims = await claimAll(owner, 'shared');
      if (claims.length === 0) return mine;
      mine.push(...claims.map(({ mint }) => mint));
    }
  };
  const claimed = (await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(claimer))).flat();
  // `SKIP LOCKED` lets a claimer come back empty-handed while others are at work: what is left is claimed now
  claimed.push(...(await claimer('g')));
  expect(claimed.sort()).toEqual(grants.map(({ mint }) => mint).sort());
});

test('a claim has what it takes to end the mint', async () => {
  const grant = await ending();
  const { endsAt, ...claim } = await world.claim(grant, 'me');
  expect(claim).toEqual({
    mint: grant.mint,
    grant: grant.grant,
    epoch: 3,
    provider: SHAPE.provider,
    request: { role: 'reader' },
    handle: { login: grant.mint },
    attempts: 0,
    why: 'revocation',
  });
  const mint = await world.mint(grant.mint);
  expect(endsAt).toEqual(mint.ends_at);
  expect(mint).toMatchObject({ claimed_by: 'me', epoch: 3, state: 'ending' });
  expect(mint.due_at.getTime() - Date.now()).toBeGreaterThan((LEASE - 5) * 1000);
});

test('claims are of one provider, or of one grant, oldest first, and not before they are due', async () => {
  const [one, two] = [await ending({ provider: 'first' }), await ending({ provider: 'first' })];
  const other = await ending({ provider: 'second' });
  await world.live({ provider: 'first' });
  expect((await claimAll('me', 'first', 1)).map(({ mint }) => mint)).toEqual([one.mint]);
  expect((await claimAll('me', 'first')).map(({ mint }) => mint)).toEqual([two.mint]);
  expect(await claimAll('me', 'first')).toEqual([]);
  const claims = await world.ledger.reaping.claim({ grant: other.grant, owner: 'me', limit: 9, lease_seconds: LEASE });
  expect(claims.map(({ mint }) => mint)).toEqual([other.mint]);
});

test('a lease that ran out: claimed again, under a new epoch', async () => {
  const grant = await ending();
  const first = await world.claim(grant, 'slow');
  await world.age(grant.grant, LEASE + 1);
  const second = await world.claim(grant, 'next');
  expect(second.epoch).toBe(first.epoch + 1);
  expect(await world.mint(grant.mint)).toMatchObject({ claimed_by: 'next', epoch: second.epoch });
});

describe('whoever lost its claim changes nothing', () => {
  test.each([
    {
      name: 'close',
      write: ({ mint }: OpenedGrant, epoch: number) => world.ledger.reaping.close(mint, epoch, 'ended', true),
    },
    {
      name: 'defer',
      write: ({ mint }: OpenedGrant, epoch: number) => world.ledger.reaping.defer(mint, epoch, new Date(0)),
    },
    {
      name: 'retry',
      write: ({ mint }: OpenedGrant, epoch: number) => world.ledger.reaping.retry(mint, epoch, 'e', 0, 1),
    },
    {
      name: 'noteHandle',
      write: ({ mint }: OpenedGrant, epoch: number) => world.ledger.reaping.noteHandle(mint, epoch, { x: 1 }),
    },
  ])('$name', async ({ write }) => {
    const grant = await ending();
    const first = await world.claim(grant, 'slow');
    await world.age(grant.grant, LEASE + 1);
    const second = await world.claim(grant, 'next');
    const before = [await world.grant(grant.grant), await world.mint(grant.mint), await world.events(grant.grant)];
    expect(await write(grant, first.epoch)).toBe(false);
    expect([await world.grant(grant.grant), await world.mint(grant.mint), await world.events(grant.grant)]).toEqual(
      before,
    );
    expect(await write(grant, second.epoch)).toBe(true);
  });

  test('the issuer whose grant was ended meanwhile: activation is superseded', async () => {
    const grant = await world.open();
    await world.revoke(grant);
    await expect(world.activate(grant)).rejects.toMatchObject({ code: 'superseded' });
    expect(await world.mint(grant.mint)).toMatchObject({ state: 'ending', handle: null });
  });
});

describe('activation', () => {
  test.each([
    { name: 'another epoch', arrange: async (grant: OpenedGrant) => ({ ...grant, epoch: 2 }) },
    {
      name: 'past the deadline',
      arrange: async (grant: OpenedGrant) => {
        await world.age(grant.grant, 16);
        return grant;
      },
    },
    {
      name: 'past its own end',
      arrange: async (grant: OpenedGrant) => {
        await world.sql(`update mints set ends_at = now() where id = $1`, [grant.mint]);
        return grant;
      },
    },
    {
      name: 'twice',
      arrange: async (grant: OpenedGrant) => {
        await world.activate(grant);
        return grant;
      },
    },
    {
      name: 'of nothing',
      arrange: async (grant: OpenedGrant) => ({ ...grant, mint: 'm000000000000000000000' as OpenedGrant['mint'] }),
    },
  ])('$name: superseded', async ({ arrange }) => {
    const opened = await world.open();
    const late = await arrange(opened);
    const before = await world.grant(opened.grant);
    await expect(world.activate(late)).rejects.toMatchObject({ code: 'superseded' });
    expect(await world.grant(opened.grant)).toEqual(before);
  });
});

describe('giving up', () => {
  const abandonment = (of: OpenedGrant, change: object = {}) => ({
    ...{ mint: of.mint, handle: { login: 'late' }, nothing_lives: false, end_grant: true, error: 'provider_timeout' },
    ...{ owner: 'issuer', lease_seconds: LEASE, ...change },
  });

  test('claims the mint for whoever gives it up, with the handle that it alone knows', async () => {
    const grant = await world.open();
    expect(await world.ledger.issuing.abandon(abandonment(grant))).toMatchObject({
      mint: grant.mint,
      handle: { login: 'late' },
      why: 'abandoned',
    });
    expect(await world.mint(grant.mint)).toMatchObject({ claimed_by: 'issuer', handle: { login: 'late' } });
    expect(
      await world.ledger.reaping.claim({ grant: grant.grant, owner: 'reaper', limit: 9, lease_seconds: LEASE }),
    ).toEqual([]);
  });

  test('when the reaper holds it already: leaves the handle there and does nothing else', async () => {
    const grant = await world.open();
    await world.age(grant.grant, 16);
    await world.ledger.reaping.advanceDue(500);
    const claim = await world.claim(grant, 'reaper');
    expect(await world.ledger.issuing.abandon(abandonment(grant))).toBeUndefined();
    expect(await world.mint(grant.mint)).toMatchObject({
      claimed_by: 'reaper',
      epoch: claim.epoch,
      handle: { login: 'late' },
    });
    expect(await world.ledger.reaping.close(grant.mint, claim.epoch, 'ended', false)).toBe(true);
  });

  test('when the reaper let it wait for what nobody could know: is taken over at once', async () => {
    const grant = await world.open();
    await world.age(grant.grant, 16);
    await world.ledger.reaping.advanceDue(500);
    const { epoch } = await world.claim(grant, 'reaper');
    await world.ledger.reaping.defer(grant.mint, epoch, new Date(Date.now() + 3_600_000));
    expect(await world.ledger.issuing.abandon(abandonment(grant))).toMatchObject({ handle: { login: 'late' } });
  });

  test.each([
    {
      name: 'an ended mint',
      arrange: async (grant: OpenedGrant) =>
        world.ledger.reaping.close(grant.mint, (await world.claim(grant)).epoch, 'ended', false),
    },
    { name: 'twice', arrange: (grant: OpenedGrant) => world.ledger.issuing.abandon(abandonment(grant)) },
  ])('$name: nothing to do', async ({ arrange }) => {
    const grant = await ending();
    await arrange(grant);
    const events = await world.events(grant.grant);
    expect(await world.ledger.issuing.abandon(abandonment(grant))).toBeUndefined();
    expect(await world.events(grant.grant)).toEqual(events);
  });

  test('a renewal does not take its grant along', async () => {
    const grant = await world.live();
    const renewal = await world.renew(grant);
    await world.ledger.issuing.abandon(abandonment({ ...grant, ...renewal }, { end_grant: false }));
    expect(await world.grant(grant.grant)).toMatchObject({ state: 'active' });
    expect(await world.mint(renewal.mint)).toMatchObject({ state: 'ending' });
    expect(await world.mint(grant.mint)).toMatchObject({ state: 'live' });
  });
});
