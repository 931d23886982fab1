import type { JsonObject } from '../../src/domain/json.ts';
import { startPgProxy } from '../support/pg-proxy.ts';
import type { PgProxy } from '../support/pg-proxy.ts';
import type { Replica } from '../support/running-broker.ts';
import { callRules } from '../support/tool-rules.ts';
import { until } from '../support/waiting.ts';
import { startCalls, reasonOf } from './world.ts';
import type { Calls, Decision } from './world.ts';

/** Decided afresh each time, against the state of that moment, on every replica; and closed when that cannot be. */
let world: Calls;
let replica: Replica;
let proxy: PgProxy;
beforeAll(async () => {
  world = await startCalls({
    ledgerVia: async (url) => {
      proxy = await startPgProxy(url);
      return proxy.url;
    },
  });
  replica = await world.replica();
});
afterAll(async () => {
  await world.close();
  proxy.close();
});

const refund = (grant: string): JsonObject =>
  world.question({ tool: 'refund', context: { grant, arguments: { order: '4711', amount: 1 } } });

async function onReplica(json: unknown): Promise<unknown> {
  const answer = await replica.ask('POST', '/access/v1/evaluation', { as: world.people.workload('agent/one'), json });
  return answer.status === 200 ? reasonOf(JSON.parse(answer.text) as Decision) : answer.code;
}

describe('the next call is denied', () => {
  test('after a revocation of its grant', async () => {
    const { id } = await world.grant();
    expect(await onReplica(refund(id))).toBe('allowed');
    await world.post(`/v1/grants/${id}/revoke`, { reason: 'a leak' });
    expect(await onReplica(refund(id))).toEqual({ reason: 'grant_not_active' });
    expect(reasonOf(await world.evaluate(refund(id)))).toEqual({ reason: 'grant_not_active' });
  });

  test('from an order’s commit on, until it is lifted', async () => {
    const { id } = await world.grant();
    const security = world.people.operator('security');
    const json = { selector: { owner: 'payments' }, reason: 'an incident' };
    const order = await world.ask('POST', '/v1/revocations', { as: security, json });
    const orderId = String(order.body['id']);
    expect(await onReplica(world.question())).toEqual({ reason: 'under_order', order: orderId });
    expect(await onReplica(refund(id))).toMatchObject({
      reason: expect.stringMatching(/^(under_order|grant_not_active)$/),
    });
    expect(await onReplica(world.question({ tool: 'own' }))).toBe('allowed'); // another owner's
    await replica.ask('POST', `/v1/revocations/${orderId}/lift`, { as: security, json: { reason: 'over' } });
    expect(await onReplica(world.question())).toBe('allowed');
  });

  test('after its time, before anybody has come to end it', async () => {
    const { id } = await world.grant();
    await world.rows(`update grants set expires_at = now() - interval '1 second' where id = $1`, id);
    expect(await onReplica(refund(id))).toEqual({ reason: 'grant_not_active' });
  });

  test('under rules that another replica has just activated', async () => {
    const rules = callRules({
      'policies/more.cedar':
        '@id("closed") forbid (principal, action == Action::"call", resource == Tool::"mcp.closed");',
    });
    expect(await onReplica(world.question({ tool: 'mcp.closed' }))).toBe('allowed');
    const platform = world.people.operator('platform');
    const applied = await world.ask('POST', '/v1/generations', { as: platform, json: { files: rules } });
    expect(applied.status).toBe(201);
    expect(await onReplica(world.question({ tool: 'mcp.closed' }))).toEqual({ reason: 'policy_denied' });
  });
});

describe('a task that was made beforehand', () => {
  async function task(columns: Record<string, unknown> = {}): Promise<string> {
    const id = `t${String(Math.random()).slice(2).padEnd(21, '0').slice(0, 21)}`;
    const row: Record<string, unknown> = { mode: 'autonomous', environment: 'test', purpose: 'count', ...columns };
    const [{ id: decision } = { id: '' }] = await world.rows<{ id: string }>(
      'select id from decisions order by at limit 1',
    );
    await world.rows(
      `insert into tasks (id, root_id, path, implicit, trust, subject, purpose, mode, environment, state, created_at, decision_id, tools, parameters, max_calls, on_behalf_of)
       values ($1, $1, array[$1], false, 'mesh', 'spiffe://test.example/agent/one', $2, $3, $4, 'open', now(), $5, $6, $7, $8, $9)`,
      id,
      row['purpose'],
      row['mode'],
      row['environment'],
      decision,
      row['tools'] === undefined ? null : JSON.stringify(row['tools']),
      JSON.stringify(row['parameters'] ?? {}),
      row['max_calls'] ?? null,
      row['on_behalf_of'] ?? null,
    );
    return id;
  }
  beforeAll(() => world.evaluate(world.question()));
  const on = (id: string, tool = 'search', given: JsonObject = {}) =>
    world.question({ tool, context: { task: id, arguments: given } });
  const said = async (json: unknown) => reasonOf(await world.evaluate(json));

  test('is on the decision, with its mode and on whose behalf', async () => {
    const id = await task({ on_behalf_of: 'user:ada', purpose: 'close the books' });
    const answer = await world.evaluate(on(id));
    const [row] = await world.rows('select * from decisions where id = $1', answer.context['id']);
    expect(row).toMatchObject({
      task_id: id,
      mode: 'autonomous',
      on_behalf_of: 'user:ada',
      inputs: { context: { task: { purpose: 'close the books', implicit: false }, onBehalfOf: 'user:ada' } },
    });
  });

  test('bounds the tools, the environment and the parameters', async () => {
    expect(await said(on(await task({ tools: ['search'] })))).toBe('allowed');
    expect(await said(on(await task({ tools: ['refund'] })))).toEqual({ reason: 'outside_task', outside: ['tool'] });
    expect(await said(on(await task({ environment: 'production' })))).toEqual({
      reason: 'outside_task',
      outside: ['environment'],
    });
    const bound = await task({ parameters: { limit: ['5'], orders: ['1', '2'] } });
    expect(await said(on(bound, 'search', { limit: 5 }))).toEqual({
      reason: 'outside_task',
      outside: ['parameters.orders'],
    });
    const limit = await task({ parameters: { limit: ['5'] } });
    expect(await said(on(limit, 'search', { limit: 5 }))).toBe('allowed');
    expect(await said(on(limit, 'search', { limit: 6 }))).toEqual({
      reason: 'outside_task',
      outside: ['parameters.limit'],
    });
    expect(await said(on(limit, 'search'))).toEqual({ reason: 'outside_task', outside: ['parameters.limit'] });
    const orders = await task({ parameters: { orders: ['1', '2'] } });
    expect(await said(on(orders, 'cancel', { orders: ['2', '1'] }))).toBe('allowed');
    expect(await said(on(orders, 'cancel', { orders: ['2', '3'] }))).toEqual({
      reason: 'outside_task',
      outside: ['parameters.orders'],
    });
  });

  test('observes: what would be is on record, and nothing may be called', async () => {
    expect(await said(on(await task({ mode: 'observe' })))).toEqual({ reason: 'task_observes', would: 'allow' });
  });

  test('supervised: what changes something waits for a person', async () => {
    const id = await task({ mode: 'supervised' });
    expect(await said(on(id))).toBe('allowed');
    expect(await said(on(id, 'cancel', { orders: ['1'] }))).toEqual({ reason: 'approval_required' });
  });

  test('has a budget of calls', async () => {
    const id = await task({ max_calls: 2 });
    const codes = await Promise.all(Array.from({ length: 5 }, () => said(on(id))));
    expect(codes.filter((code) => code === 'allowed')).toHaveLength(2);
    expect(codes.filter((code) => code !== 'allowed')).toEqual(
      Array.from({ length: 3 }, () => ({ reason: 'task_budget_spent' })),
    );
  });

  test('has a budget that is spent in the sequence of a large batch, over both of its commits', async () => {
    const id = await task({ max_calls: 80 });
    const answers = await world.evaluateAll({ evaluations: Array.from({ length: 100 }, () => on(id)) });
    expect(answers.map(reasonOf)).toEqual(
      answers.map((_, n) => (n < 80 ? 'allowed' : { reason: 'task_budget_spent' })),
    );
    expect(await said(on(id))).toEqual({ reason: 'task_budget_spent' });
  });

  test('that has ended, or is another’s, is none', async () => {
    const ended = await task();
    await world.rows(`update tasks set state = 'ended', ended_at = now(), ended_why = 'ended' where id = $1`, ended);
    expect(await said(on(ended))).toEqual({ reason: 'task_ended' });
    const theirs = await world.evaluate(on(await task()), { as: 'agent/two' });
    expect(reasonOf(theirs)).toEqual({ reason: 'task_not_found' });
  });
});

describe('closed, always', () => {
  test('while the ledger is away nothing is allowed, one or many, and it recovers by itself', async () => {
    const many = { ...world.question(), evaluations: [{}, {}] };
    expect((await world.post('/access/v1/evaluations', many)).status).toBe(200);
    proxy.refuse();
    proxy.drop();
    for (const [path, json] of [
      ['/access/v1/evaluation', world.question()],
      ['/access/v1/evaluations', many],
    ] as const) {
      const answer = await world.post(path, json);
      expect([answer.status, answer.code]).toEqual([503, 'ledger_unavailable']);
      expect(answer.text).not.toContain('"decision":true');
    }
    expect((await world.ask('GET', '/readyz')).status).toBe(503);
    await proxy.resume();
    await until(async () => (await world.post('/access/v1/evaluation', world.question())).status === 200);
    expect(await world.evaluate(world.question())).toMatchObject({ decision: true });
  });

  test('without rules nothing is decided', async () => {
    const bare = await startCalls({ rules: null });
    try {
      const answer = await bare.post('/access/v1/evaluation', bare.question());
      expect([answer.status, answer.code]).toEqual([503, 'no_generation']);
    } finally {
      await bare.close();
    }
  });
});
