import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { openEndpoint } from '../../src/cli/aws/endpoint.ts';
import type { CredentialEndpoint, EndpointAnswer } from '../../src/cli/aws/endpoint.ts';
import { makeLatest } from '../../src/cli/aws/latest.ts';
import type { Latest } from '../../src/cli/aws/latest.ts';
import { makeClient } from '../../src/client/index.ts';
import type { AwsCredential, Client, IssuedGrant, WritError } from '../../src/client/index.ts';
import { deferred } from '../support/deferred.ts';
import { FAKE_NOW, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS } from './harness.ts';

describe('who may ask', () => {
  let endpoint: CredentialEndpoint;
  let answered: number;
  beforeEach(async () => {
    answered = 0;
    endpoint = await openEndpoint(async (): Promise<EndpointAnswer> => {
      answered += 1;
      return { status: 200, body: { AccessKeyId: 'ASIA1' } };
    });
  });
  afterEach(() => endpoint.close());

  interface Asked {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Record<string, string>;
  }
  function ask({ method = 'GET', path = '/credentials', headers = {} }: Asked) {
    const { hostname, port } = new URL(endpoint.url);
    const all = { authorization: endpoint.token, ...headers };
    return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
      const sent = httpRequest({ hostname, port, method, path, headers: all }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      sent.once('error', reject).end();
    });
  }

  test('whoever has the token, on this machine', async () => {
    expect(new URL(endpoint.url)).toMatchObject({ protocol: 'http:', hostname: '127.0.0.1' });
    expect(endpoint.token).toMatch(/^[\w-]{43}$/);
    const { status, headers, text } = await ask({});
    expect({ status, body: JSON.parse(text) }).toEqual({ status: 200, body: { AccessKeyId: 'ASIA1' } });
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  });

  test.each<{ name: string; asked: Asked; status: number; code: string }>([
    { name: 'no token', asked: { headers: { authorization: '' } }, status: 403, code: 'AccessDenied' },
    { name: 'another token', asked: { headers: { authorization: 'x'.repeat(43) } }, status: 403, code: 'AccessDenied' },
    {
      name: 'a longer one',
      asked: { headers: { authorization: 'x'.repeat(9000) } },
      status: 403,
      code: 'AccessDenied',
    },
    {
      name: 'no token, at another path',
      asked: { path: '/x', headers: { authorization: 'x' } },
      status: 403,
      code: 'AccessDenied',
    },
    { name: 'another host', asked: { headers: { host: 'evil.example' } }, status: 421, code: 'MisdirectedRequest' },
    {
      name: 'another name of this machine',
      asked: { headers: { host: 'localhost:80' } },
      status: 421,
      code: 'MisdirectedRequest',
    },
    { name: 'another path', asked: { path: '/' }, status: 404, code: 'NotFound' },
    { name: 'a longer path', asked: { path: '/credentials/x' }, status: 404, code: 'NotFound' },
    { name: 'a query', asked: { path: '/credentials?x' }, status: 404, code: 'NotFound' },
    { name: 'POST', asked: { method: 'POST' }, status: 405, code: 'MethodNotAllowed' },
    { name: 'PUT', asked: { method: 'PUT' }, status: 405, code: 'MethodNotAllowed' },
  ])('refused: $name', async ({ asked, status, code }) => {
    const answer = await ask(asked);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ Code: code, Message: expect.any(String) });
    expect(answered).toBe(0);
  });

  test('the token is one endpoint’s', async () => {
    const other = await openEndpoint(async () => ({ status: 200, body: {} }));
    expect(other.token).not.toBe(endpoint.token);
    await other.close();
  });

  test('when it is closed nobody listens, whoever is still connected', async () => {
    const open = connect(Number(new URL(endpoint.url).port), '127.0.0.1');
    await once(open, 'connect');
    open.write('GET /credentials HTTP/1.1\r\n');
    const cut = new Promise((resolve) => open.once('close', resolve));
    open.on('error', () => undefined);
    const start = Date.now();
    await endpoint.close();
    await cut;
    expect(Date.now() - start).toBeLessThan(2_000);
    await expect(ask({})).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    endpoint = await openEndpoint(async () => ({ status: 200, body: {} }));
  });
});

/** Credentials of 60 seconds in a grant of 200: ASIA1, ASIA2, ... */
describe('the latest credential', () => {
  let broker: FakeBroker;
  let client: Client;
  let now: number;
  let latest: Latest;
  let troubles: string[];
  const aws = (mint: number): AwsCredential => ({ ...CREDENTIALS.aws, access_key_id: `ASIA${mint}` });
  const RENEW = 'POST /v1/grants/g000000000001/renew';
  const away = { status: 503, body: { code: 'ledger_unavailable', title: 'away' } };

  async function start(lives = { grant: 200, credential: 60 }): Promise<void> {
    broker.offer('aws', aws, lives);
    const grant = (await client.workload.issue({ profile: 'aws' })) as IssuedGrant;
    latest = makeLatest({ client, grant, now: () => new Date(now), onTrouble: ({ code }) => void troubles.push(code) });
  }
  beforeEach(async () => {
    now = FAKE_NOW.getTime();
    troubles = [];
    broker = await startFakeBroker(() => new Date(now));
    client = makeClient({ url: broker.url, identityToken: WORKLOAD_TOKEN });
    await start();
  });
  afterEach(async () => {
    latest.close();
    await broker.close();
  });

  const pass = (seconds: number) => void (now += seconds * 1000);
  const get = async () => {
    const { credential, credential_expires_at = '' } = await latest.get();
    expect(Date.parse(credential_expires_at)).toBeGreaterThan(now);
    return (credential as AwsCredential).access_key_id;
  };
  const refused = async () => ((await latest.get().catch((error: unknown) => error)) as WritError).code;
  const renewals = () => broker.requests.filter(({ path }) => path.endsWith('/renew')).length;
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  test('is asked for when somebody wants it, and never before', async () => {
    pass(39);
    for (let i = 0; i < 5; i += 1) expect(await get()).toBe('ASIA1');
    expect(renewals()).toBe(0);
    pass(100);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(renewals()).toBe(0);
    expect(await get()).toBe('ASIA2');
  });

  test('shortly before its end: behind the answer while there is time, before it when there is none', async () => {
    const gate = deferred<void>();
    const next = { credential: aws(9), credential_expires_at: new Date(now + 120_000).toISOString() };
    const body = { ...broker.grants.get('g000000000001'), ...next };
    broker.next(RENEW, { status: 201, body, before: () => gate.promise });
    pass(45);
    expect(await get()).toBe('ASIA1');
    await until(() => renewals() === 1);
    pass(10);
    const waiting = get();
    gate.resolve();
    expect(await waiting).toBe('ASIA9');
    expect(renewals()).toBe(1);
  });

  test('any number of callers make one request', async () => {
    pass(61);
    expect(new Set(await Promise.all(Array.from({ length: 50 }, get)))).toEqual(new Set(['ASIA2']));
    expect(renewals()).toBe(1);
  });

  test('for the whole grant, and no longer', async () => {
    const seen = [await get()];
    for (const seconds of [55, 55, 55, 34]) {
      pass(seconds);
      seen.push(await get());
    }
    expect(seen).toEqual(['ASIA1', 'ASIA2', 'ASIA3', 'ASIA4', 'ASIA4']);
    pass(1);
    expect(await refused()).toBe('grant_not_active');
    expect(await refused()).toBe('grant_not_active');
    expect(renewals()).toBe(3);
    expect(troubles).toEqual(['grant_not_active']);
  });

  test('while the broker is away: what works is handed out, then the reason, and it is asked less and less often', async () => {
    broker.next(RENEW, ...Array.from({ length: 100 }, () => away));
    pass(55);
    expect(await get()).toBe('ASIA1');
    const tries: number[] = [];
    for (let tenth = 0; tenth < 800; tenth += 1) {
      const before = renewals();
      if (now < FAKE_NOW.getTime() + 60_000) await get();
      else expect(await refused()).toBe('ledger_unavailable');
      if (renewals() > before) tries.push(Math.round(tenth / 10));
      pass(0.1);
    }
    expect(tries).toEqual([1, 3, 7, 15, 31, 61]);
    expect(troubles).toEqual(['ledger_unavailable']);
  });

  test('when it is back, all is well', async () => {
    broker.next(RENEW, away, { fault: 'reset' });
    pass(61);
    expect([await refused(), await refused()]).toEqual(['ledger_unavailable', 'ledger_unavailable']);
    pass(1);
    expect(await refused()).toBe('unreachable');
    pass(2);
    expect(await get()).toBe('ASIA2');
    pass(58);
    broker.next(RENEW, away);
    pass(3);
    expect(await refused()).toBe('ledger_unavailable');
    expect(troubles).toEqual(['ledger_unavailable', 'ledger_unavailable']);
  });

  test('it is not asked again before it wants to be', async () => {
    const limited = { status: 429, headers: { 'retry-after': '7' }, body: { code: 'too_many_requests' } };
    broker.next(RENEW, limited);
    pass(61);
    expect(await refused()).toBe('too_many_requests');
    pass(6);
    expect(await refused()).toBe('too_many_requests');
    expect(renewals()).toBe(1);
    pass(1);
    expect(await get()).toBe('ASIA2');
  });

  test.each(['grant_not_active', 'not_found'])('after %s the broker is not asked again', async (code) => {
    broker.next(RENEW, { status: code === 'not_found' ? 404 : 409, body: { code } });
    pass(61);
    expect(await refused()).toBe(code);
    pass(100);
    expect(await refused()).toBe(code);
    expect(renewals()).toBe(1);
  });

  test('a revoked grant has no next credential', async () => {
    await client.workload.revoke('g000000000001', 'enough');
    pass(61);
    expect(await refused()).toBe('grant_not_active');
  });

  test('one of another type is not handed out', async () => {
    broker.offer('aws', CREDENTIALS.jwt, { grant: 200, credential: 60 });
    pass(61);
    expect(await refused()).toBe('grant_not_active');
  });

  test('a credential that ends with its grant is never renewed', async () => {
    await start({ grant: 60, credential: 60 });
    pass(59);
    expect(await get()).toBe('ASIA2');
    pass(2);
    expect(await refused()).toBe('grant_not_active');
    expect(renewals()).toBe(0);
  });

  test('closing it stops what is under way, and asks for no more', async () => {
    broker.next(RENEW, { fault: 'hang' });
    pass(61);
    const waiting = refused();
    await until(() => renewals() === 1);
    latest.close();
    expect(await waiting).toBe('unreachable');
    pass(30);
    await refused();
    expect(renewals()).toBe(1);
  });
});
