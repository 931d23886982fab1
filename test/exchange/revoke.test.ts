import { setTimeout as sleep } from 'node:timers/promises';
import type { GrantId } from '../../src/domain/ids.ts';
import { makeSettleGrant } from '../../src/exchange/revoke.ts';
import type { Ended } from '../../src/providers/provider.ts';
import { deferred } from '../support/deferred.ts';
import { isOpen } from '../support/waiting.ts';
import { caller, codeOf, lives, makeWorld, REQUEST, unclear } from './world.ts';
import type { World } from './world.ts';

/** `revoked` only once that is confirmed (DESIGN, promise 5). */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.provider.recover());

const actor = { kind: 'operator', issuer: 'https://sso.test', subject: 'ada' } as const;
const issue = () => world.issue(caller(), REQUEST);
const revoke = (grant: GrantId, subject?: { trust: string; id: string }) =>
  world.revoke({ grant, reason: 'incident 7', actor, origin: '192.0.2.9', ...(subject ? { subject } : {}) });
const later = () => new Date(Date.now() + 60_000);

test.each([
  { name: 'ended', answer: (): Ended => ({ kind: 'ended' }), state: 'revoked', outcome: 'ended' },
  { name: 'pending', answer: (): Ended => ({ kind: 'pending', until: later() }), state: 'ending', outcome: null },
  {
    name: 'not revocable, its end to come',
    answer: (): Ended => ({ kind: 'not_revocable', until: later() }),
    state: 'ending',
    outcome: null,
  },
  {
    name: 'not revocable, its end has passed',
    answer: (): Ended => ({ kind: 'not_revocable', until: new Date(0) }),
    state: 'expired',
    outcome: 'lapsed',
  },
  {
    name: 'failed',
    answer: (): Ended => {
      throw unclear();
    },
    state: 'ending',
    outcome: null,
  },
])('the provider says $name: the grant is $state', async ({ answer, state, outcome }) => {
  const { grant } = await issue();
  world.provider.answers.end = answer;
  const begun = performance.now();
  const view = await revoke(grant);
  expect(performance.now() - begun).toBeLessThan(2_000); // there is nothing to wait for
  expect(view).toMatchObject({ id: grant, state, why: 'revocation', reason: 'incident 7', mints: [{ outcome }] });
});

test('all that was minted for it ends', async () => {
  const first = await issue();
  const renewed = await world.renew(caller(), { grant: first.grant });
  expect(await revoke(first.grant)).toMatchObject({ state: 'revoked' });
  expect([lives(world.provider, first), lives(world.provider, renewed)]).toEqual([false, false]);
});

test('a reaper was first to claim it: its confirmation is waited for', async () => {
  const { grant } = await issue();
  const slow = deferred<void>();
  world.provider.before = (call) => (call === 'end' ? slow.promise : undefined);
  await world.record.revoke({ grant });
  const reaped = world.settle(await world.record.claim({ grant }, 'reaper'));
  const revoked = revoke(grant);
  expect(await isOpen(revoked)).toBe(true);
  slow.resolve();
  expect(await revoked).toMatchObject({ state: 'revoked' });
  await reaped;
});

test('a ledger that takes its time over the claim: the answer does not wait for the provider as well', async () => {
  const slow = deferred<void>();
  const ending = deferred<void>();
  const { grant } = await issue();
  await world.record.revoke({ grant });
  const claim = await world.record.claim({ grant }, 'one');
  let settling = 0;
  const reaping = { claim: () => slow.promise.then(() => [claim]), isBeingEnded: async () => true };
  const settleGrant = makeSettleGrant({ ledger: { reaping }, owner: 'one' }, () => ((settling += 1), ending.promise));
  const [answered] = await Promise.all([
    Promise.race([settleGrant(grant).then(() => 'answered'), sleep(9_000, 'the provider was waited for')]),
    sleep(5_200).then(slow.resolve), // more than an answer waits for
  ]);
  ending.resolve();
  expect([answered, settling]).toEqual(['answered', 1]);
  await world.settle(claim);
});

test('a provider that takes its time: the answer comes within seconds and says `ending`, the end goes on', async () => {
  const { grant } = await issue();
  const slow = deferred<void>();
  world.provider.before = (call) => (call === 'end' ? slow.promise : undefined);
  expect(await revoke(grant)).toMatchObject({ state: 'ending' });
  slow.resolve();
  while ((await world.record.grant(grant)).state === 'ending') await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await world.record.grant(grant)).toMatchObject({ state: 'revoked' });
});

test.each([
  { name: 'its own', subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/one' }, code: 'done' },
  { name: 'another’s', subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/two' }, code: 'not_found' },
  { name: 'a namesake’s', subject: { trust: 'corp', id: 'spiffe://dev.local/agent/one' }, code: 'not_found' },
])('a workload takes back $name: $code', async ({ subject, code }) => {
  const issued = await issue();
  expect(await codeOf(revoke(issued.grant, subject))).toBe(code);
  expect(lives(world.provider, issued)).toBe(code !== 'done');
});

test('an unknown grant', async () => {
  expect(await codeOf(revoke('g000000000000' as GrantId))).toBe('not_found');
});

test('twice, and at once: ended once', async () => {
  const { grant } = await issue();
  await Promise.all([revoke(grant), revoke(grant), revoke(grant)]);
  expect(await revoke(grant)).toMatchObject({ state: 'revoked' });
  const events = await world.record.events(grant);
  expect(events.filter((type) => type === 'grant.ending' || type === 'grant.revoked')).toEqual([
    'grant.ending',
    'grant.revoked',
  ]);
});

test('who, why and from where are on record', async () => {
  const { grant } = await issue();
  await revoke(grant);
  const [row] = await world.record.sql<{ body: string }>(
    `select body from events where grant_id = $1 and type = 'grant.ending'`,
    [grant],
  );
  expect(JSON.parse(row?.body ?? '')).toMatchObject({
    actor,
    origin: '192.0.2.9',
    facts: { why: 'revocation', reason: 'incident 7' },
    workload: { id: 'spiffe://dev.local/agent/one', trust: 'mesh' },
  });
});
