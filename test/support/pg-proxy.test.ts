import { once } from 'node:events';
import { createConnection } from 'node:net';
import pg from 'pg';
import { makeDatabase, type TestDatabase } from './database.ts';
import { startPgProxy, type PgProxy } from './pg-proxy.ts';
import { isOpen, until } from './waiting.ts';

let database: TestDatabase;
let proxy: PgProxy;
const clients: pg.Client[] = [];

beforeAll(async () => {
  database = await makeDatabase();
  await database.pool.query('CREATE TABLE t (x int)');
});
afterAll(() => database.drop());
beforeEach(async () => {
  proxy = await startPgProxy(database.url);
});
afterEach(async () => {
  proxy.close();
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  await database.pool.query('TRUNCATE t');
});

async function connect(options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: proxy.url, ...options });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}

const rows = async () =>
  (await database.pool.query<{ x: number }>('SELECT x FROM t ORDER BY x')).rows.map(({ x }) => x);
const insert = { name: 'insert', text: 'INSERT INTO t VALUES ($1)' };

test('forwards, large and many messages included, and counts', async () => {
  const executed = proxy.count({ from: 'frontend', match: ({ type }) => type === 'E' });
  const client = await connect();
  const long = 'ü'.repeat(300_000);
  expect((await client.query('SELECT $1::text AS text', [long])).rows).toEqual([{ text: long }]);
  expect((await client.query('SELECT generate_series(1, 5000)')).rowCount).toBe(5000);
  for (let x = 0; x < 3; x++) await client.query({ ...insert, values: [x] });
  expect(await rows()).toEqual([0, 1, 2]);
  expect(executed.n).toBe(4);
});

test.each([
  { name: 'a query', query: (client: pg.Client) => client.query('INSERT INTO t VALUES (7)'), type: 'Q' },
  { name: 'a bound statement', query: (client: pg.Client) => client.query({ ...insert, values: [7] }), type: 'B' },
])('holds $name, and lets it pass', async ({ query, type }) => {
  const client = await connect();
  const held = proxy.hold({ from: 'frontend', match: (m) => m.type === type && m.sql.startsWith('INSERT') });
  const done = query(client);
  expect((await held.reached).type).toBe(type);
  expect(await isOpen(done)).toBe(true);
  expect(await rows()).toEqual([]);
  held.release();
  await done;
  expect(await rows()).toEqual([7]);
});

test('holds the nth message that fits, and an answer after its commit', async () => {
  const client = await connect();
  const held = proxy.hold({ from: 'backend', nth: 2, match: (m) => m.type === 'C' && m.sql.startsWith('INSERT') });
  await client.query({ ...insert, values: [1] });
  const second = client.query({ ...insert, values: [2] });
  expect(await held.reached).toMatchObject({ text: 'INSERT 0 1', sql: insert.text });
  await until(async () => (await rows()).length === 2);
  expect(await isOpen(second)).toBe(true);
  held.drop();
  await expect(second).rejects.toThrow();
});

test.each([
  { end: 'release', want: [1] },
  { end: 'drop', want: [] },
] as const)('what is held while its sender dies: $end', async ({ end, want }) => {
  const client = await connect();
  const held = proxy.hold({ from: 'frontend', match: (m) => m.text.includes('INSERT') });
  const larger = 'x'.repeat(8_000_000); // than what the sockets on the way hold
  const lost = client.query(`INSERT INTO t VALUES (1) -- ${larger}`).catch(() => 'lost');
  await held.reached;
  await client.end();
  expect(await lost).toBe('lost');
  held[end]();
  await until(() => proxy.connections === 0);
  expect(await rows()).toEqual(want);
});

test('other connections go on while one is held', async () => {
  const [first, second] = [await connect(), await connect()];
  const held = proxy.hold({ match: ({ text }) => text === 'SELECT 1' });
  const waiting = first.query('SELECT 1');
  await held.reached;
  await second.query('INSERT INTO t VALUES (3)');
  expect(await rows()).toEqual([3]);
  held.release();
  await waiting;
});

test('rewrites what is asked and what is answered, until it is undone', async () => {
  const client = await connect();
  const undo = proxy.rewrite((message) => {
    if (message.type === 'P' || message.type === 'Q') return message.text.replace('$1', '$1 + 100').replace('41', '42');
    if (message.type === 'D' && message.text === '42') return '43';
    return undefined;
  });
  await client.query({ ...insert, values: [1] });
  expect(await rows()).toEqual([101]);
  expect((await client.query('SELECT 41 AS n')).rows).toEqual([{ n: 43 }]);
  undo();
  expect((await client.query('SELECT 41 AS n')).rows).toEqual([{ n: 41 }]);
});

test('delays the end of a transaction, and not each statement of it', async () => {
  const client = await connect();
  proxy.delay(100);
  const start = performance.now();
  await client.query('SELECT 1');
  expect(performance.now() - start).toBeGreaterThanOrEqual(98);
  proxy.delay(3_600_000);
  await client.query('BEGIN');
  await client.query('SELECT 1');
  const commit = client.query('COMMIT').catch(() => 'cut');
  expect(await isOpen(commit)).toBe(true);
  proxy.drop();
  expect(await commit).toBe('cut');
});

test('drops, refuses, falls silent, and resumes', async () => {
  const client = await connect();
  proxy.drop();
  await expect(client.query('SELECT 1')).rejects.toThrow();
  const stays = await connect();
  proxy.refuse();
  await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await stays.query('SELECT 1');
  await proxy.resume();
  await connect();

  proxy.silence();
  await expect(connect({ connectionTimeoutMillis: 100 })).rejects.toThrow();
  const late = stays.query('INSERT INTO t VALUES (5)');
  expect(await isOpen(late)).toBe(true);
  expect(await rows()).toEqual([]);
  await proxy.resume();
  await late;
  expect(await rows()).toEqual([5]);
});

test('forwards a request to cancel, and says no to encryption', async () => {
  await expect(connect({ ssl: true })).rejects.toThrow(/SSL/);
  const keyData = proxy.hold({ from: 'backend', match: ({ type }) => type === 'K' });
  const connecting = connect();
  const { body: key } = await keyData.reached;
  keyData.release();
  const client = await connecting;
  const executing = proxy.count({ from: 'frontend', match: ({ type }) => type === 'Q' });
  const slow = client.query('SELECT pg_sleep(30)');
  const cancelled = expect(slow).rejects.toMatchObject({ code: '57014' });
  await until(() => executing.n === 1);
  while (await isOpen(slow)) {
    const request = Buffer.alloc(8);
    request.writeUInt32BE(8 + key.length);
    request.writeUInt32BE(80_877_102, 4);
    const socket = createConnection(Number(new URL(proxy.url).port), '127.0.0.1');
    socket.end(Buffer.concat([request, key]));
    await once(socket, 'close');
  }
  await cancelled;
});
