import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { base64url, makeTestKey, signCompact } from '../support/issuer.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';
import { TOOLS_AUDIENCE } from '../support/running-broker-rules.ts';

/** Access tokens as resource servers meet them: published keys, introspection (RFC 7662), revocation (RFC 7009). */
let broker: RunningBroker;
let other: Replica;
beforeAll(async () => {
  broker = await startRunningBroker();
  other = await broker.replica();
});
afterAll(() => broker.close());

const HOLDER = 'agent/holder';
async function issue(profile = 'lookup', json: object = {}) {
  const question = { as: broker.people.workload(HOLDER), json: { profile, purpose: 'test', ...json } };
  const { body } = await broker.ask('POST', '/v1/grants', question);
  return { id: String(body['id']), task: body['task'], token: (body['credential'] as { token: string }).token };
}
const introspect = (who: string, token: string, via: Replica = broker) =>
  via.ask('POST', '/oauth/introspect', { as: broker.people.workload(who), form: { token } });
const revoke = (who: string, token: string, form: object = {}) =>
  broker.ask('POST', '/oauth/revoke', { as: broker.people.workload(who), form: { token, ...form } });
const INACTIVE = '{"active":false}';

test('a stranger verifies a token with nothing but the published keys', async () => {
  const { id, task, token } = await issue();
  for (const { url } of [broker, other]) {
    const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
    const want = { issuer: 'https://writ.test', audience: TOOLS_AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'] };
    const { payload } = await jwtVerify(token, keys, want);
    expect(payload).toMatchObject({
      sub: 'spiffe://test.example/agent/holder',
      scope: 'lookup',
      writ_grant: id,
      writ_task: task,
    });
    const forged = token.replace(/[^.]+$/, (signature) =>
      signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
    );
    await expect(jwtVerify(forged, keys, want)).rejects.toBeInstanceOf(errors.JWSSignatureVerificationFailed);
  }
});

test('the key set is public halves, and may be kept for a while', async () => {
  const { body, headers } = await broker.ask('GET', '/.well-known/jwks.json');
  const keys = body['keys'] as Record<string, unknown>[];
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  expect(headers['cache-control']).toMatch(/^public, max-age=\d+$/);
});

test('the metadata is the issuer’s, and names what is there (RFC 8414)', async () => {
  const { status, body } = await broker.ask('GET', '/.well-known/oauth-authorization-server');
  expect([status, body['issuer']]).toEqual([200, 'https://writ.test']);
  for (const member of ['jwks_uri', 'token_endpoint', 'introspection_endpoint', 'revocation_endpoint']) {
    const url = new URL(String(body[member]));
    expect(url.origin).toBe('https://writ.test');
    const methods = await Promise.all(['GET', 'POST'].map((method) => broker.ask(method, url.pathname)));
    expect(methods.map(({ status: found }) => found)).not.toEqual([404, 404]);
  }
  expect(body).toMatchObject({
    response_types_supported: [],
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
  });
});

const ACTIVE = 'active';
const WHO_ASKS = [
  { who: 'gateway', about: 'lookup', want: ACTIVE },
  { who: HOLDER, about: 'lookup', want: ACTIVE },
  { who: HOLDER, about: 'offline', want: ACTIVE },
  { who: 'other-gateway', about: 'lookup', want: INACTIVE },
  { who: 'gateway', about: 'offline', want: INACTIVE },
  { who: 'evaluator', about: 'lookup', want: 'not_a_client' },
  { who: 'agent/another', about: 'lookup', want: 'not_a_client' },
  { who: 'gateway/child', about: 'lookup', want: 'not_a_client' },
  { who: 'spiffe://brief.example/gateway', about: 'lookup', want: 'not_a_client' },
];

test.each(WHO_ASKS)('$who about a token of $about: $want', async ({ who, about, want }) => {
  const { token } = await issue(about);
  for (const via of [broker, other]) {
    const { status, body, text, code, headers } = await introspect(who, token, via);
    const told = status === 403 ? code : body['active'] === true ? ACTIVE : text;
    expect([status, told]).toEqual([want === 'not_a_client' ? 403 : 200, want]);
    expect(headers['cache-control']).toBe('no-store');
  }
});

test('an active answer repeats the token’s claims', async () => {
  const { id, task, token } = await issue('ticket', { parameters: { ticket: '7' } });
  const [, payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const { body } = await introspect('gateway', token);
  expect(body).toEqual({ active: true, token_type: 'Bearer', ...claims });
  expect(body).toMatchObject({
    iss: 'https://writ.test',
    aud: TOOLS_AUDIENCE,
    writ_grant: id,
    writ_task: task,
    ticket: '7',
  });
});

/** Whatever is not a living token of ours is the same answer to a client, and to all others a refusal that says nothing. */
const NOT_OURS: Readonly<Record<string, () => Promise<string> | string>> = {
  garbage: () => 'garbage',
  'evidence of a workload': () => broker.people.workload(HOLDER),
  'an operator’s token': () => broker.people.operator('security'),
  'one with an altered claim': async () => {
    const [header, payload = '', signature] = (await issue()).token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    return [header, base64url(JSON.stringify({ ...claims, exp: 9_999_999_999 })), signature].join('.');
  },
  'one without a signature': async () => {
    const [, payload = ''] = (await issue()).token.split('.');
    return `${base64url('{"alg":"none","typ":"at+jwt"}')}.${payload}.`;
  },
  'one that somebody else signed': async () => {
    const { token } = await issue();
    const [header = '', payload = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
    return signCompact(makeTestKey('forger'), header, payload);
  },
};

test.each(Object.entries(NOT_OURS))('%s', async (_name, token) => {
  const shown = await token();
  expect((await introspect('gateway', shown)).text).toBe(INACTIVE);
  expect((await introspect(HOLDER, shown)).code).toBe('not_a_client');
});

const as = (role: 'security') => broker.people.operator(role);
/** A token is inactive from the answer on that says so, on every replica. */
const ENDS: Readonly<Record<string, (grant: Awaited<ReturnType<typeof issue>>) => Promise<unknown>>> = {
  'revoked by its workload': ({ id }) =>
    broker.ask('POST', `/v1/grants/${id}/revoke`, { as: broker.people.workload(HOLDER), json: { reason: 'done' } }),
  'revoked by an operator': ({ id }) =>
    broker.ask('POST', `/v1/grants/${id}/revoke`, { as: as('security'), json: { reason: 'odd' } }),
  'given back': ({ token }) => revoke(HOLDER, token),
  'under an order that has not been swept': async ({ task }) => {
    await broker.database.pool.query('alter function sweep_order(text, integer) rename to not_yet');
    return broker.ask('POST', '/v1/revocations', { as: as('security'), json: { selector: { task }, reason: 'odd' } });
  },
  'past its grant’s end': ({ id }) =>
    broker.database.pool.query('update grants set expires_at = clock_timestamp() where id = $1', [id]),
  'past its own end': ({ id }) =>
    broker.database.pool.query('update mints set ends_at = clock_timestamp() where grant_id = $1', [id]),
};

test.each(Object.entries(ENDS))('%s', async (name, end) => {
  const grant = await issue();
  expect((await introspect('gateway', grant.token)).body['active']).toBe(true);
  await end(grant);
  const answers = await Promise.all([broker, other].map((via) => introspect('gateway', grant.token, via)));
  const own = await introspect(HOLDER, grant.token);
  if (name.includes('swept'))
    await broker.database.pool.query('alter function not_yet(text, integer) rename to sweep_order');
  expect(answers.map(({ text }) => text)).toEqual([INACTIVE, INACTIVE]);
  expect([own.status, own.text]).toEqual([200, INACTIVE]);
});

test('giving back: 200 for what is unknown and for what is somebody else’s, which lives on', async () => {
  const { id, token } = await issue();
  for (const [who, shown] of [
    [HOLDER, 'garbage'],
    ['agent/another', token],
    ['gateway', token],
    [HOLDER, broker.people.workload(HOLDER)],
  ] as const) {
    const { status, text } = await revoke(who, shown, { token_type_hint: 'refresh_token' });
    expect([who, status, text]).toEqual([who, 200, '']);
  }
  expect((await introspect('gateway', token)).body['active']).toBe(true);
  expect((await revoke(HOLDER, token)).status).toBe(200);
  expect((await revoke(HOLDER, token)).status).toBe(200);
  const { rows } = await broker.database.pool.query('select state, why from grants where id = $1', [id]);
  expect(rows).toEqual([{ state: 'revoked', why: 'revocation' }]);
});
