import { freshSchema, SCHEMA_FILE } from '../../src/config/index.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { makeCedarCompiler } from '../../src/policy/index.ts';
import { providerKinds } from '../../src/providers/index.ts';
import { findSecrets, type Written } from '../secrets/spelling.ts';
import { PROVIDERS, profile, sampleRules } from '../support/running-broker-rules.ts';
import { startRunningBroker, writYaml, type RunningBroker } from '../support/running-broker.ts';
import { openDoor, type Door } from '../support/vault/index.ts';
import { until } from '../support/waiting.ts';
import { SHAPES, sectionOf, type Shape } from './vault-shapes.ts';
import { vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** A whole broker before the server, asked over HTTP: from the first short life to the clearing away. */
let world: FakeVaultWorld;
let door: Door;
let broker: RunningBroker;
let agent: string;

const PROFILES = SHAPES.map((shape) => ({ name: `vault-${shape}`, shape }));

beforeAll(async () => {
  world = await vaultWorld(Date.now);
  door = await openDoor(world.server);
  const auth = { method: 'approle', role_id: world.made.roleId, secret_id: world.made.secretId };
  const vault = { kind: 'vault', address: door.url, auth, allow_policy_templates: true };
  const providers = { ...(writYaml['providers'] as JsonObject), 'vault-main': vault };
  const files = PROFILES.reduce(
    (all, { name, shape }) => ({ ...all, ...profileFile(name, shape) }),
    sampleRules('nobody'),
  );
  const known = [...PROVIDERS, { name: 'vault-main', kind: 'vault', on: true }];
  const deps = { providers: known, providerKinds, policyCompiler: makeCedarCompiler() };
  const rules = { ...files, [SCHEMA_FILE]: freshSchema(files, deps) };
  broker = await startRunningBroker({ settings: { providers }, rules });
  agent = broker.people.workload('agent/one');
});
afterEach(() => (door.trouble = {}));
afterAll(async () => {
  await broker.close();
  await door.close();
  await world.close();
});

function profileFile(name: string, shape: Shape) {
  const month = 'parameters: { month: { pattern: "[0-9]{4}-[0-9]{2}" } }';
  return profile(name, 'vault-main', month, `vault: ${JSON.stringify(sectionOf(shape))}`);
}

interface Issued {
  readonly id: string;
  readonly expires_at: string;
  readonly credential_expires_at: string;
  readonly credential: JsonObject;
}
const issue = async (shape: Shape, json: object = {}) => {
  const body = { profile: `vault-${shape}`, parameters: { month: '2026-10' }, purpose: 'test', ...json };
  return broker.ask('POST', '/v1/grants', { as: agent, json: body });
};
const issued = async (shape: Shape, json: object = {}) => {
  const { status, text, body } = await issue(shape, json);
  if (status !== 201) throw new Error(text);
  return body as object as Issued;
};
const act = (id: string, verb: string, json: object = {}) =>
  broker.ask('POST', `/v1/grants/${id}/${verb}`, { as: agent, json });
const stateOf = async (id: string) => {
  const { body } = await broker.ask('GET', `/v1/grants/${id}`, { as: agent });
  return body['state'];
};
const newest = async () => {
  const sql = 'select id from grants order by opened_at desc limit 1';
  const { rows } = await broker.database.pool.query<{ id: string }>(sql);
  return rows[0]?.id ?? '';
};
const mintsOf = async (grant: string) => {
  const sql = 'select id, request, handle from mints where grant_id = $1 order by opened_at';
  const { rows } = await broker.database.pool.query<{ id: string; handle: JsonObject }>(sql, [grant]);
  return rows;
};
const tokenOf = async (grant: string, index = 0) => {
  const handle = (await mintsOf(grant))[index]?.handle ?? {};
  return world.server.state().byAccessor(String(handle['accessor']));
};

test.each(SHAPES)('%s: issued, extended once it was on record, revoked, and cleared away', async (shape) => {
  const grant = await issued(shape, { ttl_seconds: 300 });
  const token = await tokenOf(grant.id);
  if (!token) throw new Error('no token');
  const left = (token.expiresMs - Date.now()) / 1000;
  expect(left).toBeGreaterThan(290);
  expect(Date.parse(grant.expires_at)).toBeGreaterThanOrEqual(token.expiresMs - 1_000);
  expect(grant.credential['type']).toBe(shape === 'secret' ? 'vault_secret' : 'vault_token');

  const revoked = await act(grant.id, 'revoke', { reason: 'enough' });
  expect([revoked.status, revoked.body['state']]).toEqual([200, 'revoked']);
  expect(world.server.state().alive(token)).toBe(false);
  const [mint] = await mintsOf(grant.id);
  await until(async () => (await world.traces(mint?.id as never)).length === 0);
});

test('a secret whose lease is shorter than its grant is fetched anew, and all end with the grant', async () => {
  await world.admin.call('POST', 'database/roles/readonly', { default_ttl: '1m', max_ttl: '24h' });
  const first = await issued('secret', { ttl_seconds: 300 });
  expect(Date.parse(first.expires_at) - Date.parse(first.credential_expires_at)).toBeGreaterThan(200_000);
  const { status, body } = await act(first.id, 'renew');
  const next = body as object as Issued;
  expect([status, next.expires_at]).toEqual([201, first.expires_at]);
  const logins = [first, next].map(({ credential }) => credential['data'] as JsonObject);
  expect(await Promise.all(logins.map(world.admits))).toEqual([true, true]);
  await act(first.id, 'revoke', { reason: 'enough' });
  expect(await Promise.all(logins.map(world.admits))).toEqual([false, false]);
});

test('an answer that is not what was planned: nothing is handed out, and what came of it is ended by its handle', async () => {
  await issued('token');
  door.trouble = {
    only: /token\/create/,
    alter: (request) => ({ ...request, body: { ...request.body, ttl: '1h', explicit_max_ttl: '12h' } }),
  };
  const { status, code, body } = await issue('token');
  expect([status, code]).toEqual([502, 'provider_answer_wrong']);
  expect(body).not.toHaveProperty('credential');
  const id = await newest();
  await until(async () => (await stateOf(id)) === 'failed');
  expect((await mintsOf(id))[0]?.handle).toMatchObject({ accessor: expect.any(String) });
  expect(await tokenOf(id)).toBeUndefined();
});

test('a refusal by Vault fails at once: nothing lives, and nobody waits for what a crash would have left', async () => {
  await issued('token');
  door.trouble = { only: /token\/create/, status: 400 };
  expect((await issue('token')).code).toBe('provider_refused');
  await until(async () => (await stateOf(await newest())) === 'failed');
});

test('an order over the provider ends what it gave, also while Vault is sealed for a moment', async () => {
  const grants = await Promise.all(SHAPES.map((shape) => issued(shape)));
  world.server.sealed = true;
  const as = broker.people.operator('security');
  const selector = { provider: 'vault-main' };
  const order = await broker.ask('POST', '/v1/revocations', { as, json: { selector, reason: 'stolen' } });
  expect(order.status).toBe(201);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await Promise.all(grants.map(({ id }) => stateOf(id)))).not.toContain('revoked');
  world.server.sealed = false;
  await until(async () =>
    (await Promise.all(grants.map(({ id }) => stateOf(id)))).every((state) => state === 'revoked'),
  );
  const lift = { as, json: { reason: 'over' } };
  expect((await broker.ask('POST', `/v1/revocations/${String(order.body['id'])}/lift`, lift)).status).toBe(200);
});

test('no secret of all this is in the ledger or in what was logged', async () => {
  const { rows: tables } = await broker.database.pool.query<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
  );
  const written: Written[] = broker.log.map((line, index) => ({ where: `log ${index}`, text: JSON.stringify(line) }));
  for (const { name } of tables) {
    const { rows } = await broker.database.pool.query<{ text: string }>(`select t::text as text from ${name} t`);
    written.push(...rows.map(({ text }) => ({ where: name, text })));
  }
  expect(written.length).toBeGreaterThan(50);
  const secrets = [...world.server.state().everMade(), ...world.server.database.passwords, world.made.secretId];
  const named = Object.fromEntries(secrets.map((secret, index) => [`secret ${index}`, secret]));
  expect(findSecrets(written, named)).toEqual([]);
});
