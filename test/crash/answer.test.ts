import { asks, commits, executed, hold, outcome } from './steps.ts';
import { makeWorld, PROFILE, type Replica, type World } from './world.ts';
import { agentId } from '../support/agents.ts';
import { isOpen } from '../support/waiting.ts';

/** What a revocation and an order answer is true, whoever was faster. */
let world: World;
let broker: Replica;
beforeAll(async () => {
  world = await makeWorld();
  broker = await world.start();
});
afterAll(() => world.close());

test('a revocation waits for an end that the reaper was first to claim', async () => {
  const grant = await world.issue(broker);
  const reapers = hold(world, asks('targetProxy', 'NOLOGIN'));
  const order = { selector: { agent: agentId('one') }, block: false, reason: 'test' };
  await broker.security.operator.createOrder(order);
  await reapers.reached;
  const asked = broker.agent().workload.revoke(grant.id, 'test');
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

test('an order counts from its commit on, while its sweep has not begun', async () => {
  const [login, token] = [await world.issue(broker), await world.token(broker)];
  expect(await world.isActive(broker, token.credential)).toBe(true);
  const activation = hold(world, asks('ledgerProxy', 'activate_mint'));
  const asked = outcome(world.issue(broker));
  await activation.reached;
  const sweep = hold(world, asks('ledgerProxy', 'sweep_order'));
  await broker.security.operator.createOrder({ selector: { all: true }, reason: 'test' });
  await sweep.reached;

  expect(await world.isActive(broker, token.credential)).toBe(false);
  expect(await outcome(world.issue(broker))).toBe('409 under_order');
  expect(await outcome(broker.agent().workload.renew(login.id))).toBe('409 under_order');
  activation.release();
  expect(await asked).toBe('409 under_order');
  expect((await world.grant(login.id)).state).toBe('active');

  sweep.release();
  await world.settled();
  expect((await world.grant(login.id)).state).toBe('revoked');
  expect(await world.logins()).toEqual([]);
  await world.liftAll(broker);
  expect(await world.isActive(broker, token.credential)).toBe(false);
  expect(await world.audit()).toEqual([]);
});

test.each([
  // Whichever is first, the activation that asks for orders or the sweep.
  { sql: 'open_grant', want: ['409 under_order', '409 superseded'] },
  { sql: 'activate_mint', want: ['answered'] },
])('an order waits for a $sql that is being committed, and then ends it', async ({ sql, want }) => {
  const held = hold(world, commits('ledgerProxy', sql));
  const asked = outcome(world.issue(broker));
  await held.reached;
  await executed(world, sql);
  const selector = { profile: PROFILE };
  const ordered = broker.security.operator.createOrder({ selector, reason: 'test' });
  expect(await isOpen(ordered)).toBe(true);
  held.release();
  await ordered;
  expect(want).toContain(await asked);
  await world.settled();
  expect(await world.logins()).toEqual([]);
  await world.liftAll(broker);
  expect(await world.audit()).toEqual([]);
});
