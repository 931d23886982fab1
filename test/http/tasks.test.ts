import { createRemoteJWKSet, jwtVerify } from 'jose';
import { base64url } from '../support/issuer.ts';
import { AUDIENCE } from '../support/people.ts';
import { startTaskBroker, TASK } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';
import { until } from '../support/waiting.ts';

/** Tasks that are made beforehand: what they say, whom they are for, who is on them, and what ends with them. */
let broker: TaskBroker;
beforeAll(async () => {
  broker = await startTaskBroker({
    tasks: { default_life: '1h', max_life: '8h' },
    operators: {
      trust: [
        {
          issuer: 'https://sso.test',
          audience: 'writ-operators',
          jwks: { file: 'operators.json' },
          roles: {
            platform: { groups: ['platform'] },
            security: [
              { groups: ['security'] },
              { groups: ['staging-only'], environments: ['staging'] },
              { groups: ['payments-only'], owners: ['payments'] },
            ],
            auditor: { groups: ['auditor'] },
          },
        },
      ],
    },
  });
});
afterAll(() => broker.close());

const seconds = (from: unknown, to: unknown) => Math.round((Date.parse(String(to)) - Date.parse(String(from))) / 1000);
const hence = (s: number) => new Date(Date.now() + s * 1000).toISOString();
const show = (id: string, as: string) => broker.ask('GET', `/v1/tasks/${id}`, { as });
const end = (id: string, as: string) => broker.ask('POST', `/v1/tasks/${id}/end`, { as, json: { reason: 'done' } });
const agent = (name: string) => broker.people.workload(name);

describe('making one', () => {
  test('is a decision, and answers with the task and its token', async () => {
    const { status, body, headers } = await broker.create('agent/one', {
      environments: ['staging', 'production'],
      profiles: ['lookup'],
      tools: [],
      parameters: { month: ['2026-11'] },
      max_grants: 3,
      max_ttl_seconds: 120,
    });
    expect([status, headers['cache-control']]).toEqual([201, 'no-store']);
    expect(body).toMatchObject({
      ...TASK,
      state: 'open',
      parent: null,
      root: body['id'],
      hop: 0,
      trust: 'mesh',
      subject: 'spiffe://test.example/agent/one',
      on_behalf_of: null,
      environments: ['staging', 'production'],
      profiles: ['lookup'],
      tools: [],
      parameters: { month: ['2026-11'] },
      max_grants: 3,
      grants_used: 0,
      max_calls: null,
      max_ttl_seconds: 120,
      ends_at_decided_by: 'default',
      decision: { generation: 1, policies: ['make'] },
      token: expect.any(String),
    });
    expect(seconds(body['created_at'], body['ends_at'])).toBe(3_600);
    const { id } = body['decision'] as { id: string };
    const { rows } = await broker.database.pool.query(
      'select action, outcome, mode, task_id, inputs from decisions where id = $1',
      [id],
    );
    expect(rows[0]).toMatchObject({
      ...{ action: 'create_task', outcome: 'allow', mode: 'autonomous', task_id: body['id'] },
      inputs: {
        context: { task: { purpose: TASK.purpose, environments: ['staging', 'production'], implicit: false } },
      },
    });
  });

  test('lives as long as the shortest of all that apply', async () => {
    const life = async (json: object) => {
      const { body } = await broker.create('agent/one', json);
      return [seconds(body['created_at'], body['ends_at']), body['ends_at_decided_by']];
    };
    expect(await life({ ends_at: hence(600) })).toEqual([600, 'request']);
    expect(await life({ ends_at: hence(90_000) })).toEqual([28_800, 'max']);
    expect(await life({ ends_at: hence(600), purpose: 'brief look' })).toEqual([90, 'policy:make-brief']);
    expect(await life({ on_behalf_of: { token: broker.person('ada') } })).toEqual([600, 'principal']);
  });

  test.each<{ name: string; json: object; status: number; code: string; policies?: string[] }>([
    { name: 'no policy permits it', json: { environment: 'moon' }, status: 403, code: 'policy_denied', policies: [] },
    {
      name: 'a forbid',
      json: { purpose: 'locked' },
      status: 403,
      code: 'policy_denied',
      policies: ['no-locked-tasks'],
    },
    {
      name: 'on approval only, which tasks cannot wait for',
      json: { purpose: 'asks' },
      status: 403,
      code: 'approval_required',
    },
    { name: 'an end that has passed', json: { ends_at: '2020-01-01T00:00:00Z' }, status: 400, code: 'invalid_request' },
    {
      name: 'an environment that is not among its own',
      json: { environments: ['production'] },
      status: 400,
      code: 'invalid_request',
    },
    { name: 'no purpose', json: { purpose: '' }, status: 400, code: 'invalid_request' },
    { name: 'an unknown member', json: { parent: 't000000000000000000000' }, status: 400, code: 'invalid_request' },
    { name: 'an unknown mode', json: { mode: 'yolo' }, status: 400, code: 'invalid_request' },
    { name: 'a budget of nothing', json: { max_grants: 0 }, status: 400, code: 'invalid_request' },
    { name: 'a name that no scope can hold', json: { profiles: ['a b'] }, status: 400, code: 'invalid_request' },
  ])('refused: $name', async ({ json, status, code, policies }) => {
    const answer = await broker.create('agent/one', json);
    expect([answer.status, answer.code]).toEqual([status, code]);
    if (!policies) return;
    const { rows } = await broker.database.pool.query(
      'select action, outcome, code, policies from decisions order by at desc limit 1',
    );
    expect(rows[0]).toMatchObject({ action: 'create_task', outcome: 'deny', code, policies });
  });

  test('while another task is shown: a part of that one is handed on, and not a new one begun beside it', async () => {
    const { token } = await broker.task('agent/one');
    const answer = await broker.ask('POST', '/v1/tasks', {
      as: agent('agent/one'),
      json: TASK,
      headers: { 'Txn-Token': token },
    });
    expect([answer.status, answer.code]).toEqual([400, 'invalid_request']);
  });
});

describe('on whose behalf', () => {
  test('of somebody whose token a trust entry for principals verifies', async () => {
    const { body } = await broker.create('agent/one', {
      on_behalf_of: { token: broker.person('ada', ['accounting']) },
    });
    expect(body).toMatchObject({
      on_behalf_of: 'user:ada',
      principal: { id: 'user:ada', trust: 'corp', groups: ['accounting'], issuer: 'https://sso.test', subject: 'ada' },
    });
    const { status } = await broker.grant('agent/one', { task: body['id'] });
    expect(status).toBe(201);
  });

  test('of somebody whom a policy lets this workload name', async () => {
    const { body } = await broker.create('agent/biller', { on_behalf_of: 'customer:7' });
    expect(body).toMatchObject({ on_behalf_of: 'customer:7', principal: { id: 'customer:7' } });
    expect((body['decision'] as { policies: string[] }).policies).toEqual(['make', 'name']);
  });

  test.each<{ name: string; who: string; given: () => unknown; code: string; status?: number }>([
    {
      name: 'a name, of a workload that may not',
      who: 'agent/one',
      given: () => 'customer:7',
      code: 'principal_refused',
    },
    { name: 'another name', who: 'agent/biller', given: () => 'user:ada', code: 'principal_refused' },
    {
      name: 'a token of another audience',
      who: 'agent/one',
      given: () => ({ token: broker.person('ada', [], { aud: 'https://other.test' }) }),
      code: 'principal_refused',
    },
    {
      name: 'a token that has ended',
      who: 'agent/one',
      given: () => ({ token: broker.person('ada', [], { exp: 1 }) }),
      code: 'principal_refused',
    },
    {
      name: 'a workload’s own evidence',
      who: 'agent/one',
      given: () => ({ token: agent('agent/one') }),
      code: 'principal_refused',
    },
    { name: 'garbage', who: 'agent/one', given: () => ({ token: 'garbage' }), code: 'principal_refused' },
    {
      name: 'a member that is not known',
      who: 'agent/biller',
      given: () => ({ name: 'customer:7' }),
      code: 'invalid_request',
      status: 400,
    },
    {
      name: 'characters that nobody sees',
      who: 'agent/biller',
      given: () => 'customer:\u202e7',
      code: 'invalid_request',
      status: 400,
    },
  ])('refused: $name', async ({ who, given, code, status = 403 }) => {
    const answer = await broker.create(who, { on_behalf_of: given() });
    expect([answer.status, answer.code]).toEqual([status, code]);
    const single = await broker.grant(who, { on_behalf_of: given() });
    expect([single.status, single.code]).toEqual([status, code]);
  });

  test('a person’s token is nobody’s evidence', async () => {
    const { status, code } = await broker.ask('POST', '/v1/tasks', { as: broker.person('ada'), json: TASK });
    expect([status, code]).toEqual([401, 'evidence_invalid']);
  });

  test('also for a single call, whose grant lives no longer than they are vouched for', async () => {
    const verified = await broker.grant('agent/one', {
      profile: 'ledger',
      ttl_seconds: 3_600,
      on_behalf_of: { token: broker.person('ada', ['accounting']) },
    });
    expect(verified.status).toBe(201);
    expect(verified.body['ttl']).toMatchObject({ decided_by: 'task' });
    expect((verified.body['ttl'] as { seconds: number }).seconds).toBeLessThanOrEqual(600);
    const others = await broker.grant('agent/one', {
      profile: 'ledger',
      on_behalf_of: { token: broker.person('bob') },
    });
    expect(others.code).toBe('policy_denied');
    const { rows } = await broker.database.pool.query('select principal from tasks where id = $1', [
      verified.body['task'],
    ]);
    expect(rows[0]).toMatchObject({ principal: { id: 'user:ada', subject: 'ada' } });
    const named = await broker.grant('agent/biller', { on_behalf_of: 'customer:7' });
    expect(named.status).toBe(201);
  });

  test('with a task it is the task’s', async () => {
    const { id } = await broker.task('agent/biller', { on_behalf_of: 'customer:7' });
    const answer = await broker.grant('agent/biller', { task: id, on_behalf_of: 'customer:7' });
    expect([answer.status, answer.code]).toEqual([400, 'invalid_request']);
    const { body } = await broker.grant('agent/biller', { task: id });
    const shown = await broker.ask('GET', `/v1/grants/${String(body['id'])}`, { as: agent('agent/biller') });
    expect(shown.body).toMatchObject({ on_behalf_of: 'customer:7' });
  });

  test('lists and orders go by it', async () => {
    const security = broker.people.operator('security');
    const { id } = await broker.task('agent/biller', { on_behalf_of: 'customer:selected' });
    const { body: grant } = await broker.grant('agent/biller', { task: id });
    const list = await broker.ask('GET', '/v1/grants?on_behalf_of=customer:selected', { as: security });
    expect(list.body['grants']).toMatchObject([{ id: grant['id'] }]);
    const selector = { on_behalf_of: 'customer:selected' };
    const dry = await broker.ask('POST', '/v1/revocations', {
      as: security,
      json: { selector, reason: 'r', dry_run: true },
    });
    expect(dry.body).toMatchObject({ matched: 1 });
    const { body: order } = await broker.ask('POST', '/v1/revocations', {
      as: security,
      json: { selector, reason: 'r' },
    });
    expect(order).toMatchObject({ selector, matched: 1 });
    expect((await broker.grant('agent/biller', { task: id })).code).toBe('under_order');
    expect((await broker.create('agent/biller', selector)).code).toBe('under_order');
    await until(
      async () =>
        (await broker.ask('GET', `/v1/revocations/${String(order['id'])}`, { as: security })).body['state'] ===
        'complete',
    );
    await broker.ask('POST', `/v1/revocations/${String(order['id'])}/lift`, { as: security, json: { reason: 'r' } });
    expect((await broker.grant('agent/biller', { task: id })).status).toBe(201);
  });
});

describe('its token', () => {
  test('is a transaction token, by keys of its own', async () => {
    const { body } = await broker.create('agent/one', {
      on_behalf_of: { token: broker.person('ada') },
      profiles: ['lookup', 'charge'],
    });
    const keys = createRemoteJWKSet(new URL(`${broker.url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(String(body['token']), keys, {
      typ: 'txntoken+jwt',
      algorithms: ['ES256'],
    });
    expect(payload).toEqual({
      iss: AUDIENCE,
      aud: AUDIENCE,
      iat: expect.any(Number),
      exp: Math.floor(Date.parse(String(body['ends_at'])) / 1000),
      txn: body['id'],
      sub: 'user:ada',
      scope: 'profile:lookup profile:charge tool:*',
      req_wl: 'spiffe://test.example/agent/one',
      act: { sub: 'spiffe://test.example/agent/one' },
      tctx: {
        task: body['id'],
        trust: 'mesh',
        purpose: TASK.purpose,
        mode: 'autonomous',
        environment: 'staging',
        environments: ['staging'],
        principal: { id: 'user:ada', trust: 'corp', verified: true },
      },
      chain_metadata: { hop_count: 0 },
    });
    const { body: grant } = await broker.grant('agent/one');
    const { token: access } = grant['credential'] as { token: string };
    const header = JSON.parse(Buffer.from(access.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
    expect(header.kid).not.toBe(protectedHeader.kid);
  });

  test('says what task a call is on, and that is all that it says', async () => {
    const { id, token } = await broker.task('agent/one', { max_ttl_seconds: 60 });
    const { status, body } = await broker.grant('agent/one', {}, token);
    expect([status, body['task'], body['ttl']]).toEqual([201, id, { seconds: 60, decided_by: 'task' }]);
    expect((await broker.grant('agent/one', { task: id }, token)).status).toBe(201);
    const other = await broker.task('agent/one');
    const answer = await broker.grant('agent/one', { task: other.id }, token);
    expect([answer.status, answer.code]).toEqual([400, 'invalid_request']);
  });

  test('is no evidence', async () => {
    const { token } = await broker.task('agent/one');
    const answer = await broker.ask('POST', '/v1/grants', { as: token, json: { profile: 'lookup' } });
    expect(answer.status).toBe(401);
  });

  const reclaimed = (token: string, change: (claims: Record<string, unknown>) => object) => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    return `${header}.${base64url(JSON.stringify({ ...claims, ...change(claims) }))}.${signature}`;
  };
  test.each<{ name: string; who?: string; shown: (token: string) => string | Promise<string> }>([
    { name: 'in another’s hands', who: 'agent/thief', shown: (token) => token },
    { name: 'empty', shown: () => '' },
    { name: 'garbage', shown: () => 'garbage' },
    {
      name: 'with another task in it',
      shown: (token) =>
        reclaimed(token, ({ tctx }) => ({ tctx: { ...(tctx as object), task: 't000000000000000000000' } })),
    },
    { name: 'with a life of its own', shown: (token) => reclaimed(token, ({ exp }) => ({ exp: Number(exp) + 60 })) },
    { name: 'twice in one header', shown: (token) => `${token}, ${token}` },
    {
      name: 'an access token',
      shown: async () => ((await broker.grant('agent/one')).body['credential'] as { token: string }).token,
    },
    { name: 'the workload’s evidence', shown: () => agent('agent/one') },
  ])('$name: it is refused, and never passed over', async ({ who = 'agent/one', shown }) => {
    const { token } = await broker.task('agent/one');
    const text = await shown(token);
    const own = await broker.grant('agent/one');
    for (const path of ['', `/${String(own.body['id'])}/renew`, `/${String(own.body['id'])}/claim`]) {
      const json = path === '' ? { profile: 'lookup' } : {};
      const answer = await broker.ask('POST', `/v1/grants${path}`, {
        as: agent(who),
        json,
        headers: { 'Txn-Token': text },
      });
      expect([path, answer.status, answer.code]).toEqual([path, 403, 'task_token_invalid']);
    }
  });

  test('of another task than the grant’s is refused when that is renewed', async () => {
    const one = await broker.task('agent/one');
    const other = await broker.task('agent/one');
    const { body } = await broker.grant('agent/one', {}, one.token);
    const renew = (token: string) =>
      broker.ask('POST', `/v1/grants/${String(body['id'])}/renew`, {
        as: agent('agent/one'),
        json: {},
        headers: { 'Txn-Token': token },
      });
    expect((await renew(other.token)).code).toBe('task_token_invalid');
    expect((await renew(one.token)).status).toBe(201);
  });
});

describe('who sees it, and ends it', () => {
  test('its workload, one above, and operators; nobody else, and not one below', async () => {
    const root = await broker.task('agent/one');
    const part = await broker.handOn('agent/two', root.token);
    const below = await broker.handOn('agent/three', part.token);
    const statuses = async (id: string) => {
      const who = {
        one: agent('agent/one'),
        two: agent('agent/two'),
        three: agent('agent/three'),
        four: agent('agent/four'),
        auditor: broker.people.operator('auditor'),
      };
      return Object.fromEntries(
        await Promise.all(Object.entries(who).map(async ([name, as]) => [name, (await show(id, as)).status] as const)),
      );
    };
    expect(await statuses(root.id)).toEqual({ one: 200, two: 404, three: 404, four: 404, auditor: 200 });
    expect(await statuses(part.id)).toEqual({ one: 200, two: 200, three: 404, four: 404, auditor: 200 });
    expect(await statuses(below.id)).toEqual({ one: 200, two: 200, three: 200, four: 404, auditor: 200 });
    expect((await show(root.id, agent('agent/one'))).body['below']).toEqual([
      {
        id: part.id,
        parent: root.id,
        hop: 1,
        trust: 'mesh',
        subject: 'spiffe://test.example/agent/two',
        state: 'open',
      },
      {
        id: below.id,
        parent: part.id,
        hop: 2,
        trust: 'mesh',
        subject: 'spiffe://test.example/agent/three',
        state: 'open',
      },
    ]);

    expect((await end(root.id, agent('agent/three'))).code).toBe('not_found');
    expect((await end(root.id, broker.people.operator('auditor'))).code).toBe('role_missing');
    const ended = await end(part.id, agent('agent/one'));
    expect(ended.body).toMatchObject({
      state: 'ended',
      ended_why: 'ended',
      ended: { tasks: 2, grants: 0, done: true },
    });
    expect((await show(root.id, agent('agent/one'))).body['state']).toBe('open');
    expect((await end(root.id, broker.people.operator('security'))).body).toMatchObject({ ended_why: 'revoked' });
  });

  test('ending takes back what hangs off it and off all below, on every replica, at once', async () => {
    const other = await broker.replica();
    const root = await broker.task('agent/one');
    const part = await broker.handOn('agent/two', root.token);
    const grants = await Promise.all([
      broker.grant('agent/one', {}, root.token),
      broker.grant('agent/two', {}, part.token),
      broker.grant('agent/two', { task: part.id }),
      broker.grant('agent/two'),
    ]);
    expect((await end(root.id, agent('agent/one'))).body['ended']).toEqual({ tasks: 2, grants: 3, done: true });
    for (const via of [broker, other])
      expect((await broker.grant('agent/two', {}, part.token, via)).code).toBe('task_ended');
    expect((await broker.exchange('agent/three', part.token)).body).toMatchObject({
      error: 'invalid_request',
      error_description: 'task_ended',
    });
    const states = async () =>
      Promise.all(
        grants.map(
          async ({ body }) =>
            (await broker.ask('GET', `/v1/grants/${String(body['id'])}`, { as: broker.people.operator('auditor') }))
              .body['state'],
        ),
      );
    await until(async () => (await states()).join() === 'revoked,revoked,revoked,active');
    await other.stop();
  });

  test('operators whose role is limited to environments: a task that reaches further is not there for them', async () => {
    const staging = await broker.task('agent/one');
    const both = await broker.task('agent/one', { environments: ['staging', 'production'] });
    const limited = broker.people.operator(undefined, 'lim', { groups: ['staging-only'] });
    expect((await show(staging.id, limited)).status).toBe(200);
    expect((await show(both.id, limited)).code).toBe('not_found');
    expect((await end(both.id, limited)).code).toBe('not_found');
    const mixed = broker.people.operator(undefined, 'mix', { groups: ['staging-only', 'auditor'] });
    expect((await show(both.id, mixed)).status).toBe(200);
    expect((await end(both.id, mixed)).code).toBe('role_limited');
    expect((await end(staging.id, limited)).status).toBe(200);
    const payments = broker.people.operator(undefined, 'pay', { groups: ['payments-only'] });
    expect((await show(staging.id, payments)).code).toBe('not_found');
  });

  test.each(['nothing', 't000000000000000000000', 't%00'])('no such task: %s', async (id) => {
    expect((await show(id, agent('agent/one'))).code).toBe('not_found');
    expect((await end(id, broker.people.operator('security'))).code).toBe('not_found');
  });
});
