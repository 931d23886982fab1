import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

let broker: RunningBroker;
let security: string;
const issued: Record<string, unknown>[] = [];

beforeAll(async () => {
  broker = await startRunningBroker();
  security = broker.people.operator('security');
  const asked = [
    { who: 'agent/one', json: { profile: 'lookup' } },
    { who: 'agent/one', json: { profile: 'ticket', parameters: { ticket: '7' } } },
    { who: 'agent/two', json: { profile: 'lookup' } },
    { who: 'agent/two', json: { profile: 'orders-read', parameters: { region: 'de' } } },
    { who: 'agent/two', json: { profile: 'offline' } },
  ];
  for (const { who, json } of asked) {
    const question = { as: broker.people.workload(who), json: { ...json, purpose: 'test' } };
    issued.push(await broker.ask('POST', '/v1/grants', question).then(({ body }) => body));
  }
  const last = String(issued[4]?.['id']);
  await broker.ask('POST', `/v1/grants/${last}/revoke`, { as: security, json: { reason: 'test' } });
});
afterAll(() => broker.close());

const list = async (query: string) => {
  const { status, body } = await broker.ask('GET', `/v1/grants?${query}`, { as: security });
  expect(status).toBe(200);
  return { grants: body['grants'] as Record<string, unknown>[], next: body['next_cursor'] };
};
const numbers = (grants: readonly Record<string, unknown>[]) =>
  grants.map(({ id }) => issued.findIndex((one) => one['id'] === id));

test.each([
  { query: '', want: [4, 3, 2, 1, 0] },
  { query: 'state=active', want: [3, 2, 1, 0] },
  { query: 'agent=spiffe://test.example/agent/one', want: [1, 0] },
  { query: 'agent=spiffe://test.example/agent/', want: [] },
  { query: 'profile=lookup', want: [2, 0] },
  { query: 'owner=payments', want: [2, 1, 0] },
  { query: 'environment=staging', want: [1] },
  { query: 'provider=orders-db', want: [3] },
  { query: 'profile=lookup&agent=spiffe://test.example/agent/two', want: [2] },
  { query: 'state=active&provider=tools&limit=2', want: [2, 1] },
])('$query', async ({ query, want }) => {
  expect(numbers((await list(query)).grants)).toEqual(want);
});

test('a task', async () => {
  const { grants } = await list(`task=${String(issued[1]?.['task'])}`);
  expect(numbers(grants)).toEqual([1]);
});

test('page after page, each grant once, also those that were opened within one millisecond', async () => {
  await broker.database.pool.query(
    `update grants set opened_at = '2026-01-01T00:00:00Z'::timestamptz + (get_byte(convert_to(id, 'UTF8'), 12) % 3) * interval '1 microsecond'`,
  );
  const seen: unknown[] = [];
  let cursor: unknown;
  do {
    const page = await list(`limit=1${cursor === undefined ? '' : `&cursor=${String(cursor)}`}`);
    seen.push(...page.grants.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  expect(seen).toHaveLength(issued.length);
  expect(new Set(seen)).toEqual(new Set(issued.map(({ id }) => id)));
});

test('a cursor that no grant has is the end', async () => {
  expect(await list('cursor=g000000000000')).toEqual({ grants: [], next: undefined });
});

test('what is shown has no credential', async () => {
  const { grants } = await list('');
  for (const grant of grants) expect(Object.keys(grant)).not.toContain('credential');
});
