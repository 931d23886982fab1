import pg from 'pg';
import { startPgProxy } from '../support/pg-proxy.ts';
import type { PgMessage, PgProxy } from '../support/pg-proxy.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';

let broker: RunningBroker;
let target: PgProxy;
let ledger: PgProxy;
beforeAll(async () => {
  broker = await startRunningBroker({
    ledgerVia: async (url) => {
      ledger = await startPgProxy(url);
      return ledger.url;
    },
    targetVia: async (url) => {
      target = await startPgProxy(url);
      return target.url;
    },
  });
});
afterAll(async () => {
  await broker.close();
  target.close();
  ledger.close();
});

const ask = (key: string, json: object = {}, who = 'agent/one', via: Replica = broker) =>
  via.ask('POST', '/v1/grants', {
    as: broker.people.workload(who),
    json: { profile: 'orders-read', purpose: 'test', ...json },
    headers: { 'idempotency-key': key },
  });
const login = ({ body }: Awaited<ReturnType<typeof ask>>) => (body['credential'] as { url: string }).url;
const commits = ({ from, type, sql }: PgMessage) => from === 'frontend' && type === 'Q' && sql === 'COMMIT';

async function works(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  return client.connect().then(
    () => client.end().then(() => true),
    () => false,
  );
}

test('a repeat is the same grant with another credential; the earlier one has ended by then', async () => {
  const first = await ask('repeat');
  const second = await ask('repeat');
  expect([first.status, second.status, second.body['id']]).toEqual([201, 201, first.body['id']]);
  expect(Date.parse(String(second.body['expires_at']))).toBeLessThanOrEqual(
    Date.parse(String(first.body['expires_at'])),
  );
  expect(await Promise.all([login(first), login(second)].map(works))).toEqual([false, true]);
});

test('a repeat lasts no longer than the first, however slow the ledger is', async () => {
  const first = await ask('slow');
  ledger.delay(900, ({ from, type, sql }) => from === 'backend' && type === 'C' && /^SELECT .*"tasks"/s.test(sql));
  const second = await ask('slow');
  ledger.delay(0);
  expect(second.status).toBe(201);
  const ends = [first, second].map(({ body }) => Date.parse(String(body['expires_at'])));
  expect(ends[1]).toBeLessThanOrEqual(Number(ends[0]));
});

test('another request under the same key', async () => {
  await ask('other');
  for (const json of [
    { purpose: 'else' },
    { ttl_seconds: 60 },
    { parameters: { region: 'de' } },
    { profile: 'lookup' },
  ]) {
    const { status, code } = await ask('other', json);
    expect([json, status, code]).toEqual([json, 409, 'idempotency_key_reused']);
  }
});

test('the order of members is no other request', async () => {
  const send = (body: string) =>
    broker.ask('POST', '/v1/grants', {
      as: broker.people.workload('agent/one'),
      body,
      headers: { 'content-type': 'application/json', 'idempotency-key': 'order' },
    });
  const first = await send('{"profile":"lookup","purpose":"test"}');
  const second = await send('{"purpose":"test", "profile":"lookup", "parameters":{}}');
  expect([second.status, second.body['id']]).toEqual([201, first.body['id']]);
});

test('a key belongs to its workload', async () => {
  const [one, two] = await Promise.all([ask('own'), ask('own', { purpose: 'else' }, 'agent/two')]);
  expect([one.status, two.status]).toEqual([201, 201]);
  expect(one.body['id']).not.toBe(two.body['id']);
});

test('while the first is under way a repeat is 409, on another replica too', async () => {
  const other = await broker.replica();
  const held = target.hold({ match: commits });
  const first = ask('concurrent');
  await held.reached;
  const repeats = [await ask('concurrent'), await ask('concurrent', {}, 'agent/one', other)];
  held.release();
  for (const { status, code } of repeats) expect([status, code]).toEqual([409, 'request_in_progress']);
  expect(await first).toMatchObject({ status: 201 });
  const later = await ask('concurrent', {}, 'agent/one', other);
  expect([later.status, later.body['id']]).toEqual([201, (await first).body['id']]);
  await other.stop();
});

test('of many at once one is answered, and one login lives', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask('many', { profile: 'orders-read' })));
  const told = answers.map(({ status, code }) => (status === 201 ? '201' : `${status} ${String(code)}`));
  expect(new Set(told)).toEqual(new Set(['201', '409 request_in_progress']));
  const issued = answers.filter(({ status }) => status === 201);
  expect(new Set(issued.map(({ body }) => body['id'])).size).toBe(1);
  const alive = await Promise.all(issued.map((answer) => works(login(answer))));
  expect(alive.filter(Boolean)).toHaveLength(1);
});

test('once the grant is over the key begins anew', async () => {
  const first = await ask('over');
  const id = String(first.body['id']);
  await broker.ask('POST', `/v1/grants/${id}/revoke`, {
    as: broker.people.workload('agent/one'),
    json: { reason: 'done' },
  });
  const second = await ask('over');
  expect(second.status).toBe(201);
  expect(second.body['id']).not.toBe(id);
});
