import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { AUDIENCE } from '../support/people.ts';
import { startTaskBroker, TXN_TOKEN } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';

/** A task that is handed on: never wider, never in circles, never after its end, and each hop on record. */
let broker: TaskBroker;
beforeAll(async () => {
  broker = await startTaskBroker({ tasks: { max_hops: 3 } });
});
afterAll(() => broker.close());

const REACH = { environments: ['staging', 'production'] };
const lead = (json: object = {}) => broker.task('agent/lead', { ...REACH, ...json });
const decisions = async (task: string) =>
  (
    await broker.database.pool.query<Record<string, unknown>>(
      `select action, outcome, code, policies, subject, mode, inputs #> '{context,delegation}' as delegation, inputs #>> '{context,task,hop}' as hop
         from decisions where task_id = $1 order by at`,
      [task],
    )
  ).rows;

describe('handing on', () => {
  test('gives a task token of its own, which keeps what must stay and narrows the rest', async () => {
    const root = await lead({
      on_behalf_of: { token: broker.person('ada') },
      parameters: { month: ['2026-10', '2026-11'] },
      max_grants: 5,
    });
    const { status, body, headers } = await broker.exchange('agent/sub', root.token, {
      purpose: 'read November',
      environment: 'production',
      profiles: ['vault'],
      tools: [],
      parameters: { month: ['2026-11'] },
      mode: 'supervised',
      max_grants: 2,
      max_ttl_seconds: 60,
    });
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: TXN_TOKEN,
      token_type: 'N_A',
      expires_in: expect.any(Number),
      scope: 'profile:vault',
      task: expect.any(String),
    });
    const keys = createRemoteJWKSet(new URL(`${broker.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(String(body['access_token']), keys, {
      typ: 'txntoken+jwt',
      issuer: AUDIENCE,
      audience: AUDIENCE,
    });
    const before = decodeJwt(root.token);
    expect(payload).toEqual({
      ...before,
      iat: expect.any(Number),
      exp: expect.any(Number),
      scope: 'profile:vault',
      req_wl: 'spiffe://test.example/agent/lead,spiffe://test.example/agent/sub',
      act: { sub: 'spiffe://test.example/agent/sub', act: { sub: 'spiffe://test.example/agent/lead' } },
      tctx: {
        ...(before['tctx'] as object),
        task: body['task'],
        purpose: 'close the books > read November',
        mode: 'supervised',
        environment: 'production',
        environments: ['production'],
      },
      chain_metadata: { hop_count: 1 },
    });
    expect(Number(payload.exp)).toBeLessThanOrEqual(Number(before.exp));
    expect(Number(body['expires_in'])).toBeLessThanOrEqual(600);

    expect(await decisions(String(body['task']))).toMatchObject([
      {
        ...{
          action: 'delegate',
          outcome: 'allow',
          policies: ['take'],
          subject: 'spiffe://test.example/agent/sub',
          mode: 'supervised',
          hop: '1',
        },
        delegation: {
          from: { trust: 'mesh', id: 'spiffe://test.example/agent/lead' },
          root: { trust: 'mesh', id: 'spiffe://test.example/agent/lead' },
        },
      },
    ]);
    const event = (await broker.events('task.delegated')).at(-1);
    expect(event).toMatchObject({
      task: body['task'],
      principal: 'user:ada',
      facts: {
        parent: root.id,
        hop: 1,
        environments: ['production'],
        chain: [{ id: 'spiffe://test.example/agent/lead' }, { id: 'spiffe://test.example/agent/sub' }],
      },
    });
    const granted = await broker.grant('agent/sub', { profile: 'vault' }, String(body['access_token']));
    expect(granted.code).toBe('outside_task'); // which binds a parameter that this profile does not have
  });

  test('what is asked for on it is decided with its whole way in view', async () => {
    const root = await lead();
    const part = await broker.handOn('agent/sub', root.token, { environment: 'production' });
    expect((await broker.grant('agent/sub', { profile: 'vault' }, part.token)).status).toBe(201);
    expect((await broker.grant('agent/sub', { profile: 'vault' })).code).toBe('policy_denied');
    expect((await broker.grant('agent/lead', { profile: 'vault' }, root.token)).code).toBe('policy_denied');
    const foreign = await broker.task('agent/other', REACH);
    const third = await broker.handOn('agent/sub', foreign.token, { environment: 'production' });
    expect((await broker.grant('agent/sub', { profile: 'vault' }, third.token)).code).toBe('policy_denied');
  });

  test('by a scope, which is all that is wanted', async () => {
    const root = await lead();
    const exchange = (scope: string, details?: object) => broker.exchange('agent/sub', root.token, details, { scope });
    expect((await exchange('profile:vault tool:refund')).body['scope']).toBe('profile:vault tool:refund');
    expect((await exchange('profile:vault')).body['scope']).toBe('profile:vault');
    expect((await exchange('profile:*')).body['scope']).toBe('profile:*');
    expect((await exchange('vault')).body).toMatchObject({ error: 'invalid_scope' });
    expect((await exchange('profile:vault', { profiles: ['vault'] })).body).toMatchObject({ error: 'invalid_request' });
  });

  test.each<{ name: string; parent?: object; wish: object; wider: string }>([
    { name: 'another environment', wish: { environment: 'development' }, wider: 'environments' },
    {
      name: 'one environment more',
      parent: { environments: ['staging'] },
      wish: { environments: ['staging', 'production'] },
      wider: 'environments',
    },
    { name: 'a looser mode', parent: { mode: 'supervised' }, wish: { mode: 'autonomous' }, wider: 'mode' },
    { name: 'another profile', parent: { profiles: ['lookup'] }, wish: { profiles: ['vault'] }, wider: 'profiles' },
    { name: 'another tool', parent: { tools: ['refund'] }, wish: { tools: ['refund', 'wire'] }, wider: 'tools' },
    {
      name: 'another month',
      parent: { parameters: { month: ['2026-11'] } },
      wish: { parameters: { month: ['2026-12'] } },
      wider: 'parameters.month',
    },
    {
      name: 'longer credentials',
      parent: { max_ttl_seconds: 60 },
      wish: { max_ttl_seconds: 61 },
      wider: 'max_ttl_seconds',
    },
    { name: 'a later end', wish: { ends_at: '2999-01-01T00:00:00Z' }, wider: 'ends_at' },
    { name: 'more than the budget has', parent: { max_grants: 2 }, wish: { max_grants: 3 }, wider: 'max_grants' },
    { name: 'more calls than the budget has', parent: { max_calls: 2 }, wish: { max_calls: 3 }, wider: 'max_calls' },
  ])('wider than its parent: $name', async ({ parent = {}, wish, wider }) => {
    const root = await lead(parent);
    const { status, body } = await broker.exchange('agent/sub', root.token, wish);
    expect([status, body]).toEqual([400, { error: 'invalid_scope', error_description: `wider_than_parent: ${wider}` }]);
    expect((await decisions(root.id)).at(-1)).toMatchObject({
      action: 'delegate',
      outcome: 'deny',
      code: 'wider_than_parent',
    });
  });

  test('what is left of a budget is all that can be handed on', async () => {
    const root = await lead({ max_grants: 2 });
    await broker.grant('agent/lead', {}, root.token);
    expect((await broker.exchange('agent/sub', root.token, { max_grants: 2 })).body).toMatchObject({
      error: 'invalid_scope',
    });
    const part = await broker.handOn('agent/sub', root.token);
    const view = await broker.ask('GET', `/v1/tasks/${part.id}`, { as: broker.people.workload('agent/sub') });
    expect(view.body).toMatchObject({ max_grants: 1 });
    expect((await broker.grant('agent/sub', {}, part.token)).status).toBe(201);
    expect((await broker.grant('agent/sub', {}, part.token)).code).toBe('task_budget_spent');
    expect((await broker.grant('agent/lead', {}, root.token)).code).toBe('task_budget_spent');
    const { body } = await broker.exchange('agent/third', root.token);
    expect(body).toEqual({ error: 'unauthorized_client', error_description: 'task_budget_spent' });
  });

  test('so often and no more, and never to somebody who has it already', async () => {
    const root = await lead();
    const one = await broker.handOn('agent/h1', root.token);
    const two = await broker.handOn('agent/h2', one.token);
    const refused = async (who: string, token: string) => (await broker.exchange(who, token)).body;
    for (const who of ['agent/lead', 'agent/h1', 'agent/h2'])
      expect(await refused(who, two.token)).toEqual({
        error: 'unauthorized_client',
        error_description: 'delegation_loop',
      });
    const three = await broker.handOn('agent/h3', two.token);
    expect(await refused('agent/h4', three.token)).toEqual({
      error: 'unauthorized_client',
      error_description: 'too_many_hops',
    });
    expect((await decisions(three.id)).at(-1)).toMatchObject({
      code: 'too_many_hops',
      subject: 'spiffe://test.example/agent/h4',
    });
  });

  test('to whom the policies let have it', async () => {
    const root = await lead();
    const { status, body } = await broker.exchange('agent/untrusted', root.token);
    expect([status, body]).toEqual([400, { error: 'unauthorized_client', error_description: 'policy_denied' }]);
    expect((await decisions(root.id)).at(-1)).toMatchObject({ code: 'policy_denied', policies: ['take-not'] });
  });

  test('the mode holds all the way down', async () => {
    const root = await lead({ mode: 'observe' });
    const part = await broker.handOn('agent/sub', root.token, { mode: 'observe' });
    expect((await broker.grant('agent/sub', {}, part.token)).code).toBe('task_observes');
    const watched = await lead({ mode: 'supervised' });
    const below = await broker.handOn('agent/sub', watched.token);
    const { status, body } = await broker.grant('agent/sub', { profile: 'charge' }, below.token);
    expect([status, body['state']]).toEqual([202, 'pending_approval']);
    const { rows } = await broker.database.pool.query(`select distinct mode from decisions where task_id = $1`, [
      below.id,
    ]);
    expect(rows).toEqual([{ mode: 'supervised' }]);
  });

  test('who is on the way, and whom it is for, cannot approve what is asked for on it', async () => {
    const root = await lead({ mode: 'supervised', on_behalf_of: { token: broker.person('ada') } });
    const part = await broker.handOn('agent/sub', root.token);
    const { body } = await broker.grant('agent/sub', { profile: 'charge' }, part.token);
    const { rows } = await broker.database.pool.query('select chain from approvals where grant_id = $1', [body['id']]);
    expect(rows[0]).toEqual({ chain: [{ issuer: 'https://sso.test', subject: 'ada' }] });
  });
});

describe('a request that is not one', () => {
  const TYPE = 'urn:ietf:params:oauth:token-type';
  test.each<{ name: string; form: Record<string, string>; error: string; description?: RegExp }>([
    { name: 'another grant type', form: { grant_type: 'client_credentials' }, error: 'unsupported_grant_type' },
    { name: 'no grant type', form: { grant_type: '' }, error: 'invalid_request', description: /grant_type/ },
    { name: 'no subject token', form: { subject_token: '' }, error: 'invalid_request', description: /subject_token/ },
    {
      name: 'a subject token of another type',
      form: { subject_token_type: `${TYPE}:access_token` },
      error: 'invalid_request',
      description: /subject_token_type/,
    },
    {
      name: 'garbage for a subject token',
      form: { subject_token: 'garbage' },
      error: 'invalid_request',
      description: /^task_token_invalid$/,
    },
    { name: 'no actor token', form: { actor_token: '' }, error: 'invalid_request', description: /actor_token/ },
    {
      name: 'an actor token without its type',
      form: { actor_token_type: '' },
      error: 'invalid_request',
      description: /actor_token_type/,
    },
    {
      name: 'an actor token of another type',
      form: { actor_token_type: `${TYPE}:saml2` },
      error: 'invalid_request',
      description: /actor_token_type/,
    },
    {
      name: 'an actor token that does not hold',
      form: { actor_token: 'garbage' },
      error: 'invalid_request',
      description: /^actor_token: evidence_malformed$/,
    },
    {
      name: 'another requested type',
      form: { requested_token_type: `${TYPE}:access_token` },
      error: 'invalid_request',
    },
    { name: 'another audience', form: { audience: 'https://other.test' }, error: 'invalid_target' },
    { name: 'another resource', form: { resource: 'https://other.test' }, error: 'invalid_target' },
    {
      name: 'details that are no JSON',
      form: { request_details: '{' },
      error: 'invalid_request',
      description: /not JSON/,
    },
    {
      name: 'a detail that is there twice, of which others would read the first',
      form: { request_details: '{"mode":"observe","mode":"autonomous"}' },
      error: 'invalid_request',
      description: /request_details has a member twice/,
    },
    {
      name: 'long details that break off within an escape',
      form: { request_details: `{"${'a'.repeat(5_000)}\\` },
      error: 'invalid_request',
      description: /not JSON/,
    },
    { name: 'details that are no object', form: { request_details: '[]' }, error: 'invalid_request' },
    {
      name: 'a detail that is not known, which would narrow nothing',
      form: { request_details: '{"profile":["a"]}' },
      error: 'invalid_request',
      description: /profile unknown member/,
    },
    {
      name: 'an end that has passed',
      form: { request_details: '{"ends_at":"2020-01-01T00:00:00Z"}' },
      error: 'invalid_request',
      description: /ends_at/,
    },
  ])('$name', async ({ form, error, description = /./ }) => {
    const root = await lead();
    const { status, body } = await broker.exchange('agent/sub', root.token, undefined, form);
    expect([status, body['error']]).toEqual([400, error]);
    expect(body['error_description']).toMatch(description);
    expect(String(body['error_description'])).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  });

  test('somebody else’s evidence as the actor’s', async () => {
    const root = await lead();
    const { body } = await broker.exchange('agent/sub', root.token, undefined, {
      actor_token: broker.people.workload('agent/third'),
    });
    expect(body).toMatchObject({ error: 'invalid_request' });
  });

  const raw = (body: string, headers = {}) =>
    broker.ask('POST', '/oauth/token', {
      as: broker.people.workload('agent/sub'),
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });
  test('a parameter that is there twice', async () => {
    const { token } = await lead();
    const actor = broker.people.workload('agent/sub');
    const form = new URLSearchParams({
      ...{
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: TXN_TOKEN,
      },
      ...{ actor_token: actor, actor_token_type: `${TYPE}:jwt` },
    });
    expect((await raw(form.toString())).status).toBe(200);
    for (const name of ['grant_type', 'subject_token', 'actor_token', 'request_details', 'scope']) {
      const twice = new URLSearchParams([...form, [name, form.get(name) ?? '{}'], [name, '{}']]);
      const { status, body } = await raw(twice.toString());
      expect([name, status, body['error']]).toEqual([name, 400, 'invalid_request']);
    }
    const same = new URLSearchParams([...form, ['audience', AUDIENCE], ['audience', AUDIENCE], ['resource', AUDIENCE]]);
    expect((await raw(same.toString())).status).toBe(200);
    expect((await raw(`${form.toString()}&audience=${AUDIENCE}&audience=x`)).body['error']).toBe('invalid_target');
    expect((await raw(`${form.toString()}&unknown=1&request_context=%7B%22hop_count%22%3A0%7D`)).status).toBe(200);
  });

  test('a body of another kind, and nobody’s request', async () => {
    expect((await raw('{}', { 'content-type': 'application/json' })).body).toMatchObject({ error: 'invalid_request' });
    const { status, body } = await broker.ask('POST', '/oauth/token', { form: { grant_type: 'x' } });
    expect([status, body['error']]).toEqual([401, 'invalid_client']);
    const operator = await broker.ask('POST', '/oauth/token', { as: broker.people.operator('security'), form: {} });
    expect([operator.status, operator.body['error']]).toEqual([400, 'unauthorized_client']);
  });
});

describe('what was taken back', () => {
  const forms = (token: string) => ({ form: { token } });
  const introspect = async (who: string, token: string) =>
    (await broker.ask('POST', '/oauth/introspect', { as: broker.people.workload(who), ...forms(token) })).body;
  const metric = async (how: string) =>
    Number(
      new RegExp(`writ_use_after_revocation_total\\{how="${how}"\\} (\\d+)`).exec(
        (await broker.ask('GET', '/metrics')).text,
      )?.[1] ?? 0,
    );
  const end = (id: string, who: string) =>
    broker.ask('POST', `/v1/tasks/${id}/end`, { as: broker.people.workload(who), json: { reason: 'done' } });

  test('a task token is active for its holder and for registered clients, until its task ends', async () => {
    const root = await lead();
    const part = await broker.handOn('agent/sub', root.token);
    const claims = decodeJwt(part.token);
    expect(await introspect('agent/sub', part.token)).toEqual({ active: true, token_type: 'N_A', ...claims });
    expect(await introspect('gateway', part.token)).toMatchObject({ active: true });
    expect(
      (
        await broker.ask('POST', '/oauth/introspect', {
          as: broker.people.workload('agent/lead'),
          ...forms(part.token),
        })
      ).status,
    ).toBe(403);
    await end(root.id, 'agent/lead');
    expect(await introspect('gateway', part.token)).toEqual({ active: false });
  });

  test('from the commit of an order over it, or over one above, until that is lifted', async () => {
    const root = await lead();
    const part = await broker.handOn('agent/sub', root.token);
    const security = broker.people.operator('security');
    for (const selector of [{ task: root.id }, { agent: 'spiffe://test.example/agent/sub' }]) {
      const { body } = await broker.ask('POST', '/v1/revocations', { as: security, json: { selector, reason: 'r' } });
      expect(await introspect('agent/sub', part.token)).toEqual({ active: false });
      expect((await broker.exchange('agent/third', part.token)).code).toBe('under_order');
      expect((await broker.grant('agent/sub', {}, part.token)).code).toBe('under_order');
      await broker.ask('POST', `/v1/revocations/${String(body['id'])}/lift`, { as: security, json: { reason: 'r' } });
      expect(await introspect('agent/sub', part.token)).toMatchObject({ active: true });
    }
  });

  test('is an alarm when it is shown again: counted each time, written once a minute', async () => {
    const root = await lead();
    const part = await broker.handOn('agent/sub', root.token);
    const { body: grant } = await broker.grant('agent/sub', {}, part.token);
    const access = (grant['credential'] as { token: string }).token;
    await end(root.id, 'agent/lead');
    const before = await Promise.all(['introspect', 'delegate', 'issue', 'renew'].map(metric));
    for (let i = 0; i < 3; i++) {
      expect(await introspect('gateway', access)).toEqual({ active: false });
      expect(await introspect('gateway', part.token)).toEqual({ active: false });
      await broker.exchange('agent/third', part.token);
      await broker.grant('agent/sub', {}, part.token);
      await broker.ask('POST', `/v1/grants/${String(grant['id'])}/renew`, {
        as: broker.people.workload('agent/sub'),
        json: {},
      });
    }
    const after = await Promise.all(['introspect', 'delegate', 'issue', 'renew'].map(metric));
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([6, 3, 3, 3]);
    const events = (await broker.events('use.after_revocation')).filter(({ task }) => task === part.id);
    expect(
      events.map(({ facts, actor, grant: of }) => [
        (facts as { how: string }).how,
        (actor as { id: string }).id.split('/').at(-1),
        of ?? null,
      ]),
    ).toEqual([
      ['introspect', 'gateway', grant['id']],
      ['introspect', 'gateway', null],
      ['delegate', 'third', null],
      ['issue', 'sub', null],
      ['renew', 'sub', grant['id']],
    ]);
    expect(events[0]).toMatchObject({
      success: false,
      workload: { id: 'spiffe://test.example/agent/sub' },
      facts: { count: 1, why: 'task_ended' },
    });
    expect(
      broker.log.filter(({ message }) => message === 'used after it was taken back').length,
    ).toBeGreaterThanOrEqual(5);
  });

  test('also where more is wished for than there is', async () => {
    const security = broker.people.operator('security');
    const wish = { environment: 'development' };
    const before = await metric('delegate');
    const root = await lead();
    const part = await broker.handOn('agent/sub', root.token);
    await end(root.id, 'agent/lead');
    expect((await broker.exchange('agent/third', part.token, wish)).code).toMatch(/task_ended/);
    expect(await metric('delegate')).toBe(before + 1);

    const other = await lead();
    const json = { selector: { task: other.id }, reason: 'r' };
    const { body } = await broker.ask('POST', '/v1/revocations', { as: security, json });
    expect((await broker.exchange('agent/third', other.token, wish)).code).toMatch(/wider_than_parent/);
    expect(await metric('delegate')).toBe(before + 2);
    await broker.ask('POST', `/v1/revocations/${String(body['id'])}/lift`, { as: security, json: { reason: 'r' } });
    await broker.exchange('agent/fourth', other.token, wish);
    expect(await metric('delegate')).toBe(before + 2);
  });

  test('what only came to its end is none', async () => {
    const root = await lead();
    await broker.database.pool.query(`update tasks set ends_at = now() - interval '1 second' where id = $1`, [root.id]);
    const before = await metric('issue');
    expect((await broker.grant('agent/lead', {}, root.token)).code).toBe('task_ended');
    expect(await introspect('agent/lead', root.token)).toEqual({ active: false });
    // nor once somebody has come to end it for that
    await broker.database.pool.query(
      `update tasks set state = 'ended', ended_at = now(), ended_why = 'deadline' where id = $1 and state = 'open'`,
      [root.id],
    );
    expect((await broker.grant('agent/lead', {}, root.token)).code).toBe('task_ended');
    expect(await introspect('agent/lead', root.token)).toEqual({ active: false });
    expect(await metric('issue')).toBe(before);
    expect((await broker.events('use.after_revocation')).filter(({ task }) => task === root.id)).toEqual([]);
  });

  test('its holder gives it back, with everything below; nobody else does', async () => {
    const root = await lead();
    const part = await broker.handOn('agent/sub', root.token);
    const revoke = (who: string, token: string) =>
      broker.ask('POST', '/oauth/revoke', { as: broker.people.workload(who), ...forms(token) });
    expect((await revoke('agent/sub', root.token)).status).toBe(200);
    expect(await introspect('agent/lead', root.token)).toMatchObject({ active: true });
    expect((await revoke('agent/lead', root.token)).status).toBe(200);
    expect(await introspect('agent/lead', root.token)).toEqual({ active: false });
    expect(await introspect('agent/sub', part.token)).toEqual({ active: false });
  });
});

describe('by a client that knows the standard and not this broker', () => {
  /** `openid-client` discovers, exchanges, introspects and revokes; the evidence goes along as the bearer token. */
  async function configured(who: string): Promise<client.Configuration> {
    const as = broker.people.workload(who);
    const config = await client.discovery(new URL(AUDIENCE), who, undefined, client.None(), {
      algorithm: 'oauth2',
      [client.customFetch]: through(as),
    });
    config[client.customFetch] = through(as);
    return config;
  }
  /** To where the broker listens instead of its public address, as a proxy in front of it would. */
  const through =
    (as: string): client.CustomFetch =>
    (url, { method, headers, body, signal }) =>
      fetch(url.replace(AUDIENCE, broker.url), {
        method,
        headers: { ...headers, authorization: `Bearer ${as}` },
        redirect: 'manual',
        ...(body === null || body === undefined ? {} : { body: body as string }),
        ...(signal ? { signal } : {}),
      });
  const exchangeOf = (who: string, token: string, more: Record<string, string> = {}) => ({
    subject_token: token,
    subject_token_type: TXN_TOKEN,
    actor_token: broker.people.workload(who),
    actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    requested_token_type: TXN_TOKEN,
    audience: AUDIENCE,
    ...more,
  });
  const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';

  test('exchange, introspection, revocation', async () => {
    const root = await lead();
    const config = await configured('agent/sub');
    expect(config.serverMetadata()).toMatchObject({
      token_endpoint: `${AUDIENCE}/oauth/token`,
      grant_types_supported: [GRANT],
    });
    const answer = await client.genericGrantRequest(
      config,
      GRANT,
      exchangeOf('agent/sub', root.token, { scope: 'profile:vault' }),
    );
    expect(answer).toMatchObject({ token_type: 'n_a', issued_token_type: TXN_TOKEN, scope: 'profile:vault' });
    expect(answer.expiresIn()).toBeGreaterThan(3_000);
    expect(await client.tokenIntrospection(config, answer.access_token)).toMatchObject({
      active: true,
      token_type: 'N_A',
    });
    await client.tokenRevocation(config, answer.access_token);
    expect(await client.tokenIntrospection(config, answer.access_token)).toEqual({ active: false });
  });

  test('a refusal is an error that it understands', async () => {
    const root = await lead({ profiles: ['lookup'] });
    const config = await configured('agent/sub');
    const asked = client.genericGrantRequest(
      config,
      GRANT,
      exchangeOf('agent/sub', root.token, { scope: 'profile:vault' }),
    );
    await expect(asked).rejects.toMatchObject({
      error: 'invalid_scope',
      error_description: 'wider_than_parent: profiles',
      status: 400,
    });
  });
});

test('many who take the last of a budget at once, and many ends: never more than there was, and nothing stays', async () => {
  const root = await lead({ max_grants: 3 });
  const parts = await Promise.all(Array.from({ length: 6 }, (_, i) => broker.handOn(`agent/p${i}`, root.token)));
  const asked = await Promise.all(parts.map((part, i) => broker.grant(`agent/p${i}`, {}, part.token)));
  expect(asked.filter(({ status }) => status === 201)).toHaveLength(3);
  const racing = parts.map((part, i) => broker.exchange(`agent/q${i}`, part.token));
  await broker.ask('POST', `/v1/tasks/${root.id}/end`, {
    as: broker.people.workload('agent/lead'),
    json: { reason: 'done' },
  });
  await Promise.all(racing);
  const { rows } = await broker.database.pool.query('select id from tasks where root_id = $1 and state = $2', [
    root.id,
    'open',
  ]);
  expect(rows).toEqual([]);
});
