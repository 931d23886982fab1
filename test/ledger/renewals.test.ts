import { makeWorld, SHAPE } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** One more mint of a grant that lives, and what a process may not ask for. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const inProgress = { name: 'Refusal', code: 'request_in_progress' };
const subject = { trust: SHAPE.trust, id: SHAPE.subject };

describe('a renewal', () => {
  const openMint = (grant: OpenedGrant) => world.ledger.issuing.openMint(world.openingMint(grant, 'renewal'));

  test('one at a time', async () => {
    const grant = await world.live();
    const raced = await Promise.allSettled([1, 2, 3].map(() => openMint(grant)));
    expect(raced.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const each of raced) if (each.status === 'rejected') expect(each.reason).toMatchObject(inProgress);
  });

  test('beside what lives and what is ending', async () => {
    const grant = await world.live();
    await world.renew(grant);
    await world.ledger.issuing.retireMints(grant.grant, subject, null);
    await world.renew(grant);
    const states = await world.sql<{ state: string }>('select state from mints where grant_id = $1', [grant.grant]);
    expect(states.map(({ state }) => state).sort()).toEqual(['ending', 'ending', 'live']);
  });

  test.each([
    { name: 'of a grant that is not active', arrange: () => world.open(), change: {}, code: 'grant_not_active' },
    {
      name: 'past its end',
      arrange: async () => {
        const grant = await world.live();
        await world.age(grant.grant, 600);
        return grant;
      },
      change: {},
      code: 'grant_not_active',
    },
    { name: 'of another’s', arrange: () => world.live(), change: { subject: 'somebody else' }, code: 'not_found' },
    {
      name: 'by a namesake of another trust entry',
      arrange: () => world.live(),
      change: { trust: 'corp' },
      code: 'not_found',
    },
  ])('$name: $code', async ({ arrange, change, code }) => {
    const opening = world.openingMint(await arrange(), 'renewal');
    const asked = { ...opening, decision: { ...opening.decision, ...change } };
    await expect(world.ledger.issuing.openMint(asked)).rejects.toMatchObject({ name: 'Refusal', code });
  });
});

describe('a process whose clock is ahead is refused; its grant is not lengthened', () => {
  const ahead = () => new Date(Date.now() + 603_000).toISOString();
  const skew = { name: 'Fault', code: 'clock_skew' };

  test('open', async () => {
    const opening = world.opening({ ttlSeconds: 600 });
    const asked = { ...opening, grant: { ...opening.grant, expires_at: ahead() } };
    await expect(world.ledger.issuing.openGrant(asked)).rejects.toMatchObject(skew);
  });

  test('renew', async () => {
    const opening = world.openingMint(await world.live(), 'renewal', 600);
    const asked = { ...opening, ttl: { ...opening.ttl, ends_at: ahead() } };
    await expect(world.ledger.issuing.openMint(asked)).rejects.toMatchObject(skew);
  });
});
