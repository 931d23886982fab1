import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import type { RequestHandler } from 'express';
import { startListening } from '../../src/listening.ts';
import { makeCertificate } from '../support/certificate.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';

/** What holds for every route: headers, ids, methods, hosts, proxies, and callers that dawdle. */
let broker: RunningBroker;
let closed: Replica;
let proxied: Replica;
beforeAll(async () => {
  broker = await startRunningBroker();
  closed = await broker.replica({ ownHostOnly: true });
  proxied = await broker.replica({ settings: { server: { trusted_proxies: ['127.0.0.0/8'] } } });
});
afterAll(() => broker.close());

/** An app that does this and nothing else. */
const appOf = (handle: RequestHandler) => express().use(handle);

/** Sends bytes as they are; answers all that comes back until the other side closes. */
function raw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    socket.once('error', reject).once('close', () => resolve(answer));
    socket.write(text, 'latin1');
  });
}

const EVERYWHERE = ['/healthz', '/v1/grants', '/v1/nothing', '/oauth/introspect', '/openapi.json'];
test.each(EVERYWHERE)('security headers on %s', async (path) => {
  const { headers } = await broker.ask('GET', path);
  expect(headers).toMatchObject({
    'content-security-policy': expect.stringContaining("default-src 'self'"),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'strict-transport-security': expect.stringMatching(/^max-age=\d+/),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
  });
  expect(Object.keys(headers)).not.toContain('x-powered-by');
  expect(Object.keys(headers)).not.toContain('access-control-allow-origin');
  expect(Object.keys(headers)).not.toContain('etag');
});

test.each([
  ['POST', '/v1/grants'],
  ['GET', '/v1/grants'],
  ['GET', '/v1/grants/g000000000000'],
  ['POST', '/v1/revocations'],
  ['POST', '/v1/generations'],
  ['POST', '/oauth/introspect'],
  ['POST', '/oauth/revoke'],
  ['GET', '/v1/nothing'],
])('%s %s is never stored', async (method, path) => {
  expect((await broker.ask(method, path)).headers['cache-control']).toBe('no-store');
});

test.each([
  { given: undefined, kept: false },
  { given: 'req-1.a:B_2', kept: true },
  { given: 'x'.repeat(64), kept: true },
  { given: 'x'.repeat(65), kept: false },
  { given: '', kept: false },
  { given: 'two words', kept: false },
  { given: '<script>', kept: false },
])('request id $given', async ({ given, kept }) => {
  const headers = given === undefined ? {} : { 'x-request-id': given };
  const answer = await broker.ask('GET', '/v1/nothing', { headers });
  const id = answer.headers['x-request-id'];
  expect(answer.body['request_id']).toBe(id);
  if (kept) expect(id).toBe(given);
  else expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(broker.log.filter(({ facts }) => facts['request'] === id)).toHaveLength(1);
});

test('a line for each request: the route’s pattern, who asked, the code; never the query or what was sent', async () => {
  const as = broker.people.operator('security', 'alice');
  await broker.ask('GET', '/v1/grants?limit=0&x=in-the-query', { as, headers: { 'x-request-id': 'logged' } });
  const line = broker.log.find(({ facts }) => facts['request'] === 'logged');
  expect(line?.facts).toEqual({
    request: 'logged',
    method: 'GET',
    route: '/v1/grants',
    status: 400,
    code: 'invalid_request',
    ms: expect.any(Number),
    who: 'alice',
  });
});

test.each([
  { headers: {}, challenge: 'Bearer' },
  { headers: { authorization: 'Bearer garbage' }, challenge: 'Bearer error="invalid_token"' },
])('a 401 says how to authenticate: $challenge', async ({ headers, challenge }) => {
  for (const [method, path] of [['GET', '/v1/grants'] as const, ['POST', '/oauth/introspect'] as const]) {
    const answer = await broker.ask(method, path, { headers });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, challenge]);
  }
});

test.each(['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE'])('%s is no method of any route', async (method) => {
  for (const path of ['/v1/grants', '/v1/grants/g000000000000', '/healthz', '/oauth/revoke']) {
    const { status, code } = await broker.ask(method, path, { as: broker.people.operator('security') });
    expect([path, status, code]).toEqual([path, 404, 'not_found']);
  }
});

const LINE = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
test.each([
  { name: 'a method that does not exist', text: 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', want: 400 },
  { name: 'no HTTP', text: 'hello\r\n\r\n', want: 400 },
  { name: 'no Host', text: 'GET /healthz HTTP/1.1\r\n\r\n', want: 400 },
  {
    name: 'two lengths',
    text: `POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    want: 400,
  },
  {
    name: 'a length and chunks',
    text: `POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    want: 400,
  },
  { name: 'headers of 17 KiB', text: `${LINE}X: ${'x'.repeat(17 * 1024)}\r\n\r\n`, want: 431 },
  { name: 'a path of 17 KiB', text: `GET /${'x'.repeat(17 * 1024)} HTTP/1.1\r\nHost: x\r\n\r\n`, want: 431 },
  { name: 'headers of 15 KiB', text: `${LINE}X: ${'x'.repeat(15 * 1024)}\r\n\r\n`, want: 200 },
])('$name: $want', async ({ text, want }) => {
  expect(await raw(broker.url, text)).toMatch(new RegExp(`^HTTP/1.1 ${want} `));
});

test.each([
  { name: 'a head', text: 'GET /healthz HTTP/1.1\r\nHost: x\r\n' },
  { name: 'a body', text: 'POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{' },
])('who never finishes $name is let go', async ({ text }) => {
  const listening = await startListening(
    { host: '127.0.0.1', port: 0, trustedProxies: [] },
    { headersMs: 50, requestMs: 80, checkMs: 20 },
  );
  listening.handle(appOf((req) => void req.resume()));
  expect(await raw(listening.url, text)).toMatch(/^HTTP\/1.1 408 /);
  await listening.drain();
});

test('with a certificate it speaks TLS, and nothing else', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'writ-tls-'));
  const { cert, key } = makeCertificate();
  const tls = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  await Promise.all([writeFile(tls.cert, cert), writeFile(tls.key, key)]);
  const listening = await startListening({ host: '127.0.0.1', port: 0, trustedProxies: [], tls });
  listening.handle(appOf((_req, res) => void res.end('over TLS')));
  expect(listening.url).toMatch(/^https:/);
  const text = await new Promise((resolve, reject) => {
    const asking = get(listening.url, { ca: cert, agent: false }, (response) => {
      response.setEncoding('utf8').once('data', resolve);
    });
    asking.once('error', reject);
  });
  expect(text).toBe('over TLS');
  expect(await raw(listening.url, `${LINE}\r\n`).catch(() => '')).not.toMatch(/HTTP\/1.1 200/);
  await listening.drain();
  await rm(directory, { recursive: true });
});

test('the embedded default answers to its own names only', async () => {
  const { port } = new URL(closed.url);
  const ask = (host: string) => closed.ask('GET', '/healthz', { headers: { host } });
  for (const own of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`])
    expect([own, (await ask(own)).status]).toEqual([own, 200]);
  for (const foreign of [
    'evil.test',
    `evil.test:${port}`,
    'localhost',
    `localhost:${port}.evil.test`,
    `127.0.0.1:1${port}`,
  ]) {
    const { status, code, headers } = await ask(foreign);
    expect([foreign, status, code]).toEqual([foreign, 421, 'misdirected_request']);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  }
  expect((await broker.ask('GET', '/healthz', { headers: { host: 'evil.test' } })).status).toBe(200);
});

/** The origin in the record: what a trusted proxy says, and of others the address that they come from. */
const FORWARDED = [
  { via: 'nobody', header: '203.0.113.9', want: '127.0.0.1' },
  { via: 'proxy', header: '203.0.113.9', want: '203.0.113.9' },
  { via: 'proxy', header: '198.51.100.1, 203.0.113.9', want: '203.0.113.9' },
  { via: 'proxy', header: '203.0.113.9, 127.0.0.2', want: '203.0.113.9' },
  { via: 'proxy', header: '2001:db8::1', want: '2001:db8::1' },
];
test.each(FORWARDED)('X-Forwarded-For: $header by $via', async ({ via, header, want }) => {
  const replica = via === 'proxy' ? proxied : broker;
  const { body } = await replica.ask('POST', '/v1/grants', {
    as: broker.people.workload('agent/one'),
    json: { profile: 'lookup', purpose: 'test' },
    headers: { 'x-forwarded-for': header },
  });
  const { rows } = await broker.database.pool.query(
    `select distinct body::jsonb ->> 'origin' as origin from events where grant_id = $1
     union select origin from decisions where id = $2`,
    [body['id'], (body['decision'] as { id: string }).id],
  );
  expect(rows).toEqual([{ origin: want }]);
});
