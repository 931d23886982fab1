import pg from 'pg';
import type { JsonObject } from '../../src/domain/json.ts';
import { AUDIENCE } from '../support/people.ts';
import { startRunningBroker, writYaml } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

const { trust: MESH } = writYaml['identity'] as { trust: readonly JsonObject[] };

let broker: RunningBroker;
let own: string;
beforeAll(async () => {
  broker = await startRunningBroker({ settings: { identity: { trust: [...MESH, company('one'), company('two')] } } });
  own = broker.people.workload('agent/own');
});
afterAll(() => broker.close());

/** An issuer of its own whose subjects have the same ids as another's; its keys are the operators' here. */
function company(name: string) {
  const source = { issuer: `https://${name}.test`, jwks: { file: 'operators.json' }, algorithms: ['ES256'] };
  return { name, kind: 'oidc', id: 'agent:{sub}', ...source };
}

const issue = async (json: object) => {
  const { body } = await broker.ask('POST', '/v1/grants', { as: own, json: { purpose: 'test', ...json } });
  return { ...body, id: String(body['id']), credential: body['credential'] as { url: string } };
};
const call = (as: string, id: string, verb: string, json: object) =>
  broker.ask('POST', `/v1/grants/${id}/${verb}`, { as, json });
const show = (as: string, id: string) => broker.ask('GET', `/v1/grants/${id}`, { as });

async function works({ url }: { url: string }): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    await client.query('select from orders');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

test('a grant is shown to its workload and to operators, without the credential', async () => {
  const { id, credential: _, ...issued } = await issue({ profile: 'lookup', parameters: {} });
  for (const as of [own, broker.people.operator('auditor')]) {
    const { status, body, headers } = await show(as, id);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toMatchObject({ id, state: 'active', expires_at: issued['expires_at' as keyof typeof issued] });
    expect(Object.keys(body)).not.toContain('credential');
  }
});

const STRANGERS = {
  'another workload': () => broker.people.workload('agent/another'),
  'a workload whose id begins like its own': () => broker.people.workload('agent/own/child'),
  'a workload of another trust domain': () => broker.people.workload('spiffe://brief.example/agent/own'),
};

test.each(Object.entries(STRANGERS))('%s cannot tell a grant of others from none', async (_name, token) => {
  const { id } = await issue({ profile: 'lookup' });
  const answers = [
    await show(token(), id),
    await call(token(), id, 'renew', {}),
    await call(token(), id, 'revoke', { reason: 'mine' }),
    await show(token(), 'g000000000000'),
    await call(token(), 'g000000000000', 'renew', {}),
    await call(token(), 'g000000000000', 'revoke', { reason: 'mine' }),
  ];
  for (const { status, body } of answers) {
    const { request_id: _id, ...problem } = body;
    expect([status, problem]).toEqual([
      404,
      { type: 'urn:writ:problem:not_found', title: expect.any(String), status, code: 'not_found' },
    ]);
  }
  expect((await show(own, id)).body['state']).toBe('active');
});

test('the same id in another trust entry is another workload', async () => {
  const [one, two] = ['one', 'two'].map((name) =>
    broker.people.operator(undefined, 'alice', { iss: `https://${name}.test`, aud: AUDIENCE }),
  );
  const { status, body } = await broker.ask('POST', '/v1/grants', {
    as: one,
    json: { profile: 'lookup', purpose: 'test' },
  });
  expect([status, body['subject']]).toEqual([201, 'agent:alice']);
  const id = String(body['id']);
  const { token } = body['credential'] as { token: string };
  const answers = [
    await show(two ?? '', id),
    await call(two ?? '', id, 'renew', {}),
    await call(two ?? '', id, 'revoke', { reason: 'mine' }),
    await broker.ask('POST', '/oauth/introspect', { as: two, form: { token } }),
    await broker.ask('POST', '/oauth/revoke', { as: two, form: { token } }),
  ];
  expect(answers.map(({ status: told }) => told)).toEqual([404, 404, 404, 403, 200]);
  expect((await show(one ?? '', id)).body).toMatchObject({ state: 'active', trust: 'one', subject: 'agent:alice' });
});

test('renewing decides again and never passes the maximum, which counts from the beginning', async () => {
  const first = await issue({ profile: 'orders-read', ttl_seconds: 60 });
  await broker.database.pool.query(`update grants set opened_at = opened_at - interval '50 minutes' where id = $1`, [
    first.id,
  ]);
  const renewed = await call(own, first.id, 'renew', { ttl_seconds: 3_600 });
  expect(renewed.status).toBe(201);
  expect(Object.keys(renewed.body).sort()).toEqual(Object.keys(first).sort());
  expect(renewed.headers['cache-control']).toBe('no-store');
  const ttl = renewed.body['ttl'] as { seconds: number; decided_by: string };
  expect(ttl.decided_by).toBe('profile_max');
  expect(ttl.seconds).toBeLessThanOrEqual(600);
  expect(renewed.body).toMatchObject({ id: first.id, task: first['task' as keyof typeof first] });
  const credential = renewed.body['credential'] as { url: string };
  expect(credential.url).not.toBe(first.credential.url);
  expect(await Promise.all([works(first.credential), works(credential)])).toEqual([true, true]);
});

test('below the minimum there is no renewal, and it is on record', async () => {
  const { id } = await issue({ profile: 'lookup', ttl_seconds: 60 });
  await broker.database.pool.query(`update grants set opened_at = opened_at - interval '3595 seconds' where id = $1`, [
    id,
  ]);
  const { status, code, body } = await call(own, id, 'renew', {});
  expect([status, code, body['decided_by']]).toEqual([403, 'ttl_below_minimum', 'profile_max']);
  const { rows } = await broker.database.pool.query(`select action, code from decisions where id = $1`, [
    (body['decision'] as { id: string }).id,
  ]);
  expect(rows).toEqual([{ action: 'renew', code: 'ttl_below_minimum' }]);
});

test('revoking ends every credential of the grant, and says so only once it is confirmed', async () => {
  const first = await issue({ profile: 'orders-read' });
  const renewed = await call(own, first.id, 'renew', {});
  const revoked = await call(own, first.id, 'revoke', { reason: 'done' });
  expect([revoked.status, revoked.body['state'], revoked.body['why'], revoked.body['reason']]).toEqual([
    200,
    'revoked',
    'revocation',
    'done',
  ]);
  const credentials = [first.credential, renewed.body['credential'] as { url: string }];
  expect(await Promise.all(credentials.map(works))).toEqual([false, false]);
});

test('revoking again changes nothing; what is over cannot be renewed', async () => {
  const { id } = await issue({ profile: 'lookup' });
  await call(own, id, 'revoke', { reason: 'first' });
  const again = await call(broker.people.operator('security'), id, 'revoke', { reason: 'second' });
  expect([again.status, again.body['state'], again.body['reason']]).toEqual([200, 'revoked', 'first']);
  const renewal = await call(own, id, 'renew', {});
  expect([renewal.status, renewal.code]).toEqual([409, 'grant_not_active']);
});

test('a token that its audience does not ask about ends by itself: the answer does not claim more', async () => {
  const { id } = await issue({ profile: 'offline' });
  const { status, body } = await call(own, id, 'revoke', { reason: 'done' });
  expect([status, body['state'], body['why']]).toEqual([200, 'ending', 'revocation']);
});

test('whoever ended it is on record: the workload, or the operator', async () => {
  const ids = [(await issue({ profile: 'lookup' })).id, (await issue({ profile: 'lookup' })).id];
  await call(own, ids[0] ?? '', 'revoke', { reason: 'done' });
  await call(broker.people.operator('security', 'alice'), ids[1] ?? '', 'revoke', { reason: 'odd' });
  const { rows } = await broker.database.pool.query<{ grant_id: string; actor: unknown }>(
    `select grant_id, body::jsonb -> 'actor' as actor from events where type = 'grant.ending' and grant_id = any ($1)`,
    [ids],
  );
  expect(Object.fromEntries(rows.map(({ grant_id, actor }) => [grant_id, actor]))).toEqual({
    [ids[0] ?? '']: { kind: 'workload', trust: 'mesh', id: 'spiffe://test.example/agent/own' },
    [ids[1] ?? '']: { kind: 'operator', issuer: 'https://sso.test', subject: 'alice' },
  });
});
