import type { OrderId } from '../../src/domain/ids.ts';
import { caller, codeOf, lives, makeWorld, operator, REQUEST, unclear } from './world.ts';
import type { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  await world.record.calm();
});

const create = (subject: string, blocks = true) =>
  world.orders.create(operator(), { selector: { kind: 'agent', value: subject }, reason: 'incident 7', blocks });
const sweep = (order: string) => world.record.ledger.reaping.sweep(order as OrderId, 500);

test('from its commit to its completion', async () => {
  const grants = [await world.issue(caller('a'), REQUEST), await world.issue(caller('a'), REQUEST)];
  const other = await world.issue(caller('b'), REQUEST);
  const { order, ...view } = await create('a');
  expect(view).toEqual({
    matched: 2,
    state: 'sweeping',
    byProvider: { memory: { matched: 2, revoked: 0, expired: 0, pending: 2, stuck: 0 } },
  });
  expect(order).toMatchObject({
    kind: 'agent',
    value: 'a',
    blocks: true,
    author: { kind: 'operator', subject: 'ada' },
    liftedAt: null,
  });
  expect(await codeOf(world.issue(caller('a'), REQUEST))).toBe('under_order');

  const id = order.id as OrderId;
  await sweep(id);
  expect(await world.orders.show(id)).toMatchObject({ matched: 2, state: 'in_progress' });
  world.provider.before = (call) => {
    if (call === 'end') throw unclear();
  };
  await world.settleGrant(grants[0]?.grant as never);
  world.provider.recover();
  await world.settleGrant(grants[1]?.grant as never);
  expect(await world.orders.show(id)).toMatchObject({
    state: 'in_progress',
    byProvider: { memory: { matched: 2, revoked: 1, pending: 1 } },
  });
  await world.reap(grants[0]?.grant as never, 2);
  expect(await world.orders.show(id)).toMatchObject({
    matched: 2,
    state: 'complete',
    byProvider: { memory: { revoked: 2, pending: 0 } },
  });
  expect(grants.map((issued) => lives(world.provider, issued))).toEqual([false, false]);
  expect(lives(world.provider, other)).toBe(true);
});

test('of nothing: complete once it was looked for', async () => {
  const { order, state, matched } = await create('nobody');
  expect({ state, matched }).toEqual({ state: 'sweeping', matched: 0 });
  await sweep(order.id);
  expect(await world.orders.show(order.id as OrderId)).toMatchObject({ matched: 0, state: 'complete', byProvider: {} });
});

test('a dry run says the same, and nothing happens', async () => {
  const issued = await world.issue(caller('dry'), REQUEST);
  const orders = async () => (await world.record.sql('select 1 from orders')).length;
  const before = await orders();
  expect(await world.orders.dryRun({ kind: 'agent', value: 'dry' })).toEqual({
    matched: 1,
    byProvider: { memory: { matched: 1, revoked: 0, expired: 0, pending: 1, stuck: 0 } },
  });
  expect(await orders()).toBe(before);
  expect(lives(world.provider, issued)).toBe(true);
  expect(await codeOf(world.issue(caller('dry'), REQUEST))).toBe('done');
});

test('lifted by one; over everything by two', async () => {
  const { order } = await create('lifted');
  expect(await world.orders.lift(operator(), order.id as OrderId, 'over')).toMatchObject({
    state: 'lifted',
    view: { order: { liftedAt: expect.any(Date) } },
  });
  expect(await codeOf(world.issue(caller('lifted'), REQUEST))).toBe('done');

  const all = (
    await world.orders.create(operator(), { selector: { kind: 'all', value: '*' }, reason: 'r', blocks: true })
  ).order;
  const lift = (who: string) => world.orders.lift(operator(who), all.id as OrderId, 'over');
  expect(await lift('ada')).toMatchObject({ state: 'lift_requested', view: { order: { liftedAt: null } } });
  expect(await codeOf(lift('ada'))).toBe('lift_needs_another_operator');
  expect(await codeOf(world.issue(caller('anybody'), REQUEST))).toBe('under_order');
  expect(await lift('grace')).toMatchObject({ state: 'lifted' });
  expect(await codeOf(lift('grace'))).toBe('already_lifted');
});

test('unknown', async () => {
  const unknown = 'o000000000000000000000' as OrderId;
  expect(await codeOf(world.orders.show(unknown))).toBe('not_found');
  expect(await codeOf(world.orders.lift(operator(), unknown, 'r'))).toBe('not_found');
});
