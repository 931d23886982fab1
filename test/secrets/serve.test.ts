import { createPrivateKey, randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { JsonObject } from '../../src/domain/json.ts';
import { Secret } from '../../src/domain/secret.ts';
import { makeWrapper } from '../../src/keys/wrap.ts';
import type { Question } from '../support/ask.ts';
import { expired } from '../support/people.ts';
import { runSql, urlFor } from '../support/sql.ts';
import { until } from '../support/waiting.ts';
import { findSecrets } from './spelling.ts';
import { startTalkative } from './talkative.ts';
import type { Issued, Talkative } from './talkative.ts';

/**
 * DESIGN, promise 4. The broker does everything that it can do, with success and without; then every secret that was about
 * is searched for in everything that was written.
 */
let world: Talkative;
let agent: string;
let gateway: string;
let security: string;
beforeAll(async () => {
  world = await startTalkative();
  agent = world.secret('token: agent', world.people.workload('agent/one'));
  gateway = world.secret('token: gateway', world.people.workload('gateway'));
  security = world.secret('token: security', world.people.operator('security'));
});
afterAll(() => world.close());

const { secret, call } = {
  secret: ((name, value) => world.secret(name, value)) as Talkative['secret'],
  call: ((...args) => world.call(...args)) as Talkative['call'],
};
const issue = (profile: string, question: Question = {}) =>
  call('POST', '/v1/grants', { as: agent, json: { profile, purpose: 'test' }, ...question });

async function use({ credential }: Issued): Promise<void> {
  const client = new pg.Client({ connectionString: credential['url'] });
  await client.connect();
  await client.query('select count(*) from orders');
  await client.end();
}

test('rules are applied', async () => {
  const operator = { WRIT_OPERATOR_TOKEN: secret('token: platform', world.people.operator('platform')) };
  expect(await world.writ(['apply', '--config', world.config, '--dry-run'], operator)).toBe(0);
  expect(await world.writ(['apply', '--config', world.config, '--json'], operator)).toBe(0);
});

test('credentials of each kind are issued, used, renewed, replaced, asked about and taken back', async () => {
  const keyed = { headers: { 'idempotency-key': 'one' } };
  await use(await issue('orders-read', keyed));
  const login = await issue('orders-read', keyed);
  await use(login);
  await use(await call('POST', `/v1/grants/${login.id}/renew`, { as: agent, json: {} }));
  const access = await issue('lookup');
  const { token = '' } = access.credential;
  expect((await call('POST', '/oauth/introspect', { as: gateway, form: { token } })).body['active']).toBe(true);
  await call('GET', '/v1/grants', { as: security });
  await call('GET', `/v1/grants/${login.id}`, { as: agent });
  expect((await call('POST', '/oauth/revoke', { as: agent, form: { token } })).status).toBe(200);
  const revoked = await call('POST', `/v1/grants/${login.id}/revoke`, { as: agent, json: { reason: 'done' } });
  expect(revoked.body['state']).toBe('revoked');
  const ticket = { profile: 'ticket', parameters: { ticket: '7' } };
  expect((await issue('ticket', { json: ticket })).status).toBe(201);
  const order = { selector: { profile: 'ticket' }, reason: 'test' };
  expect((await call('POST', '/v1/revocations', { as: security, json: order })).status).toBe(201);
  await use(await issue('orders-read'));
});

test('and of AWS and Vault, renewed and taken back as well', async () => {
  const month = { json: { profile: 'invoices', purpose: 'test', parameters: { month: '2026-11' } } };
  const [session, kept, login] = [await issue('', month), await issue('kept'), await issue('login')];
  expect([session.status, kept.status, login.status]).toEqual([201, 201, 201]);
  for (const { id } of [session, kept, login])
    expect((await call('POST', `/v1/grants/${id}/renew`, { as: agent, json: {} })).status).toBe(201);
  for (const { id } of [session, kept, login]) {
    const { body } = await call('POST', `/v1/grants/${id}/revoke`, { as: agent, json: { reason: 'done' } });
    expect(['revoked', 'ending']).toContain(body['state']);
  }
  expect(Object.keys(world.secrets).filter((name) => name.startsWith('session_token')).length).toBe(2);
});

test('what fails', async () => {
  const person = secret('password: a person’s', randomBytes(18).toString('base64url'));
  const basic = secret('basic', Buffer.from(`alice:${person}`).toString('base64'));
  const altered = secret(
    'token: altered',
    agent.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')),
  );
  const late = secret('token: late', world.people.workload('agent/one', expired()));
  const others = secret('token: for another', world.people.workload('agent/one', { aud: 'other' }));
  const typed = (type: string) => ({ 'content-type': type });
  const answers = await Promise.all([
    issue('gone'),
    issue('refused'),
    issue('forbidden'),
    issue('lookup', { as: altered }),
    issue('lookup', { as: late }),
    issue('lookup', { as: others }),
    issue('lookup', { as: security }),
    issue('lookup', { as: `${agent}.${agent}` }),
    call('POST', '/v1/grants', { headers: { authorization: `Basic ${basic}`, cookie: `token=${agent}` } }),
    call('POST', '/v1/grants', { as: agent, body: `{"profile": ${agent}`, headers: typed('application/json') }),
    call('POST', '/v1/grants', { as: agent, body: agent, headers: typed('application/json') }),
    call('POST', '/v1/grants', { as: agent, body: agent, headers: typed(`text/${agent.slice(0, 40)}`) }),
    call('GET', `/v1/grants?access_token=${agent}`, { as: security }),
    call('GET', `/v1/grants/${agent}`, { as: agent, headers: { 'x-request-id': agent } }),
    call('GET', `/${agent}`),
    call('POST', '/oauth/introspect', { as: gateway, form: { token: altered } }),
  ]);
  const statuses = [502, 502, 403, 401, 401, 401, 403, 401, 401, 400, 400, 415, 400, 404, 404, 200];
  expect(answers.map(({ status }) => status)).toEqual(statuses);
});

test('the ledger goes and comes', async () => {
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writ_login'`;
  await runSql(world.ledger.url, 'ALTER ROLE writ_login NOLOGIN', cut);
  await until(async () => (await call('GET', '/readyz')).status === 503);
  for (const profile of ['orders-read', 'lookup']) expect((await issue(profile)).code).toBe('ledger_unavailable');
  await runSql(world.ledger.url, 'ALTER ROLE writ_login LOGIN');
  await until(async () => (await call('GET', '/readyz')).status === 200);
});

test('the command line', async () => {
  const { writ } = world;
  const identity = { WRIT_IDENTITY_TOKEN: secret('token: command line', world.people.workload('agent/cli')) };
  const wanted = ['--profile', 'orders-read', '--purpose', 'test', '--verbose'];
  const out = join(world.config, 'child');
  const child = `import('node:fs').then((fs) => fs.writeFileSync(${JSON.stringify(out)}, process.env.PGPASSWORD))`;
  expect(await writ(['exec', ...wanted, '--', process.execPath, '-e', child], identity)).toBe(0);
  secret('password in a child’s environment', await readFile(out, 'utf8'));
  await rm(out);
  expect(await writ(['credential', ...wanted, '--format', 'json'], identity)).toBe(0);
  expect(await writ(['exec', '--profile', 'gone', '--purpose', 'x', '--', 'true'], identity)).not.toBe(0);
  const broken = { WRIT_IDENTITY_TOKEN: secret('token: broken', `${identity.WRIT_IDENTITY_TOKEN}\u0001`) };
  expect(await writ(['credential', ...wanted, '--format', 'json'], broken)).not.toBe(0);
  const operator = { WRIT_OPERATOR_TOKEN: security };
  expect(await writ(['grants', '--json'], operator)).toBe(0);
  expect(await writ(['revoke', '--agent', 'spiffe://test.example/agent/cli', '--reason', 'x'], operator)).toBe(0);
  expect(await writ(['grants'], { WRIT_OPERATOR_TOKEN: identity.WRIT_IDENTITY_TOKEN })).not.toBe(0);
});

test('what is open to everybody', async () => {
  const wellKnown = ['jwks.json', 'oauth-authorization-server'].map((name) => `/.well-known/${name}`);
  for (const path of ['/metrics', '/readyz', '/healthz', '/openapi.json', ...wellKnown])
    expect([path, (await call('GET', path)).status]).toEqual([path, 200]);
});

test('the keys that sign are kept, wrapped', async () => {
  const wrapper = makeWrapper([{ id: 'kek-1', key: new Secret(new Uint8Array(world.kek)) }]);
  const client = new pg.Client({ connectionString: world.ledgerUrl });
  await client.connect();
  const { rows } = await client.query<{
    kid: string;
    class: string;
    alg: string;
    publicJwk: JsonObject;
    wrapped: string;
  }>('select kid, class, alg, public_jwk as "publicJwk", wrapped from signing_keys');
  await client.end();
  for (const { wrapped, ...bound } of rows) {
    const pkcs8 = Buffer.from(wrapper.open(bound, { encryptionKey: 'kek-1', wrapped }) ?? []);
    const { d = '' } = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
    secret(`signing key ${bound.kid}`, Buffer.from(d, 'base64url'));
  }
  expect(rows.length).toBeGreaterThan(0);
});

test('nothing of any secret was written, by whomever', async () => {
  const running = await world.written();
  world.broker.kill('SIGTERM');
  expect(await world.broker.exited).toMatchObject({ code: 0 });
  const written = [...running, ...(await world.written())];
  // what is searched is what was meant: statements, sessions, events, verifiers, a line for each request
  const THERE = [
    ['target: log', 'CREATE ROLE "writ_m'],
    ['ledger: log', 'activate_mint'],
    ['pg_stat_activity', 'listen writ'],
    ['events_', 'grant.activated'],
    ['pg_authid', 'SCRAM-SHA-256$'],
    ['broker', '"msg":"request"'],
    ['answer of GET /metrics', 'writ_http_request_seconds'],
    ['writ exec', 'given back'],
    ['writ.yaml', '${WRIT_KEK}'],
  ] as const;
  for (const there of THERE)
    expect([there, written.some(({ where, text }) => where.includes(there[0]) && text.includes(there[1]))]).toEqual([
      there,
      true,
    ]);
  expect(Object.keys(world.secrets).length).toBeGreaterThan(25);
  expect(findSecrets(written, world.secrets)).toEqual([]);
});

test('nor in the servers’ files, as it is', async () => {
  const raw = Object.values(world.secrets).map((value) => Buffer.from(value).toString('latin1'));
  for (const server of world.servers) {
    for await (const { where, text } of server.files())
      expect([where, raw.filter((value) => text.includes(value)).length]).toEqual([where, 0]);
  }
});

test('the search would have found them', async () => {
  const [name = '', value = ''] = Object.entries(world.secrets).find(([key]) => key.startsWith('password 1')) ?? [];
  const planted = String(value);
  const rows = `insert into planted values ('${planted}', null), (null, '{"x": ["${planted}"]}')`;
  await runSql(world.target.superuserUrl, 'create table planted (a bytea, b jsonb)', rows);
  const comment = Buffer.from(`x${planted}`).toString('base64');
  await runSql(urlFor(world.ledger.url, { database: 'postgres' }), `comment on database postgres is '${comment}'`);
  const found = findSecrets(await world.written(), { [name]: planted });
  for (const place of ['target: log', ', planted', 'ledger: log', ', pg_shdescription'])
    expect([place, found.some((line) => line.includes(place))]).toEqual([place, true]);
});
