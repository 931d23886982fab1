import { isCheckpointOf, readCheckpoint } from '../../src/audit/checkpoint.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { parseNoteKey } from '../../src/audit/note.ts';
import { includes, isExtension, rootOfRange } from '../../src/audit/proofs.ts';
import { growFrom } from '../../src/audit/tree.ts';
import type { Answer } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/** What an auditor asks of the record over HTTP, and checks with nothing but a checkpoint and its key. */
let broker: RunningBroker;
let grant: { id: string; task: string; decision: { id: string } };

const ask = (path: string, role: 'auditor' | 'security' = 'auditor') =>
  broker.ask('GET', path, { as: broker.people.operator(role) });
const ok = async <Shape extends object = Answer['body']>(path: string): Promise<Shape> => {
  const answer = await ask(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return JSON.parse(answer.text) as Shape;
};
const bytes = (text: unknown) => Buffer.from(String(text), 'base64');
const list = (value: unknown) => (value as string[]).map(bytes);

interface Page {
  readonly events: readonly { readonly leaf: number; readonly event: Readonly<Record<string, unknown>> }[];
  readonly next_cursor: string;
  readonly more: boolean;
  readonly size: number;
}
const page = (query: string) => ok<Page>(`/v1/events?${query}`);

beforeAll(async () => {
  broker = await startRunningBroker();
  for (let n = 0; n < 3; n++) {
    const issued = await broker.ask('POST', '/v1/grants', {
      as: broker.people.workload('agent/one'),
      json: { profile: 'lookup', purpose: `wünsche ${n}` },
    });
    grant = JSON.parse(issued.text) as typeof grant;
  }
  const { n } = (await broker.database.pool.query<{ n: number }>('select count(*)::int as n from events')).rows[0] ?? {
    n: 0,
  };
  await until(async () => Number((await ask('/v1/audit/checkpoint')).body['size'] ?? 0) >= n);
});
afterAll(() => broker.close());

test('a signed checkpoint, and the key to check it with', async () => {
  const { origin, size, checkpoint, key } = await ok('/v1/audit/checkpoint');
  const read = readCheckpoint(String(checkpoint));
  const known = parseNoteKey(String(key));
  expect(read).toMatchObject({ origin, size });
  expect(read && known && isCheckpointOf(read, String(origin), [known])).toBe(true);
  expect(origin).toMatch(/^writ\/[0-9a-f-]{36}$/);
});

test('events in sealed order, page by page, none twice and none left out', async () => {
  const seen: number[] = [];
  let cursor = '0';
  for (;;) {
    const { events, next_cursor: next, more } = await page(`cursor=${cursor}&limit=4`);
    expect(events.length).toBeLessThanOrEqual(4);
    seen.push(...events.map(({ leaf }) => leaf));
    cursor = next;
    // each of these reads is an event as well: the tail grows while it is read
    if (!more || seen.length > 20) break;
  }
  expect(seen).toEqual(seen.map((_, at) => at));
  expect(seen.length).toBeGreaterThan(12);
});

test('of a task, of a grant, of a type', async () => {
  const types = ({ events }: Page) => events.map(({ event }) => event['type']);
  const ofGrant = ['decision.made', 'task.created', 'grant.opened', 'grant.activated'];
  expect(types(await page(`task=${grant.task}`))).toEqual(ofGrant);
  expect(types(await page(`grant=${grant.id}`))).toEqual(ofGrant);
  expect(types(await page(`task=${grant.task}&grant=${grant.id}&type=grant.opened`))).toEqual(['grant.opened']);
  expect(types(await page('type=task.created&limit=2'))).toEqual(['task.created', 'task.created']);
  const rest = await page(`type=task.created&cursor=${(await page('type=task.created&limit=2')).next_cursor}`);
  expect(types(rest)).toEqual(['task.created']);
  expect(types(await page('grant=gnothing'))).toEqual([]);
  expect(types(await page('type=nothing.known'))).toEqual([]);
});

test('an event as text is what was sealed; as an object it says the same', async () => {
  const asText = await ok<{ events: { leaf: number; body: string }[] }>('/v1/events?limit=5&format=text');
  const { events } = await page('limit=5');
  const { rows } = await broker.database.pool.query<{ body: string }>(
    'select body from events where leaf < 5 order by leaf',
  );
  expect(asText.events.map(({ body }) => body)).toEqual(rows.map(({ body }) => body));
  expect(events.map(({ event }) => event)).toEqual(rows.map(({ body }) => JSON.parse(body) as unknown));
});

test('an event is proven to be in the log that was signed, by leaf and by number', async () => {
  const { events } = await ok<{ events: { leaf: number; body: string }[] }>(`/v1/events?grant=${grant.id}&format=text`);
  for (const { leaf, body } of events) {
    const { seq } = JSON.parse(body) as { seq: number };
    const proof = await ok(`/v1/audit/proof?leaf=${leaf}`);
    expect({ ...(await ok(`/v1/audit/proof?seq=${seq}&size=${String(proof['size'])}`)) }).toMatchObject({
      leaf,
      path: proof['path'],
    });
    const signed = readCheckpoint(String(proof['checkpoint']));
    expect(signed?.root).toEqual(bytes(proof['root']));
    expect(signed && includes(signed, leaf, leafHash(body), list(proof['path']))).toBe(true);
    expect(signed && includes(signed, leaf, leafHash(`${body} `), list(proof['path']))).toBe(false);
  }
});

test('a log goes on from what it was, and a range of it is whole', async () => {
  const now = await ok('/v1/audit/proof?old_size=5');
  const signed = readCheckpoint(String(now['checkpoint']));
  const old = { size: 5, root: bytes(now['old_root']) };
  expect(signed && isExtension(old, signed, list(now['path']))).toBe(true);

  const range = await ok(`/v1/audit/proof?first=3&end=9&size=${String(now['size'])}`);
  const { events } = await ok<{ events: { body: string }[] }>('/v1/events?cursor=3&limit=6&format=text');
  const tree = growFrom(3, list(range['left']));
  for (const { body } of events) tree.append(leafHash(body));
  expect(rootOfRange(tree.frontier(), 9, list(range['right']), Number(now['size']))).toEqual(bytes(now['root']));
});

test('a decision, with what the policies saw', async () => {
  const decision = await ok(`/v1/decisions/${grant.decision.id}`);
  expect(decision).toMatchObject({
    id: grant.decision.id,
    action: 'issue',
    outcome: 'allow',
    code: null,
    task: grant.task,
    grant: grant.id,
    subject: 'spiffe://test.example/agent/one',
    inputs: { context: { task: { purpose: 'wünsche 2' } } },
  });
  expect((await ask('/v1/decisions/d0000000000000000000000')).code).toBe('not_found');
  expect((await ask('/v1/decisions/nothing')).code).toBe('not_found');
});

test('whoever reads evidence is on record: who, what, how much, once for each request', async () => {
  const sql = `select body::jsonb as body from events where type = 'evidence.read' and seq > $1 order by seq`;
  const last = async () =>
    (await broker.database.pool.query<{ seq: string }>('select max(seq) as seq from events')).rows[0]?.seq ?? '0';
  const before = await last();
  await page(`grant=${grant.id}&limit=2`);
  await ask(`/v1/decisions/${grant.decision.id}`, 'security');
  const some = await ok('/v1/decisions?from=2020-01-01T00:00:00Z&limit=2');
  expect([(some['decisions'] as object[]).length, some['next_cursor']]).toEqual([2, expect.any(String)]);
  await ok('/v1/audit/checkpoint');
  await ok('/v1/audit/proof?leaf=0');
  const { rows } = await broker.database.pool.query<{ body: unknown }>(sql, [before]);
  const actor = (subject: string) => ({ kind: 'operator', issuer: 'https://sso.test', subject });
  expect(rows.map(({ body }) => body)).toMatchObject([
    {
      actor: actor('auditor'),
      resource: grant.id,
      success: true,
      origin: '127.0.0.1',
      facts: { what: 'events', query: { grant: grant.id, from: 0, limit: 2 }, count: 2 },
    },
    { actor: actor('security'), resource: grant.decision.id, facts: { what: 'decision', count: 1 } },
    { resource: 'decisions', facts: { what: 'decisions', query: { limit: 2 }, count: 2 } },
  ]);
});

test('the leaves of a span of time', async () => {
  const { size } = await ok('/v1/audit/checkpoint');
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const to = new Date(Date.now() + 3_600_000).toISOString();
  const all = await ok(`/v1/audit/range?from=${from}&to=${to}`);
  expect(all).toMatchObject({ first: 0 });
  expect(Number(all['end'])).toBeGreaterThanOrEqual(Number(size));
  expect(await ok(`/v1/audit/range?to=${from}`)).toEqual({ first: 0, end: 0 });
  const none = await ok(`/v1/audit/range?from=${to}`);
  expect(none['first']).toBe(none['end']);
});

test.each([
  'cursor=-1',
  'cursor=x',
  'limit=0',
  'limit=1001',
  'format=xml',
  'task=',
  'what=else',
  'cursor=9999999999999999',
])('a wrong query for events: %s', async (query) => {
  expect((await ask(`/v1/events?${query}`)).code).toBe('invalid_request');
});

test.each([
  { from: '2026-11-01T00:00:00Z', fits: true },
  { from: '2026-11-01T00:00:00.5+02:00', fits: true },
  { from: '2026-02-30T00:00:00Z', fits: false },
  { from: '2026-11-01T25:00:00Z', fits: false },
  { from: '2026-11-01T00:00:00', fits: false },
  { from: '2026-11-01', fits: false },
  { from: '', fits: false },
])('a time is $from: $fits', async ({ from, fits }) => {
  const { status, code } = await ask(`/v1/audit/range?from=${encodeURIComponent(from)}`);
  expect([status, code]).toEqual(fits ? [200, undefined] : [400, 'invalid_request']);
});

test.each([
  '',
  'leaf=1&seq=1',
  'leaf=1&old_size=1',
  'first=1',
  'end=1',
  'first=3&end=2',
  'first=0&end=1&leaf=0',
  'leaf=999999',
  'leaf=0&size=999999',
  'old_size=999999',
  'old_size=3&size=2',
  'leaf=5&size=3',
  'leaf=x',
])('a wrong question for a proof: %s', async (query) => {
  expect((await ask(`/v1/audit/proof?${query}`)).code).toBe('invalid_request');
});

test('what is not there', async () => {
  expect((await ask('/v1/audit/proof?seq=999999')).code).toBe('not_found');
});

test('a cursor at the end is where new events are read from', async () => {
  const { size } = await page('limit=1');
  const { events, next_cursor: next, more } = await page(`cursor=${size + 100}`);
  expect([events, Number(next), more]).toEqual([[], size + 100, false]);
});
