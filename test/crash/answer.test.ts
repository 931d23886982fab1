import { asks, hold } from './steps.ts';
import { makeWorld, type Replica, type World } from './world.ts';
import { isOpen } from '../support/waiting.ts';

/** What a revocation answers is true, whoever of the reapers was faster than the request. */
let world: World;
let broker: Replica;
beforeAll(async () => {
  world = await makeWorld();
  broker = await world.start();
});
afterAll(() => world.close());

test('a revocation waits for an end that the reaper was first to claim', async () => {
  const grant = await world.issue(broker);
  const own = world.ledgerProxy.hold({
    from: 'frontend',
    match: ({ type, sql, text }) => type === 'B' && sql.includes('claim_mints') && text.includes(grant.id),
  });
  const reapers = hold(world, asks('targetProxy', 'NOLOGIN'));
  const asked = broker.agent().workload.revoke(grant.id, 'test');
  await Promise.all([own.reached, reapers.reached]);
  own.release();
  expect(await isOpen(asked)).toBe(true);
  reapers.release();
  expect((await asked).state).toBe('revoked');
});

test('a revocation that takes long says that it is under way', async () => {
  const grant = await world.issue(broker);
  const held = hold(world, asks('targetProxy', 'NOLOGIN'));
  const asked = broker.agent().workload.revoke(grant.id, 'test');
  await held.reached;
  expect((await asked).state).toBe('ending');
  expect(await world.works(grant)).toBe(true);
  held.release();
  await world.settled();
  expect((await world.grant(grant.id)).state).toBe('revoked');
  expect(await world.works(grant)).toBe(false);
});
