import { createHash } from 'node:crypto';
import type { JsonObject } from '../../src/domain/json.ts';
import { startCalls, reasonOf } from './world.ts';
import type { Calls, Decision } from './world.ts';

/** One call: AuthZEN 1.0, *Access Evaluation API*. */
let world: Calls;
let grant: { id: string; task: string };
beforeAll(async () => {
  world = await startCalls();
  grant = await world.grant();
});
afterAll(() => world.close());

const ID = expect.stringMatching(/^d[0-9a-z]{21}$/);
const refund = (given: JsonObject, more: JsonObject = {}) =>
  world.question({ tool: 'refund', context: { grant: grant.id, arguments: given, ...more } });
const rowOf = async ({ context }: Decision) =>
  (await world.rows('select * from decisions where id = $1', context['id']))[0];

test('an allow, with its decision, the policies and what is to be done beside it', async () => {
  const answer = await world.evaluate(refund({ order: '4711', amount: 9.99 }));
  expect(answer).toEqual({
    decision: true,
    context: {
      id: ID,
      generation: 1,
      policies: ['agents-call'],
      obligations: [
        {
          id: 'report',
          type: 'urn:writ:obligation:report-outcome',
          properties: { endpoint: `https://writ.test/v1/tool-calls/${String(answer.context['id'])}/outcome` },
        },
      ],
    },
  });
  expect(await rowOf(answer)).toMatchObject({
    action: 'call',
    resource: 'refund',
    subject: 'spiffe://test.example/agent/one',
    outcome: 'allow',
    grant_id: grant.id,
    task_id: grant.task,
    controls: ['TEST:CALL'],
    inputs: {
      action: 'call',
      resource: { tool: 'refund', declared: 'refund', effect: 'purchase', owner: 'payments', environment: 'test' },
      context: { arguments: { order: '4711', amount_cents: 999 }, grant: { profile: 'lookup', parameters: {} } },
    },
  });
});

test('by its name in the mapping of MCP as well', async () => {
  expect(await world.evaluate({ ...world.question(), action: { name: 'tools/call' } })).toMatchObject({
    decision: true,
  });
});

describe('a deny is a 200 that says why', () => {
  interface Row {
    readonly name: string;
    readonly ask: () => JsonObject;
    readonly want: object;
    readonly policies?: string[];
  }
  const rows: Row[] = [
    { name: 'a tool that nobody knows', ask: () => world.question({ tool: 'nope' }), want: { reason: 'unknown_tool' } },
    { name: 'called like a pattern', ask: () => world.question({ tool: 'mcp.*' }), want: { reason: 'unknown_tool' } },
    {
      name: 'a resource that is no tool',
      ask: () => ({ ...world.question(), resource: { type: 'file', id: 'search' } }),
      want: { reason: 'unknown_tool' },
    },
    {
      name: 'another action',
      ask: () => ({ ...world.question(), action: { name: 'read' } }),
      want: { reason: 'unknown_action' },
    },
    {
      name: 'no policy permits it',
      ask: () => world.question({ tool: 'mcp.forbidden' }),
      want: { reason: 'policy_denied' },
      policies: [],
    },
    {
      name: 'one forbids it, on its arguments',
      ask: () => refund({ order: '13', amount: 1 }),
      want: { reason: 'policy_denied' },
      policies: ['no-order-thirteen'],
    },
    {
      name: 'above a limit that denies',
      ask: () => world.question({ tool: 'cancel', context: { arguments: { orders: ['1', '2', '3', '4'] } } }),
      want: { reason: 'over_limit', argument: 'count', max: 3 },
      policies: ['agents-call'],
    },
    {
      name: 'above one that asks',
      ask: () => refund({ order: '4711', amount: 500.01 }),
      want: { reason: 'approval_required', argument: 'amount_cents', max: 50000 },
      policies: ['agents-call'],
    },
    {
      name: 'on approval by a policy',
      ask: () => world.question({ tool: 'mcp.night' }),
      want: { reason: 'approval_required' },
      policies: ['nights-need-approval'],
    },
    {
      name: 'without the grant that it needs',
      ask: () => world.question({ tool: 'refund', context: { arguments: { order: '1', amount: 1 } } }),
      want: { reason: 'grant_required', profiles: ['lookup', 'ticket'] },
    },
    {
      name: 'arguments that do not fit',
      ask: () => refund({ order: '4711', amount: '9.99' }),
      want: { reason: 'invalid_arguments', path: '/amount', problem: 'type' },
    },
    {
      name: 'arguments that nobody asked for',
      ask: () => refund({ order: '4711', amount: 1, force: true }),
      want: { reason: 'invalid_arguments', path: '/force', problem: 'additionalProperties' },
    },
    {
      name: 'arguments that cannot be mapped',
      ask: () => refund({ order: '4711', amount: 1.005 }),
      want: { reason: 'mapping_failed', argument: 'amount_cents' },
    },
    {
      name: 'a grant that is none',
      ask: () => refund({ order: '4711', amount: 1 }, { grant: 'gnone' }),
      want: { reason: 'grant_not_active' },
    },
    {
      name: 'a task that is none',
      ask: () => world.question({ context: { task: 'tnone' } }),
      want: { reason: 'task_not_found' },
    },
  ];
  test.each(rows)('$name', async ({ ask, want, policies = [] }) => {
    const answer = await world.evaluate(ask());
    expect(answer.decision).toBe(false);
    expect(reasonOf(answer)).toEqual(want);
    expect(answer.context).toMatchObject({ id: ID, policies, obligations: [] });
    const { reason } = want as { reason: string };
    const outcome = reason === 'approval_required' ? 'approval' : 'deny';
    // Where an approval would help, and nowhere else, it says how one is asked for.
    expect('access_request' in answer.context).toBe(outcome === 'approval');
    expect(await rowOf(answer)).toMatchObject({ action: 'call', outcome, code: reason, policies });
  });
});

describe('grants', () => {
  test('one whose profile may not call it', async () => {
    const other = await world.grant('other');
    const answer = await world.evaluate(refund({ order: '1', amount: 1 }, { grant: other.id }));
    expect(reasonOf(answer)).toEqual({ reason: 'profile_may_not_call', profiles: ['lookup', 'ticket'] });
  });

  test('another workload’s', async () => {
    const theirs = await world.grant('lookup', { who: 'agent/two' });
    const answer = await world.evaluate(refund({ order: '1', amount: 1 }, { grant: theirs.id }));
    expect(reasonOf(answer)).toEqual({ reason: 'grant_not_active' });
    expect(await rowOf(answer)).toMatchObject({ grant_id: null, task_id: null });
  });

  test('its parameters are there for policies: one for an order is for that order', async () => {
    const { id } = await world.grant('ticket', { parameters: { ticket: '42' } });
    const ask = (order: string) => world.evaluate(refund({ order, amount: 1 }, { grant: id }));
    expect(await ask('42')).toMatchObject({ decision: true });
    expect(await ask('43')).toMatchObject({ decision: false, context: { policies: ['orders-of-the-grant'] } });
  });

  test('a tool that needs none takes one all the same, and refuses one that is not live', async () => {
    expect(await world.evaluate(world.question({ context: { grant: grant.id } }))).toMatchObject({ decision: true });
    expect(reasonOf(await world.evaluate(world.question({ context: { grant: 'g000000000000' } })))).toEqual({
      reason: 'grant_not_active',
    });
  });

  test('a task that is not the grant’s', async () => {
    const other = await world.grant();
    const answer = await world.evaluate(refund({ order: '1', amount: 1 }, { task: other.task }));
    expect(reasonOf(answer)).toEqual({ reason: 'outside_task', outside: ['grant'] });
  });
});

describe('a grant that was taken back', () => {
  const alarms = (id: string) =>
    world.rows<{ body: string }>(`select body from events where type = 'use.after_revocation' and grant_id = $1`, id);

  test.each([
    { name: 'another task', task: async () => (await world.grant()).task },
    { name: 'another workload’s', task: async () => (await world.grant('lookup', { who: 'agent/two' })).task },
    { name: 'none that there is', task: async () => 't0000000000000000000000' },
  ])('is that first of all, and an alarm, whatever task it is shown with: $name', async ({ task }) => {
    const { id } = await world.grant();
    await world.post(`/v1/grants/${id}/revoke`, { reason: 'a leak' });
    const context = { grant: id, task: await task(), arguments: { order: '1', amount: 1 } };
    const answer = await world.evaluate(world.question({ tool: 'refund', context }));
    expect(reasonOf(answer)).toEqual({ reason: 'grant_not_active' });
    expect(await rowOf(answer)).toMatchObject({ grant_id: id, code: 'grant_not_active' });
    expect(await alarms(id)).toHaveLength(1);
  });
});

describe('arguments', () => {
  test('are on record as a hash of their canonical text, whatever the sequence of their members', async () => {
    const hash = createHash('sha256').update('{"limit":3,"text":"x"}').digest('hex');
    for (const given of [
      { text: 'x', limit: 3 },
      { limit: 3, text: 'x' },
    ]) {
      const row = await rowOf(await world.evaluate(world.question({ context: { arguments: given } })));
      expect(row).toMatchObject({ arguments_hash: hash, arguments: given });
    }
  });

  test('and themselves only where the tool’s file says so, redacted', async () => {
    const secret = 'please-do-not-keep-this';
    const kept = await world.evaluate(refund({ order: '4711', amount: 1, note: secret }));
    expect(await rowOf(kept)).toMatchObject({ arguments: { order: '4711', amount: 1, note: '[redacted]' } });
    const none = await world.evaluate(world.question({ tool: 'own', context: { arguments: { text: secret } } }));
    expect(await rowOf(none)).toMatchObject({ arguments: null });
    const broken = await world.evaluate(refund({ order: 4711, note: secret }));
    expect(await rowOf(broken)).toMatchObject({ arguments: null, code: 'invalid_arguments' });
    const written = await world.rows(
      `select 1 from events where body like $1 union all select 1 from decisions where inputs::text like $1 or arguments::text like $1`,
      `%${secret}%`,
    );
    expect(written).toEqual([]);
  });

  test.each([
    { name: 'infinite', json: '{"limit": 1e999}', want: { path: '/limit', problem: 'number_not_exact' } },
    { name: 'U+0000', json: '{"text": "\\u0000"}', want: { path: '/text', problem: 'text_not_kept' } },
    {
      name: 'deep',
      json: `{"text": ${'['.repeat(20)}${']'.repeat(20)}}`,
      want: { path: `/text${'/0'.repeat(15)}`, problem: 'too_deep' },
    },
    { name: 'large', json: `{"text": "${'x'.repeat(40_000)}"}`, want: { path: '', problem: 'too_large' } },
  ])('$name: denied, with the place', async ({ json, want }) => {
    const body = `{"action":{"name":"call"},"resource":{"type":"tool","id":"search"},"context":{"arguments":${json}}}`;
    const answer = await world.ask('POST', '/access/v1/evaluation', {
      as: world.people.workload('agent/one'),
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(200);
    expect(reasonOf(JSON.parse(answer.text) as Decision)).toEqual({ reason: 'invalid_arguments', ...want });
  });
});

describe('a request that is broken as a whole', () => {
  test.each<{ name: string; body: unknown; paths: string[] }>([
    { name: 'nothing', body: {}, paths: ['action', 'resource'] },
    { name: 'a list', body: [], paths: [''] },
    { name: 'without a resource', body: { action: { name: 'call' } }, paths: ['resource'] },
    {
      name: 'with one that is none',
      body: { action: { name: 'call' }, resource: { type: 'tool' } },
      paths: ['resource.id'],
    },
    {
      name: 'arguments that are none',
      body: { action: { name: 'call' }, resource: { type: 'tool', id: 'search' }, context: { arguments: [1] } },
      paths: ['context.arguments'],
    },
    {
      name: 'a grant and an approval that are no text: neither counts as none',
      body: {
        action: { name: 'call' },
        resource: { type: 'tool', id: 'search' },
        context: { grant: 5, approval: null },
      },
      paths: ['context.grant', 'context.approval'],
    },
  ])('$name: 400 with every fault', async ({ body, paths }) => {
    const answer = await world.post('/access/v1/evaluation', body);
    expect([answer.status, answer.code]).toEqual([400, 'invalid_request']);
    expect((answer.body['errors'] as { path: string }[]).map(({ path }) => path)).toEqual(paths);
  });

  test.each([
    { name: 'twice the same member', text: '{"amount": 1, "amount": 900}' },
    { name: 'once as an escape', text: '{"amount": 1, "\\u0061mount": 900}' },
    { name: 'deep inside a list', text: '{"a": [{"b": {"c": 1, "d": "}", "c": 2}}]}' },
  ])('$name: two readers could decide on two requests', async ({ text }) => {
    const before = (await world.rows('select count(*) from decisions'))[0];
    const answer = await world.ask('POST', '/access/v1/evaluation', {
      as: world.people.workload('agent/one'),
      body: `{"action":{"name":"call"},"resource":{"type":"tool","id":"own"},"context":{"arguments":${text}}}`,
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(400);
    expect(answer.body['errors']).toEqual([{ path: '', problem: 'has a member twice' }]);
    expect((await world.rows('select count(*) from decisions'))[0]).toEqual(before);
  });

  test('a long text that breaks off within an escape is no JSON', async () => {
    const { status, code } = await world.ask('POST', '/access/v1/evaluation', {
      as: world.people.workload('agent/one'),
      body: `{"${'a'.repeat(5_000)}\\`,
      headers: { 'content-type': 'application/json' },
    });
    expect([status, code]).toEqual([400, 'invalid_request']);
  });

  test('and in another encoding than everybody reads', async () => {
    const text = JSON.stringify(world.question());
    const answer = await world.ask('POST', '/access/v1/evaluation', {
      as: world.people.workload('agent/one'),
      body: Buffer.from(text, 'utf16le'),
      headers: { 'content-type': 'application/json; charset=utf-16le' },
    });
    expect(answer.status).toBe(400);
  });
});

test('members that are not known are ignored, as the standard says', async () => {
  const more = { ...world.question({ context: { arguments: {}, time: 'now' } }), more: 1, options: {} };
  const inside = {
    ...more,
    action: { name: 'call', properties: { x: 1 } },
    resource: { type: 'tool', id: 'search', properties: {} },
  };
  expect(await world.evaluate(inside)).toMatchObject({ decision: true });
});

test.each([
  'bfe9eb29-ab87-4ca3-be83-a1d5d8305716',
  'any text, with <brackets> & 100 characters '.padEnd(100, 'x').trim(),
])('the request’s id comes back as it was: %s', async (id) => {
  const answer = await world.post('/access/v1/evaluation', world.question(), { headers: { 'x-request-id': id } });
  expect([answer.status, answer.headers['x-request-id']]).toEqual([200, id]);
  const broken = await world.post('/access/v1/evaluations', [], { headers: { 'x-request-id': id } });
  expect([broken.status, broken.headers['x-request-id']]).toEqual([400, id]);
});

test('who nothing verifies gets a 401, an operator a 403', async () => {
  expect((await world.ask('POST', '/access/v1/evaluation', { json: world.question() })).status).toBe(401);
  const operator = world.people.operator('security');
  const answer = await world.ask('POST', '/access/v1/evaluation', { as: operator, json: world.question() });
  expect([answer.status, answer.code]).toEqual([403, 'not_a_workload']);
});

test('a task token that nobody reads does not count as none', async () => {
  const answer = await world.post('/access/v1/evaluation', world.question(), { headers: { 'txn-token': 'x.y.z' } });
  expect(answer.status).toBeGreaterThanOrEqual(400);
});

test('metadata names what is there', async () => {
  const { status, body } = await world.ask('GET', '/.well-known/authzen-configuration');
  expect([status, body]).toEqual([
    200,
    {
      policy_decision_point: 'https://writ.test',
      access_evaluation_endpoint: 'https://writ.test/access/v1/evaluation',
      access_evaluations_endpoint: 'https://writ.test/access/v1/evaluations',
      access_request_endpoint: 'https://writ.test/access/v1/requests',
      jwks_uri: 'https://writ.test/.well-known/jwks.json',
      capabilities: ['urn:openid:authzen:capability:access-request'],
    },
  ]);
});

test('decisions are counted by why not', async () => {
  const { text } = await world.ask('GET', '/metrics');
  expect(text).toMatch(/writ_call_decisions_total\{code="allow"\} \d/);
  expect(text).toMatch(/writ_call_decisions_total\{code="unknown_tool"\} \d/);
});
