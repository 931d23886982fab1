import type { ExceptionId } from '../../src/domain/ids.ts';
import { exceptionState } from '../../src/ledger/index.ts';
import { codeOf } from '../exchange/world.ts';
import { answered, decidedUnder, ended, from, inForce, requested, reviewed } from './excepting.ts';
import { ids, makeWorld, OPERATOR, SECOND_OPERATOR } from './world.ts';
import type { World } from './world.ts';

/** What an exception can become, by whom, and that nothing is allowed under one that is not in force. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const backdate = (id: ExceptionId, seconds: number) =>
  world.sql(
    `update exceptions set starts_at = starts_at - make_interval(secs => $2), ends_at = ends_at - make_interval(secs => $2),
      review_by = review_by - make_interval(secs => $2) where id = $1`,
    [id, seconds],
  );
const stateOf = async (id: ExceptionId) => {
  const row = await world.ledger.exceptions.find(id);
  return row && exceptionState(row, new Date());
};
const open = async (exception: ExceptionId) =>
  world.ledger.issuing.openGrant({ ...world.opening(), decision: decidedUnder(world, exception) });

const ways: Record<string, () => Promise<ExceptionId>> = {
  requested: () => requested(world),
  denied: async () => {
    const id = await requested(world);
    await answered(world, id, 'deny');
    return id;
  },
  scheduled: () => inForce(world, { starts_at: from(300) }),
  over: async () => {
    const id = await inForce(world);
    await backdate(id, 700);
    return id;
  },
  ended: async () => {
    const id = await inForce(world);
    await ended(world, id);
    return id;
  },
  lapsed: async () => {
    const id = await requested(world);
    await backdate(id, 700);
    return id;
  },
};

test('in force, it is used, and each use is on record', async () => {
  const id = await inForce(world);
  await open(id);
  await open(id);
  const used = await world.sql(
    `select body::jsonb as body from events where type = 'exception.used' and body::jsonb ->> 'resource' = $1 order by seq`,
    [id],
  );
  expect(used).toHaveLength(2);
  expect(used[0]).toMatchObject({
    body: {
      workload: { trust: 'mesh' },
      facts: { exception: id, action: 'issue', resource: 'orders-read', policies: ['freeze'] },
    },
  });
  expect((await world.ledger.exceptions.uses([id])).get(id)).toBe(2);
});

test.each(Object.keys(ways))('%s, nothing is allowed under it, and nothing of the attempt is kept', async (state) => {
  const id = (await ways[state]?.()) ?? ids.exception();
  expect(await stateOf(id)).toBe(state);
  const before = await world.sql('select count(*) from decisions');
  expect(await codeOf(open(id))).toBe('exception_closed');
  expect(await world.sql('select count(*) from decisions')).toEqual(before);
  expect(await world.ledger.exceptions.covering(about(), ['freeze'])).not.toContainEqual(
    expect.objectContaining({ id }),
  );
});

test('one that there is not is none either', async () => {
  expect(await codeOf(open(ids.exception()))).toBe('exception_closed');
});

test('a denial that names one needs none', async () => {
  const decision = { ...decidedUnder(world, ids.exception()), outcome: 'deny', code: 'policy_denied' } as const;
  await world.ledger.issuing.recordDecision(decision);
});

test('its end and what is being allowed under it wait for each other: after the end nothing is', async () => {
  const id = await inForce(world);
  const holding = await world.database.pool.connect();
  await holding.query('begin');
  await holding.query('select lock_rules_shared()');
  const ending = ended(world, id);
  const raced = codeOf(open(id));
  await holding.query('commit');
  holding.release();
  await ending;
  expect(['done', 'exception_closed']).toContain(await raced);
  expect(await codeOf(open(id))).toBe('exception_closed');
});

describe('who', () => {
  test('does not approve what they asked for themselves, and the attempt is on record', async () => {
    const id = await requested(world);
    expect(await codeOf(answered(world, id, 'approve', OPERATOR))).toBe('own_request');
    expect(await stateOf(id)).toBe('requested');
    const events = await world.sql(
      `select body::jsonb ->> 'success' as ok, body::jsonb #>> '{facts,code}' as code from events
        where type = 'exception.approved' and body::jsonb ->> 'resource' = $1`,
      [id],
    );
    expect(events).toEqual([{ ok: 'false', code: 'own_request' }]);
    await answered(world, id, 'approve', SECOND_OPERATOR);
    expect(await stateOf(id)).toBe('active');
  });

  test('does not review what they asked for themselves', async () => {
    const id = await inForce(world);
    expect(await codeOf(reviewed(world, id, OPERATOR))).toBe('own_request');
    await reviewed(world, id);
    expect(await codeOf(reviewed(world, id))).toBe('exception_closed');
  });
});

test.each([
  ['requested', { answer: 'done', end: 'exception_closed', review: 'exception_closed' }],
  ['denied', { answer: 'exception_closed', end: 'exception_closed', review: 'exception_closed' }],
  ['scheduled', { answer: 'exception_closed', end: 'done', review: 'exception_closed' }],
  ['over', { answer: 'exception_closed', end: 'exception_closed', review: 'done' }],
  ['ended', { answer: 'exception_closed', end: 'exception_closed', review: 'done' }],
  ['lapsed', { answer: 'exception_closed', end: 'exception_closed', review: 'exception_closed' }],
])('%s: what may still be said of it', async (state, want) => {
  const make = ways[state] ?? ways['requested'];
  const fresh = async () => (await make?.()) ?? ids.exception();
  expect({
    answer: await codeOf(answered(world, await fresh())),
    end: await codeOf(ended(world, await fresh())),
    review: await codeOf(reviewed(world, await fresh())),
  }).toEqual(want);
});

test('of one that there is not nothing is said', async () => {
  const none = ids.exception();
  for (const say of [answered, ended, reviewed]) expect(await codeOf(say(world, none))).toBe('not_found');
});

test('a review is kept as it is, and what is still in force can be ended after it', async () => {
  const id = await inForce(world);
  await reviewed(world, id);
  await expect(
    world.sql(`update exceptions set review_note = 'nothing happened' where id = $1`, [id]),
  ).rejects.toThrow();
  await ended(world, id);
  expect(await stateOf(id)).toBe('ended');
  await expect(
    world.sql(`update exceptions set state = 'approved', ended_at = null where id = $1`, [id]),
  ).rejects.toThrow();
});

const about = (change = {}) => ({
  profile: 'orders-read',
  trust: 'mesh',
  subject: 'spiffe://dev.local/agent/one',
  owner: 'payments',
  environment: 'production',
  ...change,
});

describe('what it covers', () => {
  const scope = { profile: 'covered', owner: 'payments', environment: 'production' };
  test.each([
    { name: 'its profile', scope, asked: {}, covers: true },
    { name: 'another profile', scope, asked: { profile: 'other' }, covers: false },
    { name: 'a tool of that name', scope, asked: { profile: undefined, tools: ['covered'] }, covers: false },
    { name: 'another owner', scope, asked: { owner: 'billing' }, covers: false },
    { name: 'another environment', scope, asked: { environment: 'staging' }, covers: false },
    { name: 'its agent', scope: { ...scope, agent: 'mesh/spiffe://dev.local/agent/one' }, asked: {}, covers: true },
    {
      name: 'another agent',
      scope: { ...scope, agent: 'mesh/spiffe://dev.local/agent/two' },
      asked: {},
      covers: false,
    },
    {
      name: 'that id under another trust entry',
      scope: { ...scope, agent: 'corp/spiffe://dev.local/agent/one' },
      asked: {},
      covers: false,
    },
    {
      name: 'its tool, by name or by file',
      scope: { tool: 'refunds.*' },
      asked: { tools: ['refunds.create', 'refunds.*'] },
      covers: true,
    },
    { name: 'another policy', scope, asked: {}, policies: ['other'], covers: false },
  ])('$name: $covers', async ({ scope: of, asked, covers, policies = ['freeze'] }) => {
    const id = await inForce(world, { scope: of });
    const found = await world.ledger.exceptions.covering(about({ profile: 'covered', ...asked }), policies);
    expect(found.some((one) => one.id === id)).toBe(covers);
    await ended(world, id);
  });

  test('exactly one thing', async () => {
    for (const wrong of [{}, { profile: 'a', tool: 'b' }])
      await expect(requested(world, { scope: wrong })).rejects.toThrow();
  });
});

test('those that nobody looked at in time are counted and listed', async () => {
  const before = await world.ledger.exceptions.counts();
  const [late, soon] = [await inForce(world), await inForce(world)];
  await backdate(late, 3_700);
  expect(await world.ledger.exceptions.counts()).toEqual({
    ...before,
    active: before.active + 1,
    unreviewed: before.unreviewed + 1,
  });
  const listed = await world.ledger.exceptions.list({ unreviewed: true }, new Date(), 100);
  expect(listed.map(({ id }) => id)).toContain(late);
  expect(listed.map(({ id }) => id)).not.toContain(soon);
  await reviewed(world, late);
  expect((await world.ledger.exceptions.counts()).unreviewed).toBe(before.unreviewed);
});
