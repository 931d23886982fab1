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
      confirmed: false,
      at,
    },
  ]);
  expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(5_000);
});

test('an end that is on record is confirmed', async () => {
  const grant = await world.live({ provider: 'aws-7' });
  await world.revoke(grant);
  expect((await endedEarly('aws-7')).mints).toMatchObject([{ confirmed: false }]);
  const claim = await world.claim(grant);
  await world.ledger.reaping.close(claim.mint, claim.epoch, 'ended', false);
  expect((await endedEarly('aws-7')).mints).toMatchObject([{ confirmed: true }]);
});

test('of what was asked, as much as is wanted', async () => {
  const grant = await world.live({ provider: 'aws-8' });
  await world.revoke(grant);
  const requests = async (members?: readonly string[]) =>
    (await world.ledger.providerRecord('aws-8').endedEarly(members)).mints.map(({ request }) => request);
  expect(await requests()).toEqual([{ role: 'reader' }]);
  expect(await requests(['role', 'nothing'])).toEqual([{ role: 'reader' }]);
  expect(await requests([])).toEqual([{}]);
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

test('what lives, by a member of what was asked for, and since when', async () => {
  const grants = await Promise.all([1, 2, 3].map(() => world.live({ provider: 'aws-6' })));
  const opened = await world.open({ provider: 'aws-6' });
  await world.revoke(grants[0] ?? { grant: '' as never });
  await world.age(opened.grant, 10);
  const record = world.ledger.providerRecord('aws-6');
  const { opened_at: since } = await world.grant(opened.grant);
  expect(await record.livingBy('role')).toEqual(new Map([['reader', { grants: 3, since }]]));
  expect(await record.livingBy('nothing')).toEqual(new Map());
});

test('a grant that goes on lives also while none of its credentials does, and until its end', async () => {
  const grant = await world.live({ provider: 'aws-9' });
  const record = world.ledger.providerRecord('aws-9');
  const living = async () => (await record.livingBy('role')).get('reader')?.grants;
  await world.renew(grant);
  expect(await living()).toBe(1);
  await world.sql(`update mints set state = 'ending' where grant_id = $1`, [grant.grant]);
  expect(await living()).toBe(1);
  await world.sql('update grants set expires_at = now() where id = $1', [grant.grant]);
  expect(await living()).toBeUndefined();
});
