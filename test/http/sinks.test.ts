import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

/** What operators see of sinks and their dead letters over HTTP, and do about them. */
let broker: RunningBroker;
const LIST = '/v1/audit/dead-letters';
const REPLAY = '/v1/audit/dead-letters/replay';

const ask = (method: string, path: string, role: Parameters<RunningBroker['people']['operator']>[0], json?: object) =>
  broker.ask(method, path, { as: broker.people.operator(role), ...(json ? { json } : {}) });
const letters = (found: unknown) => (found as { leaf: number }[]).map(({ leaf }) => leaf);

beforeAll(async () => {
  broker = await startRunningBroker();
  await broker.database.pool.query(
    `insert into sinks (name, position, attempts, last_error, delivered_at) values ('lake', 2, 0, null, now()), ('siem', 3, 4, 'status_503', null)`,
  );
  await broker.database.pool.query(
    `insert into dead_letters (sink, leaf, task_id, error) select sink, leaf, case when leaf % 2 = 0 then 't-even' end, 'status_422'
       from unnest(array['lake', 'siem']) as sink, generate_series(0, 4) as leaf`,
  );
});
afterAll(() => broker.close());

test('how far each sink is, and what it did not take, page by page', async () => {
  const { status, headers, body } = await ask('GET', `${LIST}?limit=4`, 'auditor');
  expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
  expect(body['sinks']).toMatchObject([
    { name: 'lake', position: 2, attempts: 0, last_error: null, dead_letters: 5, delivered_at: expect.any(String) },
    { name: 'siem', position: 3, attempts: 4, last_error: 'status_503', dead_letters: 5, delivered_at: null },
  ]);
  expect((body['sinks'] as { lag: number }[]).every(({ lag }) => Number.isSafeInteger(lag) && lag >= 0)).toBe(true);
  const seen = [...(body['dead_letters'] as { sink: string; leaf: number }[])];
  let cursor = body['next_cursor'];
  while (cursor !== undefined) {
    const page = await ask('GET', `${LIST}?limit=4&cursor=${encodeURIComponent(String(cursor))}`, 'auditor');
    seen.push(...(page.body['dead_letters'] as typeof seen));
    cursor = page.body['next_cursor'];
  }
  expect(seen.map(({ sink, leaf }) => `${sink} ${leaf}`)).toEqual(
    ['lake', 'siem'].flatMap((sink) => [0, 1, 2, 3, 4].map((leaf) => `${sink} ${leaf}`)),
  );
  expect(seen[0]).toEqual({
    sink: 'lake',
    leaf: 0,
    task: 't-even',
    error: 'status_422',
    at: expect.stringMatching(/Z$/),
    replay_at: null,
    attempts: 0,
    due_at: null,
  });
  expect(letters((await ask('GET', `${LIST}?sink=siem`, 'security')).body['dead_letters'])).toEqual([0, 1, 2, 3, 4]);
  expect((await ask('GET', `${LIST}?sink=nobody`, 'platform')).body['dead_letters']).toEqual([]);
});

test('tried again: those of a task, or all of a sink; who asked is on record', async () => {
  const some = await ask('POST', REPLAY, 'platform', {
    sink: 'siem',
    task: 't-even',
    reason: 'the schema is repaired',
  });
  expect([some.status, some.body]).toEqual([202, { count: 3 }]);
  const marked = (await ask('GET', `${LIST}?sink=siem`, 'auditor')).body['dead_letters'] as {
    leaf: number;
    replay_at: string | null;
  }[];
  await broker.database.pool.query(
    `update dead_letters set attempts = 3, due_at = '2026-11-26T10:00:00Z' where sink = 'siem' and leaf = 2`,
  );
  const [put] = (await ask('GET', `${LIST}?sink=siem&cursor=1%20siem&limit=1`, 'auditor')).body[
    'dead_letters'
  ] as object[];
  expect(put).toMatchObject({ leaf: 2, attempts: 3, due_at: '2026-11-26T10:00:00.000Z' });
  expect(marked.filter(({ replay_at: at }) => at !== null).map(({ leaf }) => leaf)).toEqual([0, 2, 4]);
  // those that are marked already are not marked again
  expect((await ask('POST', REPLAY, 'security', { sink: 'siem', reason: 'all of it' })).body).toEqual({ count: 2 });
  const { rows } = await broker.database.pool.query<{ body: string }>(
    `select body from events where type = 'letters.replayed' order by seq`,
  );
  expect(rows.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
    {
      actor: { kind: 'operator', subject: 'platform' },
      origin: expect.stringMatching(/./),
      facts: { sink: 'siem', of_task: 't-even', count: 3, reason: 'the schema is repaired' },
    },
    { actor: { subject: 'security' }, facts: { sink: 'siem', count: 2 } },
  ]);
});

test.each([
  { name: 'a sink that there is not', json: { sink: 'nobody', reason: 'x' }, want: [404, 'not_found'] },
  { name: 'no reason', json: { sink: 'siem' }, want: [400, 'invalid_request'] },
  { name: 'an empty reason', json: { sink: 'siem', reason: '' }, want: [400, 'invalid_request'] },
  { name: 'a member too many', json: { sink: 'siem', reason: 'x', all: true }, want: [400, 'invalid_request'] },
  { name: 'a reason that cannot be kept', json: { sink: 'siem', reason: 'a\u0000b' }, want: [400, 'invalid_request'] },
])('$name', async ({ json, want }) => {
  const { status, code } = await ask('POST', REPLAY, 'security', json);
  expect([status, code]).toEqual(want);
});

test.each(['1', '1siem', '-1 siem', '1 ', `1 ${'x'.repeat(201)}`, '99999999999999999 siem'])(
  'a cursor that is none: %s',
  async (cursor) => {
    const { status, code } = await ask('GET', `${LIST}?cursor=${encodeURIComponent(cursor)}`, 'auditor');
    expect([status, code]).toEqual([400, 'invalid_request']);
  },
);

test('who may', async () => {
  expect((await ask('GET', LIST, 'approver')).status).toBe(403);
  expect((await ask('POST', REPLAY, 'auditor', { sink: 'siem', reason: 'x' })).status).toBe(403);
  expect((await ask('GET', LIST, undefined)).status).toBe(403);
  expect((await broker.ask('GET', LIST)).status).toBe(401);
  const workload = { as: broker.people.workload('agent/one') };
  expect((await broker.ask('GET', LIST, workload)).code).toBe('not_an_operator');
  expect((await broker.ask('POST', REPLAY, { ...workload, json: { sink: 'siem', reason: 'x' } })).status).toBe(403);
});
