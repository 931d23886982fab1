import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAsk } from '../support/ask.ts';
import type { Ask } from '../support/ask.ts';
import { startServe } from '../support/broker-process.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { makeDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { makePeople } from '../support/people.ts';
import { sampleRules } from '../support/running-broker-rules.ts';
import { writYaml } from '../support/running-broker.ts';
import { makeTarget } from '../support/target.ts';
import type { Target } from '../support/target.ts';
import { until } from '../support/waiting.ts';

/** `writ serve` with a sink, as a process of its own: its receiver is away, comes back, hangs; the broker is killed in between. */
const KEY = randomBytes(32);

interface Line {
  readonly leaf: number;
  readonly body: string;
}

interface Delivered {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly lines: readonly Line[];
}

/** On one port, that it can leave and come back to. */
async function makeReceiver() {
  const taken: Line[] = [];
  const seen: Delivered[] = [];
  const held: ServerResponse[] = [];
  let server: Server | undefined;
  const listen = (port: number) =>
    new Promise<number>((resolve) => {
      server = createServer((req, res) => {
        let text = '';
        req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        req.once('end', () => {
          const lines = text
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line) as Line);
          seen.push({ headers: req.headers, text, lines });
          if (receiver.mode === 'hang') held.push(res);
          else {
            if (receiver.mode === 'take') taken.push(...lines);
            res.writeHead(receiver.mode === 'take' ? 204 : 503).end();
          }
        });
      });
      server.listen(port, '127.0.0.1', () => resolve((server?.address() as AddressInfo).port));
    });
  const port = await listen(0);
  const leave = () =>
    new Promise<void>((resolve) => {
      server?.close(() => resolve());
      server?.closeAllConnections();
    });
  const receiver = {
    host: `127.0.0.1:${port}`,
    mode: 'take' as 'take' | 'fail' | 'hang',
    taken,
    seen,
    held,
    leave,
    come: () => listen(port),
  };
  return receiver;
}

let receiver: Awaited<ReturnType<typeof makeReceiver>>;
let database: TestDatabase;
let target: Target;
let directory: string;
let broker: BrokerProcess;
let ask: Ask;
const people = makePeople();
const env: Record<string, string> = { WRIT_KEK: randomBytes(32).toString('base64') };

async function start(): Promise<void> {
  broker = await startServe(directory, env);
  ask = makeAsk(broker.url);
}

/** What is waited for has waited: the pause between attempts, and the claim of a process that is gone. */
const passTime = () =>
  database.pool.query('update sinks set due_at = now(), claimed_until = least(claimed_until, now())');
const pauseIsOver = () => database.pool.query('update sinks set due_at = now()');

async function task(name: string): Promise<string> {
  const json = { purpose: name, mode: 'autonomous', environment: 'test' };
  const made = await ask('POST', '/v1/tasks', { as: people.workload('agent/one'), json });
  expect([made.status, made.text]).toEqual([201, made.text]);
  return String(made.body['id']);
}

/** One issuance; that it is answered is what says that nothing holds it up. */
async function issue(purpose: string): Promise<void> {
  const json = { profile: 'lookup', purpose };
  const answer = await ask('POST', '/v1/grants', { as: people.workload('agent/one'), json });
  expect([answer.status, answer.code]).toEqual([201, undefined]);
}

async function sealed(): Promise<number> {
  let size = 0;
  await until(async () => {
    const { rows } = await database.pool.query<{ size: number; open: number }>(
      'select size::int, (select count(*)::int from events where leaf is null) as open from log_head',
    );
    size = rows[0]?.size ?? 0;
    return rows[0]?.open === 0;
  });
  return size;
}

async function everythingArrived(): Promise<void> {
  const size = await sealed();
  await until(async () => {
    await pauseIsOver();
    return new Set(receiver.taken.map(({ leaf }) => leaf)).size >= size;
  });
}

beforeAll(async () => {
  [receiver, database, target] = await Promise.all([makeReceiver(), makeDatabase(), makeTarget()]);
  directory = await mkdtemp(join(tmpdir(), 'writ-sink-'));
  await receiver.leave();
  Object.assign(env, { DATABASE_URL: database.brokerUrl, ORDERS_DB_URL: target.url });
  await writeFile(join(directory, 'bundle.json'), people.bundle);
  await writeFile(join(directory, 'operators.json'), people.operatorsJwks);
  const secret = `whsec_${KEY.toString('base64')}`;
  const settings = {
    ...writYaml,
    outbound: { allow: [receiver.host] },
    audit: { sinks: [{ name: 'siem', webhook: { url: `http://${receiver.host}/events`, secret } }] },
  };
  await writeFile(join(directory, 'writ.yaml'), JSON.stringify(settings));
  await start();
  const json = { files: sampleRules(target.readonly) };
  const applied = await ask('POST', '/v1/generations', { as: people.operator('platform'), json });
  expect([applied.status, applied.text]).toEqual([201, applied.text]);
});
afterAll(async () => {
  for (const res of receiver.held) res.destroy();
  broker.kill('SIGKILL');
  await broker.exited;
  await receiver.leave();
  await Promise.all([database.drop(), target.drop(), rm(directory, { recursive: true })]);
});

test('while the receiver is away everything else goes on, and the broker is ready', async () => {
  for (let n = 0; n < 6; n++) await issue(`away ${n}`);
  await until(async () => {
    const { rows } = await database.pool.query<{ attempts: number }>('select attempts from sinks');
    return (rows[0]?.attempts ?? 0) >= 1;
  });
  await issue('still away');
  expect((await ask('GET', '/readyz')).status).toBe(200);
  const letters = await ask('GET', '/v1/audit/dead-letters', { as: people.operator('auditor') });
  expect(letters.body).toMatchObject({
    dead_letters: [],
    sinks: [{ name: 'siem', position: 0, last_error: 'unreachable', dead_letters: 0 }],
  });
});

test('once it is back it is given everything, signed, each event once and in order', async () => {
  await receiver.come();
  await everythingArrived();
  const leaves = receiver.taken.map(({ leaf }) => leaf);
  expect(leaves).toEqual(leaves.map((_, at) => at));
  const { rows } = await database.pool.query<{ body: string }>(
    'select body from events where leaf < $1 order by leaf',
    [leaves.length],
  );
  expect(receiver.taken.map(({ body }) => body)).toEqual(rows.map(({ body }) => body));
  for (const { headers, text } of receiver.seen) {
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
  }
  const { text: metrics } = await ask('GET', '/metrics');
  expect(metrics).toMatch(/^writ_sink_\w+\{[^}]*siem/m);
});

test('a receiver that never answers holds nothing up', async () => {
  receiver.mode = 'hang';
  await issue('the one that hangs');
  await sealed();
  await until(async () => {
    await pauseIsOver();
    return receiver.held.length > 0;
  });
  // the delivery is still under way when these are answered
  for (let n = 0; n < 5; n++) await issue(`beside it ${n}`);
  const held = receiver.held.at(-1);
  expect(held?.writableEnded).toBe(false);
});

test('killed in the middle of a delivery, another process goes on: nothing is left out, each task in its order', async () => {
  const before = receiver.seen.at(-1)?.lines ?? [];
  broker.kill('SIGKILL');
  await broker.exited;
  for (const res of receiver.held.splice(0)) res.destroy();
  receiver.mode = 'fail';
  await start();
  await passTime();
  const ids = [await task('first'), await task('second')];
  for (let n = 0; n < 4; n++) {
    for (const id of ids) {
      const json = { profile: 'lookup', purpose: `${n}`, task: id };
      expect((await ask('POST', '/v1/grants', { as: people.workload('agent/one'), json })).status).toBe(201);
    }
  }
  await until(async () => {
    await passTime();
    return receiver.seen.length > 1 && (receiver.seen.at(-1)?.lines.length ?? 0) > before.length;
  });
  receiver.mode = 'take';
  await everythingArrived();
  const size = await sealed();
  // at least once: what was in the hands of the process that was killed has come again
  const again = receiver.seen.filter(({ lines }) => lines[0]?.leaf === before[0]?.leaf);
  expect(again.length).toBeGreaterThan(1);
  expect(new Set(receiver.taken.map(({ leaf }) => leaf)).size).toBeGreaterThanOrEqual(size);
  for (const id of ids) {
    const leaves = receiver.taken.filter(({ body }) => body.includes(`"task":"${id}"`)).map(({ leaf }) => leaf);
    expect(leaves).toEqual([...leaves].sort((one, other) => one - other));
    expect(leaves.length).toBeGreaterThan(8);
  }
});
