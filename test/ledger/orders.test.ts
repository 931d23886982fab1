import pg from 'pg';
import type { Actor } from '../../src/domain/identity.ts';
import { SELECTOR_KINDS } from '../../src/domain/selector.ts';
import type { SelectorKind } from '../../src/domain/selector.ts';
import { makeWorld, OPERATOR, SECOND_OPERATOR, SHAPE } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

const agent = (value: string) => ({ kind: 'agent', value }) as const;
const everything = async () =>
  (
    await world.sql<{ all: string }>(`select (select md5(string_agg(g::text, '' order by id)) from grants g)
    || (select md5(string_agg(m::text, '' order by id)) from mints m) || (select count(*) from events) || (select count(*) from orders) as all`)
  )[0]?.all;

describe('blocking', () => {
  const value = { agent: SHAPE.subject, on_behalf_of: 'user:ada', all: '*', ...SHAPE } as const;
  const shape = { onBehalfOf: 'user:ada' };

  test.each(SELECTOR_KINDS)(
    '%s: nothing that it covers is opened, activated or renewed from its commit on',
    async (kind) => {
      const live = await world.live(shape);
      const issuing = await world.open(shape);
      const named = kind === 'task' ? live.task : value[kind];
      const order = await world.order({ kind, value: named });
      const stands = { code: 'under_order', facts: { order } };
      await expect(world.renew(live)).rejects.toMatchObject(stands);
      if (kind === 'task') {
        await world.activate(issuing); // a single call's task is its own: this order is not about it
        return;
      }
      await expect(world.open(shape)).rejects.toMatchObject(stands);
      await expect(world.activate(issuing)).rejects.toMatchObject(stands);
      expect(await world.grant(issuing.grant)).toMatchObject({ state: 'ending', why: 'order', order_id: order });
    },
  );

  test('a refusal by an order is a decision on record', async () => {
    await world.order(agent('nobody'));
    await expect(world.open({ subject: 'nobody' })).rejects.toMatchObject({ code: 'under_order' });
    const [decision] = await world.sql('select outcome, code, task_id from decisions where subject = $1', ['nobody']);
    expect(decision).toEqual({ outcome: 'deny', code: 'under_order', task_id: null });
    expect(await world.sql(`select 1 from grants where subject = 'nobody'`)).toEqual([]);
  });

  test('an order that does not block ends what was there, and what comes later is not its business', async () => {
    const before = await world.live({ subject: 'x' });
    const order = await world.order(agent('x'), false);
    expect(await world.ledger.grants.mintIsActive(before.mint)).toBe(false);
    const after = await world.live({ subject: 'x' });
    expect(await world.ledger.grants.mintIsActive(after.mint)).toBe(true);
    expect(await world.ledger.reaping.sweep(order, 500)).toEqual({ moved: 1, done: true });
    expect(await world.grant(before.grant)).toMatchObject({ state: 'ending', order_id: order });
    expect(await world.grant(after.grant)).toMatchObject({ state: 'active' });
  });
});

test.each(SELECTOR_KINDS)(
  '%s: what it covers is pending until it is swept, what was ending before too',
  async (kind) => {
    const columns: Partial<Record<SelectorKind, string>> = {
      agent: 'subject',
      on_behalf_of: 'onBehalfOf',
      task: 'subject',
    };
    const only = `only ${kind}`;
    const shape = { provider: `of ${kind}`, [columns[kind] ?? kind]: only };
    const live = await world.live(shape);
    await world.live({ subject: 'beside it' });
    if (kind !== 'task') await world.revoke(await world.live(shape));
    const values: Partial<Record<SelectorKind, string>> = { task: live.task, all: '*' };
    const order = await world.order({ kind, value: values[kind] ?? only });
    const { [shape.provider]: counted, ...others } = await world.ledger.orders.progress(order);
    const matched = kind === 'task' ? 1 : 2;
    expect(counted).toEqual({ matched, revoked: 0, expired: 0, pending: matched, stuck: 0 });
    if (kind !== 'all') expect(others).toEqual({});
  },
);

describe('sweeping', () => {
  const several = (subject: string) => Promise.all(Array.from({ length: 7 }, () => world.live({ subject })));

  test('in batches, until nothing is left, and once on record', async () => {
    await several('batch');
    const order = await world.order(agent('batch'));
    const moved: [number, boolean][] = [];
    for (let round = 0; round < 4; round++) {
      const answer = await world.ledger.reaping.sweep(order, 3);
      moved.push([answer.moved, answer.done]);
    }
    expect(moved).toEqual([
      [3, false],
      [3, false],
      [1, true],
      [0, true],
    ]);
    const swept = await world.sql<{ body: string }>(
      `select body from events where type = 'order.swept' and body like $1`,
      [`%${order}%`],
    );
    expect(swept.map(({ body }) => (JSON.parse(body) as { facts: object }).facts)).toEqual([{ order, matched: 7 }]);
    expect(await world.ledger.orders.progress(order)).toEqual({
      [SHAPE.provider]: { matched: 7, revoked: 0, expired: 0, pending: 7, stuck: 0 },
    });
    expect(await world.ledger.reaping.unsweptOrders()).not.toContain(order);
  });

  test('what another transaction holds is left for the next round, and the order is not done before', async () => {
    const [first] = await several('held');
    const order = await world.order(agent('held'));
    const holder = new pg.Client({ connectionString: world.database.url });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select 1 from grants where id = $1 for update', [first?.grant]);
    expect(await world.ledger.reaping.sweep(order, 500)).toEqual({ moved: 6, done: false });
    await holder.query('rollback');
    await holder.end();
    expect(await world.ledger.reaping.sweep(order, 500)).toEqual({ moved: 1, done: true });
  });

  test('two replicas at once end each grant once', async () => {
    const grants = await several('twice');
    const order = await world.order(agent('twice'));
    await Promise.all([1, 2, 3, 4].map(() => world.ledger.reaping.sweep(order, 500)));
    await world.ledger.reaping.sweep(order, 500);
    for (const { grant } of grants)
      expect((await world.events(grant)).filter((type) => type === 'grant.ending')).toHaveLength(1);
  });

  test('what is ending already keeps its own reason', async () => {
    const ending = await world.live({ subject: 'own' });
    await world.revoke(ending);
    const order = await world.order(agent('own'));
    expect(await world.ledger.reaping.sweep(order, 500)).toEqual({ moved: 0, done: true });
    expect(await world.grant(ending.grant)).toMatchObject({ why: 'revocation', order_id: null });
  });

  test('and is not passed over: the order is not done with before it has ended', async () => {
    const [ending, stuck, over] = [
      await world.live({ subject: 'w' }),
      await world.live({ subject: 'w' }),
      await world.live({ subject: 'w' }),
    ];
    for (const grant of [ending, stuck, over]) await world.revoke(grant);
    await world.ledger.reaping.retry(stuck.mint, (await world.claim(stuck)).epoch, 'provider_unreachable', 0, 1);
    await world.ledger.reaping.close(over.mint, (await world.claim(over)).epoch, 'ended', false);
    const order = await world.order(agent('w'), false);
    await world.ledger.reaping.sweep(order, 500);
    await world.live({ subject: 'w' }); // came later: none of its business
    const none = { revoked: 0, expired: 0, pending: 0, stuck: 0 };
    const progress = () => world.ledger.orders.progress(order);
    expect(await progress()).toEqual({ [SHAPE.provider]: { ...none, matched: 2, pending: 1, stuck: 1 } });
    await world.ledger.reaping.close(ending.mint, (await world.claim(ending)).epoch, 'ended', false);
    expect(await progress()).toEqual({ [SHAPE.provider]: { ...none, matched: 1, stuck: 1 } });
    const { mint, epoch } = await world.claim(stuck);
    await world.ledger.reaping.close(mint, epoch, 'ended', false);
    expect(await progress()).toEqual({});
  });

  test('progress, by provider, as the ends are confirmed', async () => {
    const make = (provider: string) => world.live({ subject: 'p', provider });
    const grants = [await make('one'), await make('one'), await make('one'), await make('two')];
    const order = await world.order(agent('p'));
    await world.ledger.reaping.sweep(order, 500);
    const close = async (of: OpenedGrant | undefined, outcome: 'ended' | 'lapsed') => {
      if (!of) throw new Error('no grant');
      const { mint, epoch } = await world.claim(of);
      await world.ledger.reaping.close(mint, epoch, outcome, false);
    };
    await close(grants[0], 'ended');
    await close(grants[1], 'lapsed');
    const two = grants[3];
    if (two) await world.ledger.reaping.retry(two.mint, (await world.claim(two)).epoch, 'provider_unreachable', 0, 1);
    expect(await world.ledger.orders.progress(order)).toEqual({
      one: { matched: 3, revoked: 1, expired: 1, pending: 1, stuck: 0 },
      two: { matched: 1, revoked: 0, expired: 0, pending: 0, stuck: 1 },
    });
  });
});

describe('lifting', () => {
  const lift = (order: Awaited<ReturnType<World['order']>>, actor: Actor) =>
    world.ledger.orders
      .lift({ order, reason: 'over', actor, origin: null })
      .catch((error: unknown) => (error as { code?: string }).code);

  test.each([
    { name: 'one agent', kind: 'agent', value: 'a', who: [OPERATOR, OPERATOR], want: ['lifted', 'already_lifted'] },
    {
      name: 'all, alone',
      kind: 'all',
      value: '*',
      who: [OPERATOR, OPERATOR, OPERATOR],
      want: ['lift_requested', 'lift_needs_another_operator', 'lift_needs_another_operator'],
    },
    {
      name: 'all, by two',
      kind: 'all',
      value: '*',
      who: [OPERATOR, SECOND_OPERATOR, OPERATOR],
      want: ['lift_requested', 'lifted', 'already_lifted'],
    },
    {
      name: 'all, by two of one name at two issuers',
      kind: 'all',
      value: '*',
      who: [OPERATOR, { ...OPERATOR, issuer: 'https://other.test' }],
      want: ['lift_requested', 'lifted'],
    },
    {
      name: 'all, by one with a word more about him',
      kind: 'all',
      value: '*',
      who: [{ ...OPERATOR, display: 'Ada' }, OPERATOR, { ...OPERATOR, display: 'not Ada' }],
      want: ['lift_requested', 'lift_needs_another_operator', 'lift_needs_another_operator'],
    },
  ] as const)('$name', async ({ kind, value, who, want }) => {
    const order = await world.order({ kind, value });
    const answers: unknown[] = [];
    for (const actor of who) {
      answers.push(await lift(order, actor));
      const stands = answers.at(-1) !== 'lifted' && !answers.includes('lifted');
      const opened = world.open({ subject: 'a' }).then(
        () => false,
        () => true,
      );
      expect(await opened).toBe(stands);
    }
    expect(answers).toEqual(want);
  });

  test('two at once, of two people: one asks and one lifts; of one person: nobody lifts', async () => {
    const byTwo = await world.order({ kind: 'all', value: '*' });
    expect((await Promise.all([lift(byTwo, OPERATOR), lift(byTwo, SECOND_OPERATOR)])).sort()).toEqual([
      'lift_requested',
      'lifted',
    ]);
    const byOne = await world.order({ kind: 'all', value: '*' });
    expect((await Promise.all([lift(byOne, OPERATOR), lift(byOne, OPERATOR)])).sort()).toEqual([
      'lift_needs_another_operator',
      'lift_requested',
    ]);
  });

  test('an attempt to lift it alone is on record as refused', async () => {
    const order = await world.order({ kind: 'all', value: '*' });
    await lift(order, OPERATOR);
    await lift(order, OPERATOR);
    const rows = await world.sql<{ body: string }>(
      `select body from events where type = 'order.lift_requested' and body like $1 order by seq`,
      [`%${order}%`],
    );
    expect(rows.map(({ body }) => (JSON.parse(body) as { success: boolean }).success)).toEqual([true, false]);
  });

  test('an unknown order', async () => {
    expect(await lift('o000000000000000000001' as Parameters<typeof lift>[0], OPERATOR)).toBe('not_found');
  });

  test('it stops the blocking and never the sweep', async () => {
    const before = await world.live({ subject: 'l' });
    const order = await world.order(agent('l'));
    expect(await lift(order, OPERATOR)).toBe('lifted');
    expect(await world.ledger.grants.mintIsActive(before.mint)).toBe(false);
    const after = await world.live({ subject: 'l' });
    expect(await world.ledger.grants.mintIsActive(after.mint)).toBe(true);
    expect(await world.ledger.reaping.unsweptOrders()).toContain(order);
    expect(await world.ledger.reaping.sweep(order, 500)).toEqual({ moved: 1, done: true });
    expect(await world.grant(before.grant)).toMatchObject({ state: 'ending', order_id: order });
    expect(await world.grant(after.grant)).toMatchObject({ state: 'active' });
  });
});

test('a dry run counts and writes nothing', async () => {
  await world.live({ subject: 'dry', provider: 'one' });
  await world.open({ subject: 'dry', provider: 'two' });
  const ending = await world.live({ subject: 'dry', provider: 'two' });
  await world.revoke(ending);
  const before = await everything();
  expect(await world.ledger.orders.countMatching(agent('dry'))).toEqual({ one: 1, two: 1 });
  expect(await world.ledger.orders.countMatching(agent('nobody'))).toEqual({});
  expect(await everything()).toBe(before);
});
