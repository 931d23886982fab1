import { makeClient } from '../../src/client/index.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

/** Legal holds over HTTP: placed and lifted by people who may, once, with a reason, on record. */
let broker: RunningBroker;
const HOLDS = '/v1/audit/holds';
type Role = Parameters<RunningBroker['people']['operator']>[0];

const ask = (method: string, path: string, role: Role, json?: object) =>
  broker.ask(method, path, { as: broker.people.operator(role), ...(json ? { json } : {}) });
const place = async (json: object): Promise<string> => {
  const placed = await ask('POST', HOLDS, 'security', json);
  expect([placed.status, placed.text]).toEqual([201, placed.text]);
  return String(placed.body['id']);
};
const held = async () => {
  const sql = `select exists (select 1 from legal_holds where lifted_at is null) as held`;
  return (await broker.database.pool.query<{ held: boolean }>(sql)).rows[0]?.held;
};

beforeAll(async () => {
  broker = await startRunningBroker();
});
afterAll(() => broker.close());

test('placed, listed, lifted', async () => {
  const from = '2026-01-01T00:00:00Z';
  const placed = await ask('POST', HOLDS, 'security', { reason: 'Case 4711 “ünïcode”', from });
  expect(placed.status).toBe(201);
  expect(placed.headers['cache-control']).toBe('no-store');
  expect(placed.body).toEqual({
    id: expect.stringMatching(/^h[0-9a-z]{21}$/),
    reason: 'Case 4711 “ünïcode”',
    from: '2026-01-01T00:00:00.000Z',
    to: null,
    placed_by: expect.objectContaining({ kind: 'operator', issuer: 'https://sso.test', subject: 'security' }),
    placed_at: expect.stringMatching(/Z$/),
    lifted_by: null,
    lifted_at: null,
    lift_reason: null,
  });
  expect(await held()).toBe(true);
  for (const role of ['auditor', 'security', 'platform'] as const)
    expect((await ask('GET', HOLDS, role)).body).toEqual({ holds: [placed.body] });
  const id = String(placed.body['id']);
  const lifted = await broker.ask('POST', `${HOLDS}/${id}/lift`, {
    as: broker.people.operator('security', 'grace'),
    json: { reason: 'closed' },
  });
  expect([lifted.status, lifted.body]).toEqual([
    200,
    expect.objectContaining({ id, lifted_by: expect.objectContaining({ subject: 'grace' }), lift_reason: 'closed' }),
  ]);
  expect(await held()).toBe(false);
  const again = await ask('POST', `${HOLDS}/${id}/lift`, 'security', { reason: 'closed' });
  expect([again.status, again.code]).toEqual([409, 'already_lifted']);
  const { rows } = await broker.database.pool.query<{ body: string }>(
    `select body from events where type like 'hold.%' order by seq`,
  );
  expect(rows.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
    { type: 'hold.placed', resource: id, actor: { subject: 'security' }, origin: expect.any(String) },
    { type: 'hold.lifted', resource: id, actor: { subject: 'grace' }, facts: { hold: id, reason: 'closed' } },
  ]);
});

test('newest first', async () => {
  const ids = [await place({ reason: 'one' }), await place({ reason: 'two', to: '2026-02-01T00:00:00Z' })];
  const { body } = await ask('GET', HOLDS, 'auditor');
  expect((body['holds'] as { id: string }[]).slice(0, 2).map(({ id }) => id)).toEqual(ids.reverse());
  for (const id of ids)
    expect((await ask('POST', `${HOLDS}/${id}/lift`, 'security', { reason: 'over' })).status).toBe(200);
});

test.each([
  { name: 'no reason', json: {} },
  { name: 'an empty reason', json: { reason: '' } },
  { name: 'a reason without an end', json: { reason: 'x'.repeat(1_001) } },
  { name: 'a time that is none', json: { reason: 'x', from: 'yesterday' } },
  { name: 'a day alone', json: { reason: 'x', from: '2026-01-01' } },
  { name: 'a span that goes back', json: { reason: 'x', from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' } },
  { name: 'a span of nothing', json: { reason: 'x', from: '2026-02-01T00:00:00Z', to: '2026-02-01T00:00:00Z' } },
  { name: 'a member too many', json: { reason: 'x', task: 't1' } },
])('$name', async ({ json }) => {
  const { status, code } = await ask('POST', HOLDS, 'security', json);
  expect([status, code]).toEqual([400, 'invalid_request']);
});

test.each(['h00', 'nothing', "h'; drop table legal_holds; --", 'h000000000000000000000'])('lifted: %s', async (id) => {
  const path = `${HOLDS}/${encodeURIComponent(id)}/lift`;
  const { status, code } = await ask('POST', path, 'security', { reason: 'x' });
  expect([status, code]).toEqual([404, 'not_found']);
});

test('who may', async () => {
  const id = await place({ reason: 'a case' });
  for (const role of ['platform', 'auditor', 'approver', undefined] as const) {
    expect((await ask('POST', HOLDS, role, { reason: 'x' })).status).toBe(403);
    expect((await ask('POST', `${HOLDS}/${id}/lift`, role, { reason: 'x' })).status).toBe(403);
  }
  expect((await ask('GET', HOLDS, 'approver')).status).toBe(403);
  expect((await broker.ask('GET', HOLDS)).status).toBe(401);
  const workload = { as: broker.people.workload('agent/one') };
  expect((await broker.ask('GET', HOLDS, workload)).code).toBe('not_an_operator');
  expect(await held()).toBe(true);
});

test('page by page, each once, and the client has them all', async () => {
  const ids: string[] = [];
  for (const reason of ['a', 'b', 'c', 'd', 'e']) ids.unshift(await place({ reason }));
  const page = async (query: string) => {
    const { body } = await ask('GET', `${HOLDS}?${query}`, 'auditor');
    return { ids: (body['holds'] as { id: string }[]).map(({ id }) => id), next: body['next_cursor'] as string };
  };
  const first = await page('limit=2');
  const second = await page(`limit=3&cursor=${first.next}`);
  expect([...first.ids, ...second.ids]).toEqual(ids);
  let last = second;
  while (last.next) last = await page(`limit=2&cursor=${last.next}`);
  const { next } = await page('limit=500');
  expect(next).toBeUndefined();

  await broker.database.pool.query(
    `insert into legal_holds (id, reason, placed_by, placed_at)
      select 'h' || lpad(n::text, 21, '0'), 'many', placed_by, placed_at - interval '1 hour' from legal_holds, generate_series(1, 1001) as n where id = $1`,
    [ids[0]],
  );
  const client = makeClient({ url: broker.url, operatorToken: () => broker.people.operator('auditor') });
  const all = await client.operator.holds();
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(all.filter(({ reason }) => reason === 'many')).toHaveLength(1_001);
});
