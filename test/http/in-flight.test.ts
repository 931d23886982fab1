import { connect } from 'node:net';
import { Agent, request } from 'node:http';
import type { ClientRequest, RequestOptions } from 'node:http';
import pg from 'pg';
import { makeClosers } from '../../src/closers.ts';
import { deferred } from '../support/deferred.ts';
import { startPgProxy } from '../support/pg-proxy.ts';
import type { PgMessage, PgProxy } from '../support/pg-proxy.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { isOpen, until } from '../support/waiting.ts';

/** What becomes of a request that is under way when its caller goes, or the broker. */
let broker: RunningBroker;
let target: PgProxy;
beforeEach(async () => {
  broker = await startRunningBroker({
    targetVia: async (url) => {
      target = await startPgProxy(url);
      return target.url;
    },
  });
});
afterEach(async () => {
  await broker.close();
  target.close();
});

const commits = ({ from, type, sql }: PgMessage) => from === 'frontend' && type === 'Q' && sql === 'COMMIT';
const asks = (options: RequestOptions = {}): ClientRequest => {
  const asking = request(`${broker.url}/v1/grants`, {
    method: 'POST',
    headers: { authorization: `Bearer ${broker.people.workload('agent/one')}`, 'content-type': 'application/json' },
    ...options,
  });
  asking.on('error', () => undefined).end(JSON.stringify({ profile: 'orders-read', purpose: 'test' }));
  return asking;
};
const answerOf = (asking: ClientRequest) =>
  new Promise<{ status: number | undefined; body: Record<string, unknown> }>((resolve) => {
    asking.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () =>
        resolve({ status: response.statusCode, body: JSON.parse(text) as Record<string, unknown> }),
      );
    });
  });
const grants = async () => (await broker.database.pool.query('select state, why from grants')).rows as unknown[];
/** Whether what was minted can still log in. */
const logins = async () => {
  const { rows } = await broker.database.pool.query<{ role: string }>(`select request ->> 'role' as role from mints`);
  const client = new pg.Client({ connectionString: broker.target.superuserUrl });
  await client.connect();
  const roles = rows.map(({ role }) => role);
  const found = await client.query('select from pg_roles where rolname = any ($1) and rolcanlogin', [roles]);
  await client.end();
  return [roles.length, found.rows.length];
};

test('a caller that is gone before its answer: the grant ends, and the login with it', async () => {
  const held = target.hold({ match: commits });
  const asking = asks();
  await held.reached;
  asking.destroy();
  held.release();
  await until(async () => JSON.stringify(await grants()).includes('revoked'));
  expect(await grants()).toEqual([{ state: 'revoked', why: 'abandoned' }]);
  expect(await logins()).toEqual([1, 0]);
});

test('shutting down: what is in flight is finished, nothing new begins, and a connection that is kept open does not hold it up', async () => {
  const held = target.hold({ match: commits });
  const keeping = new Agent({ keepAlive: true });
  const answer = answerOf(asks({ agent: keeping }));
  await held.reached;
  const stopping = broker.stop();
  expect(await isOpen(stopping)).toBe(true);
  await expect(broker.ask('GET', '/healthz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  held.release();
  const { status, body } = await answer;
  expect([status, body['state']]).toEqual([201, 'active']);
  const before = performance.now();
  await stopping;
  expect(performance.now() - before).toBeLessThan(5_000);
  expect(await grants()).toEqual([{ state: 'active', why: null }]);
  keeping.destroy();
});

test('shutting down: a further request on a connection that is busy is 503, and the connection ends', async () => {
  const held = target.hold({ match: commits });
  const { hostname, port } = new URL(broker.url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  const body = JSON.stringify({ profile: 'orders-read', purpose: 'test' });
  const headers = [
    'Host: x',
    `Authorization: Bearer ${broker.people.workload('agent/one')}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  const post = `POST /v1/grants HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`;
  socket.write(post);
  await held.reached;
  const stopping = broker.stop();
  socket.write(post);
  await new Promise((resolve) => setTimeout(resolve, 50));
  held.release();
  await Promise.all([ended, stopping]);
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 503']);
  expect(text).toContain('"code":"shutting_down"');
  expect(await grants()).toHaveLength(1);
});

test('whoever stops twice waits for the same end, and each part is closed once, the last opened first', async () => {
  const closed: string[] = [];
  const closers = makeClosers(() => closed.push('failed'));
  const slow = deferred<undefined>();
  closers.add('ledger', () => closed.push('ledger'));
  closers.add('broken', () => Promise.reject(new Error('test')));
  closers.add('requests', () => slow.promise.then(() => closed.push('requests')));
  const stops = [closers.closeAll(), closers.closeAll()];
  expect(await isOpen(Promise.race(stops))).toBe(true);
  slow.resolve(undefined);
  await Promise.all(stops);
  expect(closed).toEqual(['requests', 'failed', 'ledger']);
});
