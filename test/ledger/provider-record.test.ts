import { makeWorld } from './world.ts';
import type { World } from './world.ts';

/** What a provider that has to deny ended credentials until their time reads of the ledger. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

const endedEarly = async (provider: string) => world.ledger.providerRecord(provider).endedEarly();
const namesOf = async (provider: string) => (await endedEarly(provider)).mints.map(({ mint }) => mint);

test('who was ended before its time is there until its time, whatever has become of the end', async () => {
  const grant = await world.live({ provider: 'aws-1' });
  expect(await namesOf('aws-1')).toEqual([]);
  await world.revoke(grant);
  expect(await namesOf('aws-1')).toEqual([grant.mint]);
  const claim = await world.claim(grant);
  await world.ledger.reaping.close(claim.mint, claim.epoch, 'ended', false);
  expect(await namesOf('aws-1')).toEqual([grant.mint]);
  await world.sql(`update mints set ends_at = now() where id = $1`, [grant.mint]);
  expect(await namesOf('aws-1')).toEqual([]);
});

test('says all that a denial needs', async () => {
  const grant = await world.live({ provider: 'aws-2' });
  await world.revoke(grant);
  const { at, mints } = await endedEarly('aws-2');
  const [row] = await world.sql<{ opened_at: Date; activated_at: Date; ends_at: Date }>(
    'select opened_at, activated_at, ends_at from mints where id = $1',
    [grant.mint],
  );
  expect(mints).toEqual([
    {
      mint: grant.mint,
      grant: grant.grant,
      request: { role: 'reader' },
      handle: { login: grant.mint },
      endsAt: row?.ends_at,
      openedAt: row?.opened_at,
      mintedBefore: row?.activated_at,
      grantGoesOn: false,
      at,
    },
  ]);
  expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(5_000);
});

test('what may never have come to be counts until it is proven absent', async () => {
  const opened = await world.open({ provider: 'aws-3' });
  await world.age(opened.grant, 16);
  await world.ledger.reaping.advanceDue(500);
  expect(await namesOf('aws-3')).toEqual([opened.mint]);
  const claim = await world.claim(opened);
  await world.ledger.reaping.close(claim.mint, claim.epoch, 'absent', false);
  expect(await namesOf('aws-3')).toEqual([]);
});

test('a mint of a grant that goes on says so; other providers are not in it', async () => {
  const grant = await world.live({ provider: 'aws-4' });
  await world.live({ provider: 'aws-5' }).then((other) => world.revoke(other));
  await world.ledger.issuing.retireMints(grant.grant, { trust: grant.shape.trust, id: grant.shape.subject }, null);
  expect((await endedEarly('aws-4')).mints).toMatchObject([{ mint: grant.mint, grantGoesOn: true }]);
});

test('how many live, by a member of what was asked for', async () => {
  const grants = await Promise.all([1, 2, 3].map(() => world.live({ provider: 'aws-6' })));
  await world.open({ provider: 'aws-6' });
  await world.revoke(grants[0] ?? { grant: '' as never });
  const record = world.ledger.providerRecord('aws-6');
  expect(await record.livingBy('role')).toEqual(new Map([['reader', 3]]));
  expect(await record.livingBy('nothing')).toEqual(new Map());
});
