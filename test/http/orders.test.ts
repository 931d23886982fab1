import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';

let broker: RunningBroker;
let other: Replica;
let security: string;
let second: string;
beforeAll(async () => {
  broker = await startRunningBroker();
  other = await broker.replica();
  security = broker.people.operator('security', 'alice');
  second = broker.people.operator('security', 'bob');
});
afterEach(async () => {
  await complete((await order({ selector: { all: true }, block: false })).body['id']);
});
afterAll(() => broker.close());

const issue = (who: string, json: object, via: Replica = broker) =>
  via.ask('POST', '/v1/grants', { as: broker.people.workload(who), json: { purpose: 'test', ...json } });
const order = (json: object, as = security) =>
  broker.ask('POST', '/v1/revocations', { as, json: { reason: 'test', ...json } });
const lift = (id: unknown, as: string, via: Replica = broker) =>
  via.ask('POST', `/v1/revocations/${String(id)}/lift`, { as, json: { reason: 'over' } });
const stateOf = async (grant: Readonly<Record<string, unknown>>) =>
  (await broker.ask('GET', `/v1/grants/${String(grant['id'])}`, { as: security })).body;

async function complete(id: unknown): Promise<Readonly<Record<string, unknown>>> {
  for (;;) {
    const { body } = await other.ask('GET', `/v1/revocations/${String(id)}`, { as: security });
    if (body['state'] === 'complete') return body;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Each selector, what it covers of a workload's two grants, and which of the two it blocks from then on. */
const SELECTORS = [
  { kind: 'agent', value: ({ who }: World) => `spiffe://test.example/${who}`, ends: ['lookup', 'orders-read'] },
  { kind: 'task', value: ({ grants }: World) => grants['lookup']?.['task'], ends: ['lookup'], blocks: [] },
  { kind: 'profile', value: () => 'lookup', ends: ['lookup'] },
  { kind: 'owner', value: () => 'payments', ends: ['lookup'] },
  { kind: 'environment', value: () => 'test', ends: ['lookup', 'orders-read'] },
  { kind: 'provider', value: () => 'orders-db', ends: ['orders-read'] },
  { kind: 'all', value: () => true, ends: ['lookup', 'orders-read'] },
] as const;
const PROFILES = ['lookup', 'orders-read'] as const;
interface World {
  readonly who: string;
  readonly grants: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

test.each(SELECTORS)(
  'by $kind: what it covers ends, is refused everywhere, and is given again once lifted',
  async (row) => {
    const { kind, value, ends } = row;
    const blocks: readonly string[] = 'blocks' in row ? row.blocks : ends;
    const who = `agent/by-${kind}`;
    const issued = await Promise.all(PROFILES.map((profile) => issue(who, { profile })));
    const grants: World['grants'] = Object.fromEntries(issued.map(({ body }) => [String(body['profile']), body]));
    const selector = { [kind]: value({ who, grants }) };

    const preview = await order({ selector, dry_run: true });
    expect([preview.status, preview.body['dry_run'], preview.body['matched']]).toEqual([200, true, ends.length]);
    for (const grant of Object.values(grants)) expect((await stateOf(grant))['state']).toBe('active');

    const created = await order({ selector });
    const { id } = created.body;
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      id: expect.stringMatching(/^o/),
      selector,
      matched: ends.length,
      block: true,
      lifted: false,
    });

    for (const via of [broker, other]) {
      for (const profile of PROFILES) {
        const { status, body } = await issue(who, { profile }, via);
        const want = blocks.includes(profile) ? [409, 'under_order', id] : [201, undefined, undefined];
        expect([profile, status, body['code'], body['order']]).toEqual([profile, ...want]);
      }
    }
    const done = await complete(id);
    expect(done['matched']).toBe(ends.length);
    const counts = Object.values(done['by_provider'] as Record<string, Record<string, number>>);
    expect(counts.reduce((sum, count) => sum + (count['revoked'] ?? 0), 0)).toBe(ends.length);
    for (const profile of PROFILES) {
      const want = (ends as readonly string[]).includes(profile)
        ? { state: 'revoked', why: 'order', order: id }
        : { state: 'active', order: null };
      expect(await stateOf(grants[profile] ?? {})).toMatchObject(want);
    }

    if (kind === 'all') expect((await lift(id, second, other)).status).toBe(202);
    const lifted = await lift(id, security, other);
    expect([lifted.status, lifted.body['lift'], lifted.body['lifted']]).toEqual([200, 'lifted', true]);
    for (const profile of PROFILES) expect((await issue(who, { profile })).status).toBe(201);
    expect(await stateOf(grants[ends[0]] ?? {})).toMatchObject({ state: 'revoked' });
  },
);

test('what stands is listed, page after page, for whoever did not give it', async () => {
  const auditor = broker.people.operator('auditor', 'carol');
  const list = (query: string, as = auditor) => other.ask('GET', `/v1/revocations${query}`, { as });
  const given: unknown[] = [];
  for (const agent of ['a', 'b', 'c']) {
    given.unshift((await order({ selector: { agent: `spiffe://test.example/agent/listed-${agent}` } })).body['id']);
  }
  const [newest, middle, oldest] = given;
  await order({ selector: { agent: 'spiffe://test.example/agent/only-ended' }, block: false });
  await lift(middle, security);

  const pages: unknown[] = [];
  let query = '?blocking=true&limit=1';
  for (;;) {
    const { status, body } = await list(query);
    expect(status).toBe(200);
    const [one, ...more] = body['orders'] as Readonly<Record<string, unknown>>[];
    expect([more, one?.['block'], one?.['lifted'], one?.['created_by']]).toEqual([
      [],
      true,
      false,
      { kind: 'operator', issuer: expect.any(String), subject: 'alice' },
    ]);
    pages.push(one?.['id']);
    if (body['next_cursor'] === undefined) break;
    query = `?blocking=true&limit=1&cursor=${String(body['next_cursor'])}`;
  }
  expect(pages).toEqual([newest, oldest]);
  const others = (await list('?blocking=false')).body['orders'] as Readonly<Record<string, unknown>>[];
  expect(others.map(({ id }) => id)).toContain(middle);
  for (const each of others) expect(each['block'] === false || each['lifted']).toBe(true);

  expect((await list('?blocking=maybe')).status).toBe(400);
  expect((await list('?cursor=o1')).status).toBe(400);
  expect((await list('', broker.people.operator('platform', 'dan'))).code).toBe('role_missing');
  expect((await list('', broker.people.workload('agent/listed-a'))).code).toBe('not_an_operator');
  for (const id of [newest, oldest]) await lift(id, security);
});

test('who asked first to lift an order over everything is told to the second', async () => {
  const { body } = await order({ selector: { all: true } });
  await lift(body['id'], security);
  const seen = await other.ask('GET', '/v1/revocations?blocking=true', { as: second });
  expect(seen.body['orders']).toEqual([
    expect.objectContaining({
      id: body['id'],
      selector: { all: true },
      lift_requested_at: expect.stringMatching(/Z$/),
      lift_requested_by: expect.objectContaining({ subject: 'alice' }),
    }),
  ]);
  expect((await lift(body['id'], second)).status).toBe(200);
});

test('over what is no task’s id: refused, for it would cover nothing', async () => {
  const { body: grant } = await issue('agent/slip', { profile: 'lookup' });
  for (const task of [grant['id'], `${String(grant['task'])} `, String(grant['task']).slice(0, -1), '*']) {
    const { status, body } = await order({ selector: { task }, dry_run: true });
    expect([task, status, body['errors']]).toEqual([
      task,
      400,
      [{ path: 'selector.task', problem: 'is not the id of a task' }],
    ]);
  }
});

test('an order touches nothing outside its selector', async () => {
  const [mine, others] = await Promise.all([
    issue('agent/in', { profile: 'lookup' }),
    issue('agent/in/side', { profile: 'lookup' }),
  ]);
  const { body } = await order({ selector: { agent: 'spiffe://test.example/agent/in' } });
  await complete(body['id']);
  expect(await stateOf(mine.body)).toMatchObject({ state: 'revoked' });
  expect(await stateOf(others.body)).toMatchObject({ state: 'active', order: null });
  expect((await issue('agent/in/side', { profile: 'lookup' })).status).toBe(201);
});

test('an order counts from its commit, before anything is swept: no renewal on any replica, and that is on record', async () => {
  const who = 'agent/renews';
  const { body: grant } = await issue(who, { profile: 'lookup' });
  await broker.database.pool.query('alter function sweep_order(text, integer) rename to not_yet');
  try {
    const { body } = await order({ selector: { agent: `spiffe://test.example/${who}` } });
    for (const via of [broker, other]) {
      const path = `/v1/grants/${String(grant['id'])}/renew`;
      const renewal = await via.ask('POST', path, { as: broker.people.workload(who), json: {} });
      expect([renewal.status, renewal.code, renewal.body['order']]).toEqual([409, 'under_order', body['id']]);
    }
    const { rows } = await broker.database.pool.query(
      `select distinct action, code, outcome from decisions where subject like '%/agent/renews' and code is not null`,
    );
    expect(rows).toEqual([{ action: 'renew', code: 'under_order', outcome: 'deny' }]);
    const seen = await other.ask('GET', `/v1/revocations/${String(body['id'])}`, { as: security });
    expect(seen.body).toMatchObject({
      state: 'sweeping',
      matched: 1,
      by_provider: { tools: { matched: 1, pending: 1 } },
    });
  } finally {
    await broker.database.pool.query('alter function not_yet(text, integer) rename to sweep_order');
  }
});

test('an order that does not block ends what is there and nothing else', async () => {
  const first = await issue('agent/free', { profile: 'lookup' });
  const { body } = await order({ selector: { agent: 'spiffe://test.example/agent/free' }, block: false });
  expect(body['block']).toBe(false);
  await complete(body['id']);
  expect(await stateOf(first.body)).toMatchObject({ state: 'revoked', why: 'order' });
  expect((await issue('agent/free', { profile: 'lookup' })).status).toBe(201);
});

test('what was ordered for all is lifted by two', async () => {
  const { body } = await order({ selector: { all: true } });
  const { id } = body;
  const asked = await lift(id, security);
  expect([asked.status, asked.body['lift'], asked.body['lifted']]).toEqual([202, 'lift_requested', false]);
  const again = await lift(id, security);
  expect([again.status, again.code]).toEqual([409, 'lift_needs_another_operator']);
  expect((await issue('agent/any', { profile: 'lookup' })).code).toBe('under_order');
  expect((await lift(id, second)).status).toBe(200);
  const over = await lift(id, second);
  expect([over.status, over.code]).toEqual([409, 'already_lifted']);
  expect((await issue('agent/any', { profile: 'lookup' })).status).toBe(201);
});

test('while it is swept every answer counts the same grants', async () => {
  await Promise.all(Array.from({ length: 30 }, () => issue('agent/many', { profile: 'lookup' })));
  const { body } = await order({ selector: { agent: 'spiffe://test.example/agent/many' } });
  const told = [body];
  while (told.at(-1)?.['state'] !== 'complete') {
    const path = `/v1/revocations/${String(body['id'])}`;
    const answers = await Promise.all([broker, other].map((via) => via.ask('GET', path, { as: security })));
    told.push(...answers.map((answer) => answer.body));
  }
  expect(new Set(told.map(({ matched }) => matched))).toEqual(new Set([30]));
});

test('an order that is not there', async () => {
  const answer = await lift('o000000000000000000000', security);
  expect([answer.status, answer.code]).toEqual([404, 'not_found']);
});
