import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeSinkDelivery } from '../../src/audit/sinks/deliver.ts';
import type { WebhookSink } from '../../src/audit/sinks/deliver.ts';
import { Secret } from '../../src/domain/secret.ts';
import { openSinks } from '../../src/ledger/index.ts';
import { makeOutbound } from '../../src/outbound/client.ts';
import { startSinks } from '../../src/reaper/sinks.ts';
import { OPERATOR } from '../ledger/world.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { until } from '../support/waiting.ts';
import { ocsfFaults } from './ocsf-schema.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

/** Sealed events are handed on at least once, in their order, and nobody waits for it. */
let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
beforeAll(async () => {
  server = await startLedgerServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  world = await makeLogWorld(server);
});
afterEach(() => world.close());

const KEY = Buffer.alloc(32, 7);

interface Line {
  readonly leaf: number;
  readonly body: string;
}

/** A receiver that takes bodies, or answers as it is told. */
async function startReceiver() {
  const taken: Line[] = [];
  const seen: { headers: IncomingHttpHeaders; body: string }[] = [];
  const receiver = {
    taken,
    seen,
    answer: (() => 204) as (lines: readonly Line[], headers: IncomingHttpHeaders) => number,
    url: '',
    host: '',
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
  const server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    req.on('end', () => {
      seen.push({ headers: req.headers, body });
      const lines = body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
      const status = receiver.answer(lines, req.headers);
      if (status < 300) taken.push(...lines);
      res.writeHead(status).end('nothing that is looked at');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  receiver.url = `http://${receiver.host}/events?token=of-the-address`;
  return receiver;
}

type Receiver = Awaited<ReturnType<typeof startReceiver>>;

function run(receiver: Receiver, over: Partial<WebhookSink> = {}, owner = 'one') {
  const sink: WebhookSink = {
    name: 'siem',
    url: new Secret(receiver.url),
    secret: new Secret<Uint8Array>(KEY),
    format: 'jsonl',
    from: 'start',
    ...over,
  };
  const log: string[] = [];
  const note = (facts: Readonly<Record<string, unknown>>) => void log.push(JSON.stringify(facts));
  const store = openSinks({ url: world.database.brokerUrl });
  const deliver = makeSinkDelivery(makeOutbound({ allow: [receiver.host] }), () => new Date(), '1.2.3');
  const sinks = startSinks({ sinks: [sink], store, deliver, owner, log: { info: note, warn: note, error: note } });
  const stop = async () => {
    await sinks.stop();
    await store.close();
  };
  let stopping: Promise<void> | undefined;
  return { log, stop: () => (stopping ??= stop()) };
}

/** Events of tasks, by name, in this order. */
async function write(tasks: readonly string[]): Promise<void> {
  const client = await world.connection();
  for (const task of tasks) {
    await client.query(
      `select emit_event('task.ended', system_actor('test'), 'mesh', 'agent', null, $1, null, null, null, $1, true, '{"why":"ended"}')`,
      [task],
    );
  }
  await world.seal();
}
const tasksOf = (lines: readonly Line[]) => lines.map(({ body }) => (JSON.parse(body) as { task: string }).task);
const due = () => world.database.pool.query('update sinks set due_at = now()');
const lettersDue = () => world.database.pool.query('update dead_letters set due_at = now() where due_at is not null');
const states = () => world.ledger.sinks.states();
const letters = () => world.ledger.sinks.deadLetters('siem', null, 9);

test('everything sealed arrives in order, to the byte, signed so that the receiver can tell', async () => {
  const receiver = await startReceiver();
  await write(['a', 'b', 'a', 'ü']);
  const running = run(receiver);
  await until(() => receiver.taken.length === 4);
  await write(['c']);
  await until(() => receiver.taken.length === 5);
  await running.stop();
  const { rows } = await world.database.pool.query<{ body: string }>('select body from events order by leaf');
  expect(receiver.taken.map(({ body }) => body)).toEqual(rows.map(({ body }) => body));
  expect(receiver.taken.map(({ leaf }) => leaf)).toEqual([0, 1, 2, 3, 4]);
  for (const { headers, body } of receiver.seen) {
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
    expect(headers['content-type']).toBe('application/x-ndjson');
  }
  expect(await states()).toMatchObject([{ name: 'siem', position: 5, attempts: 0, lastError: null, dead: 0 }]);
  await receiver.close();
});

test('as OCSF', async () => {
  const receiver = await startReceiver();
  await write(['a']);
  const running = run(receiver, { format: 'ocsf' });
  await until(() => receiver.taken.length === 1);
  await running.stop();
  expect(ocsfFaults(JSON.parse(receiver.seen[0]?.body ?? '') as never)).toEqual([]);
  await receiver.close();
});

test('from now on only', async () => {
  const receiver = await startReceiver();
  await write(['before']);
  const running = run(receiver, { from: 'now' });
  await until(async () => (await states()).length === 1);
  await write(['after']);
  await until(() => receiver.taken.length === 1);
  await running.stop();
  expect(tasksOf(receiver.taken)).toEqual(['after']);
  await receiver.close();
});

test.each([401, 404, 429, 500, 503, 302])(
  'a receiver that answers %d is asked again, and nothing is lost or dead',
  async (status) => {
    const receiver = await startReceiver();
    receiver.answer = () => status;
    await write(['a', 'b']);
    const running = run(receiver);
    await until(async () => ((await states())[0]?.attempts ?? 0) >= 1);
    expect(await states()).toMatchObject([{ position: 0, lastError: `status_${status}`, dead: 0 }]);
    const [first] = receiver.seen;
    receiver.answer = () => 200;
    await due();
    await until(() => receiver.taken.length === 2);
    await running.stop();
    expect(receiver.seen.at(-1)?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(running.log.join()).not.toContain('of-the-address');
    await receiver.close();
  },
);

test('a receiver that is away', async () => {
  const receiver = await startReceiver();
  await receiver.close();
  await write(['a']);
  const running = run(receiver);
  await until(async () => ((await states())[0]?.attempts ?? 0) >= 1);
  await running.stop();
  expect(await states()).toMatchObject([{ position: 0, lastError: 'unreachable', dead: 0 }]);
});

test('what is refused as it is becomes a dead letter, with what comes later of its task; the others go on', async () => {
  const receiver = await startReceiver();
  const refused = (lines: readonly Line[]) => lines.some(({ body }) => body.includes('"task":"bad"'));
  receiver.answer = (lines) => (refused(lines) ? 422 : 200);
  await write(['a', 'bad', 'b', 'bad', 'a', 'c']);
  const running = run(receiver);
  await until(async () => {
    await due();
    return (await states())[0]?.position === 6;
  });
  expect(tasksOf(receiver.taken)).toEqual(['a', 'b', 'a', 'c']);
  expect(await world.ledger.sinks.deadLetters(null, null, 10)).toMatchObject([
    { leaf: 1, task: 'bad', error: 'status_422' },
    { leaf: 3, task: 'bad', error: 'behind_dead_letter' },
  ]);

  // repaired: what is replayed comes in its order, and says what it is
  receiver.answer = () => 200;
  const before = receiver.taken.length;
  const asked = { sink: 'siem', task: 'bad', reason: 'repaired', actor: OPERATOR, origin: null };
  expect(await world.ledger.sinks.replay(asked)).toEqual({ count: 2 });
  await until(() => receiver.taken.length === before + 2);
  await until(async () => (await states())[0]?.dead === 0);
  expect(receiver.taken.slice(before).map(({ leaf }) => leaf)).toEqual([1, 3]);
  expect(receiver.seen.at(-1)?.headers['writ-replay']).toBe('true');
  await running.stop();
  await receiver.close();
});

test('a replay that is refused again waits for a person again, with all behind it', async () => {
  const receiver = await startReceiver();
  receiver.answer = (lines) => (lines.some(({ body }) => body.includes('"task":"bad"')) ? 400 : 200);
  await write(['bad', 'bad', 'ok']);
  const running = run(receiver);
  await until(async () => {
    await due();
    return (await states())[0]?.dead === 2;
  });
  await world.ledger.sinks.replay({ sink: 'siem', task: null, reason: 'try', actor: OPERATOR, origin: null });
  await until(async () => (await letters()).every(({ replayAt }) => replayAt === null));
  expect(receiver.seen.filter(({ headers }) => headers['writ-replay']).length).toBe(1);
  expect((await states())[0]?.dead).toBe(2);
  await running.stop();
  await receiver.close();
});

test('one refusal after a receiver was away for long is one: only what is refused in a row is dead', async () => {
  const receiver = await startReceiver();
  receiver.answer = () => 503;
  await write(['a']);
  const running = run(receiver);
  await until(async () => {
    await due();
    return ((await states())[0]?.attempts ?? 0) >= 4;
  });
  receiver.answer = () => {
    receiver.answer = () => 200;
    return 422;
  };
  await until(async () => {
    await due();
    return (await states())[0]?.position === 1;
  });
  await running.stop();
  expect(await states()).toMatchObject([{ position: 1, dead: 0 }]);
  expect(receiver.taken).toHaveLength(1);
  await receiver.close();
});

test('what is replayed while the receiver is away stays asked for, and is not tried at full speed', async () => {
  const receiver = await startReceiver();
  await world.tamper(`insert into sinks (name, position) values ('siem', 3)`);
  await write(['bad', 'bad', 'bad']);
  await world.tamper(
    `insert into dead_letters (sink, leaf, task_id, error) select 'siem', n, 'bad', 'status_422' from generate_series(0, 2) n`,
  );
  receiver.answer = () => 503;
  await world.ledger.sinks.replay({ sink: 'siem', task: null, reason: 'try', actor: OPERATOR, origin: null });
  const running = run(receiver);
  await until(async () => ((await letters())[0]?.attempts ?? 0) >= 1);
  const [first] = await letters();
  expect(first).toMatchObject({ leaf: 0, error: 'status_503' });
  expect(receiver.seen.length).toBeLessThanOrEqual((first?.attempts ?? 0) + 1); // one may be on its way
  expect(await states()).toMatchObject([{ attempts: 0, lastError: null, dead: 3 }]);
  expect((await letters()).filter(({ replayAt }) => replayAt)).toHaveLength(3);
  receiver.answer = () => 200;
  await until(async () => {
    await lettersDue();
    return (await states())[0]?.dead === 0;
  });
  await running.stop();
  expect(receiver.taken.slice(0, 3).map(({ leaf }) => leaf)).toEqual([0, 1, 2]);
  await receiver.close();
});

test('a replay that is never answered holds no other event up, and stays asked for', async () => {
  const receiver = await startReceiver();
  await world.tamper(`insert into sinks (name, position) values ('siem', 1)`);
  await write(['bad', 'ok', 'bad', 'ok']);
  await world.tamper(`insert into dead_letters (sink, leaf, task_id, error) values ('siem', 0, 'bad', 'status_422')`);
  receiver.answer = (lines) => (lines.some(({ leaf }) => leaf === 0) ? 502 : 204);
  await world.ledger.sinks.replay({ sink: 'siem', task: null, reason: 'try', actor: OPERATOR, origin: null });
  const running = run(receiver);
  try {
    await until(async () => {
      await due();
      return (await states())[0]?.position === 4;
    });
  } finally {
    await running.stop();
    await receiver.close();
  }
  expect(receiver.taken.map(({ leaf }) => leaf)).toEqual([1, 3]);
  expect((await letters()).map(({ leaf, replayAt }) => [leaf, replayAt !== null])).toEqual([
    [0, true],
    [2, false],
  ]);
});

test('a replay that is not answered waits by itself, across a restart, with what comes later of its task: neither events nor others do', async () => {
  const receiver = await startReceiver();
  await world.tamper(`insert into sinks (name, position) values ('siem', 4)`);
  await write(['bad', 'other', 'bad', 'lone']);
  await world.tamper(
    `insert into dead_letters (sink, leaf, task_id, error, attempts) values
       ('siem', 0, 'bad', 'status_422', 7), ('siem', 1, 'other', 'status_422', 0), ('siem', 2, 'bad', 'behind_dead_letter', 0),
       ('siem', 3, null, 'status_422', 7)`,
  );
  receiver.answer = (lines) => (lines.some(({ leaf }) => leaf === 0 || leaf === 3) ? 502 : 204);
  await world.ledger.sinks.replay({ sink: 'siem', task: null, reason: 'try', actor: OPERATOR, origin: null });
  let running = run(receiver);
  try {
    await until(async () => (await letters()).length === 3);
    await write(['new']);
    await until(async () => (await states())[0]?.position === 6); // that it was asked for is an event as well
    await running.stop();
    expect(receiver.taken.map(({ leaf }) => leaf)).toEqual([1, 4, 5]);
    const tried = () => receiver.seen.filter(({ body }) => /"leaf":[03],/.test(body)).length;
    expect(tried()).toBe(2);
    const [first, second, third] = await letters();
    expect(first).toMatchObject({ leaf: 0, error: 'status_502', attempts: 8, replayAt: expect.any(Date) });
    // 128 s, less a quarter of it at most
    expect((first?.dueAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(60_000);
    expect(second).toMatchObject({ leaf: 2, error: 'behind_dead_letter', attempts: 0, dueAt: null });
    expect(third).toMatchObject({ leaf: 3, error: 'status_502', attempts: 8 });
    expect(running.log.filter((line) => line.includes('status_502'))).toEqual([]); // told once, when it began

    running = run(receiver, {}, 'two');
    await write(['newer']);
    await until(async () => (await states())[0]?.position === 7);
    expect(tried()).toBe(2);
    receiver.answer = () => 204;
    await lettersDue();
    await until(async () => (await states())[0]?.dead === 0);
  } finally {
    await running.stop();
    await receiver.close();
  }
  expect(receiver.taken.map(({ leaf }) => leaf)).toEqual([1, 4, 5, 6, 0, 2, 3]);
});

test('a replay that is refused after it was not answered waits for a person, and begins anew with the next', async () => {
  const receiver = await startReceiver();
  await world.tamper(`insert into sinks (name, position) values ('siem', 1)`);
  await write(['bad']);
  await world.tamper(`insert into dead_letters (sink, leaf, task_id, error) values ('siem', 0, 'bad', 'status_422')`);
  receiver.answer = () => 500;
  const again = { sink: 'siem', task: null, reason: 'try', actor: OPERATOR, origin: null };
  await world.ledger.sinks.replay(again);
  const running = run(receiver);
  await until(async () => ((await letters())[0]?.attempts ?? 0) === 1);
  expect(running.log.join()).toContain('"leaf":0,"code":"status_500"');
  receiver.answer = () => 400;
  await lettersDue();
  await until(async () => (await letters())[0]?.replayAt === null);
  await running.stop();
  await receiver.close();
  expect(await letters()).toMatchObject([{ error: 'status_400', attempts: 0, dueAt: null }]);
});

test('an event that cannot be written in the format of a sink is a dead letter, and the others go on', async () => {
  const receiver = await startReceiver();
  await write(['a']);
  await world.tamper(
    `insert into events (at, seq, type, body) values (now(), nextval('events_seq'), 'task.ended', 'no JSON')`,
  );
  await world.seal();
  await write(['b']);
  const running = run(receiver, { format: 'ocsf' });
  await until(async () => {
    await due();
    return (await states())[0]?.position === 3;
  });
  await running.stop();
  expect(await world.ledger.sinks.deadLetters(null, null, 9)).toMatchObject([{ leaf: 1, error: 'event_unreadable' }]);
  expect(receiver.taken).toHaveLength(2);
  await receiver.close();
});

test('an id is of one body: the same events in another form have another', async () => {
  const receiver = await startReceiver();
  await write(['a']);
  for (const format of ['jsonl', 'ocsf', 'jsonl'] as const) {
    const running = run(receiver, { format });
    const before = receiver.taken.length;
    await world.tamper('update sinks set position = 0, due_at = now()');
    await until(() => receiver.taken.length > before);
    await running.stop();
  }
  const ids = receiver.seen.map(({ headers, body }) => `${String(headers['webhook-id'])} ${body}`);
  expect(new Set(receiver.seen.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
  expect(new Set(ids).size).toBe(2);
  await receiver.close();
});

test('two replicas: none left out, and each task in its order', async () => {
  const receiver = await startReceiver();
  const all = [run(receiver, {}, 'one'), run(receiver, {}, 'two')];
  const tasks = Array.from({ length: 60 }, (_, n) => `t${n % 5}`);
  for (let at = 0; at < tasks.length; at += 20) await write(tasks.slice(at, at + 20));
  await until(() => new Set(receiver.taken.map(({ leaf }) => leaf)).size === 60);
  await Promise.all(all.map((each) => each.stop()));
  for (const task of new Set(tasks)) {
    const leaves = receiver.taken.filter(({ body }) => body.includes(`"task":"${task}"`)).map(({ leaf }) => leaf);
    expect(leaves).toEqual([...leaves].sort((a, b) => a - b));
  }
  await receiver.close();
});

test('a claim that was lost moves nothing', async () => {
  await write(['a', 'b']);
  const { sinks } = world.ledger;
  const claiming = { sink: 'siem', from: 'start', lease_seconds: 60 } as const;
  expect(await sinks.claim({ ...claiming, owner: 'one' })).toEqual({ position: 0, attempts: 0 });
  expect(await sinks.claim({ ...claiming, owner: 'two' })).toBeUndefined();
  const settling = { sink: 'siem', from: 0, to: 2, dead: [], error: null, delay_seconds: 0 };
  expect(await sinks.settle({ ...settling, owner: 'two' })).toBe(false);
  await world.database.pool.query(`update sinks set claimed_until = now() - interval '1 second'`);
  expect(await sinks.settle({ ...settling, owner: 'one' })).toBe(false);
  expect(await sinks.claim({ ...claiming, owner: 'two' })).toEqual({ position: 0, attempts: 0 });
  expect(await sinks.settle({ ...settling, owner: 'two', from: 1 })).toBe(false);
  expect(await sinks.settle({ ...settling, owner: 'two' })).toBe(true);
  expect(await sinks.states()).toMatchObject([{ position: 2 }]);
});

test('nobody waits for a sink: events are written while a receiver hangs', async () => {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await write(['a']);
  const store = openSinks({ url: world.database.brokerUrl });
  const deliver = makeSinkDelivery(makeOutbound({ allow: [host] }), () => new Date(), '1');
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const sink = {
    name: 'x',
    url: new Secret(`http://${host}`),
    secret: new Secret<Uint8Array>(KEY),
    format: 'jsonl',
    from: 'start',
  } as const;
  let asked = false;
  const sinks = startSinks({
    sinks: [sink],
    store,
    deliver: (...args) => {
      asked = true;
      return deliver(...args);
    },
    owner: 'one',
    log,
  });
  await until(() => asked);
  await write(['b', 'c']);
  expect((await world.one('select count(*)::int as n from events where leaf is not null'))['n']).toBe(3);
  const held = await world.database.pool.query(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and state <> 'idle' and backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
  expect(held.rows).toEqual([{ n: 0 }]);
  server.closeAllConnections();
  server.close();
  await sinks.stop();
  await store.close();
});
