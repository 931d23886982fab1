import { SCHEMA_RANGE } from '../../src/ledger/migrate.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { testServers } from '../support/servers.ts';
import { runSql } from '../support/sql.ts';
import { until } from '../support/waiting.ts';

let broker: RunningBroker;
beforeAll(async () => {
  broker = await startRunningBroker();
});
afterAll(() => broker.close());

const ready = () => broker.ask('GET', '/readyz');
const issue = (profile: string) =>
  broker.ask('POST', '/v1/grants', { as: broker.people.workload('agent/one'), json: { profile, purpose: 'test' } });
const metric = (text: string, name: string) =>
  text.split('\n').find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));

/** The ledger's database as if it were gone, for everybody. */
async function withoutLedger(work: () => Promise<void>): Promise<void> {
  const { name } = broker.database;
  const admit = (yes: boolean) => `ALTER DATABASE ${name} ALLOW_CONNECTIONS ${yes}`;
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`;
  await runSql(testServers().ledger, admit(false), cut);
  try {
    await work();
  } finally {
    await runSql(testServers().ledger, admit(true));
  }
}

test('ready: every part is shown; a provider that is sick is, and concerns only those who need it', async () => {
  await until(
    async () => Object.keys(((await ready()).body['checks'] as { providers: object }).providers).length === 3,
  );
  const { status, body } = await ready();
  expect(status).toBe(200);
  expect(body).toEqual({
    status: 'ready',
    checks: {
      ledger: { ok: true },
      schema: { ok: true, newest: SCHEMA_RANGE.newest },
      rules: { ok: true, loaded: 1, active: 1 },
      clock: { ok: true, offset_ms: expect.any(Number) },
      providers: {
        'orders-db': { ok: true, findings: expect.any(Array) },
        tools: { ok: true, findings: [] },
        'gone-db': {
          ok: false,
          findings: [{ severity: 'error', code: 'provider_unreachable', message: expect.any(String) }],
        },
      },
      evidence: {
        mesh: { ok: true, kind: 'spiffe', keys_age_seconds: expect.any(Number) },
        brief: { ok: true, kind: 'spiffe', keys_age_seconds: expect.any(Number) },
        'https://sso.test': { ok: true, kind: 'operators', keys_age_seconds: expect.any(Number) },
      },
      keys: { ok: true, count: 4 },
      log: { ok: true, signed: expect.any(Boolean), size: expect.any(Number), witnesses: {} },
    },
  });
  expect((await issue('gone')).code).toBe('provider_unreachable');
  expect((await issue('orders-read')).status).toBe(201);
});

test('the ledger away: not ready, 503 for whatever needs it, nothing handed out; it comes back by itself', async () => {
  const security = broker.people.operator('security');
  await withoutLedger(async () => {
    const { status, body } = await ready();
    expect([status, body['status'], (body['checks'] as { ledger: object }).ledger]).toEqual([
      503,
      'not_ready',
      { ok: false },
    ]);
    expect((await broker.ask('GET', '/healthz')).status).toBe(200);
    for (const [method, path, question] of [
      ['POST', '/v1/grants', { as: broker.people.workload('agent/one'), json: { profile: 'lookup', purpose: 'test' } }],
      ['GET', '/v1/grants/g000000000000', { as: security }],
      ['GET', '/v1/grants', { as: security }],
      ['POST', '/v1/revocations', { as: security, json: { selector: { all: true }, reason: 'test' } }],
      ['POST', '/v1/grants/g000000000000/revoke', { as: security, json: { reason: 'test' } }],
    ] as const) {
      const answer = await broker.ask(method, path, question);
      expect([path, answer.status, answer.code, answer.headers['retry-after']]).toEqual([
        path,
        503,
        'ledger_unavailable',
        '1',
      ]);
      expect(answer.text).not.toMatch(/credential|ECONN|terminat|pg_/);
    }
    expect((await broker.ask('GET', '/openapi.json')).status).toBe(200);
  });
  await until(async () => (await ready()).status === 200);
  expect((await issue('lookup')).status).toBe(201);
});

test('metrics: what is counted, and what the ledger says', async () => {
  await issue('lookup');
  await broker.ask('GET', '/v1/grants/g000000000000', { as: broker.people.workload('agent/one') });
  const { status, headers, text } = await broker.ask('GET', '/metrics');
  expect([status, headers['content-type']]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
  expect(metric(text, 'writ_http_request_seconds_count{route="/v1/grants/:id",method="GET",status="404"}')).toMatch(
    / [1-9]/,
  );
  expect(metric(text, 'writ_grants{state="active"}')).toMatch(/ [1-9]/);
  for (const name of [
    'writ_overdue_seconds',
    'writ_clock_offset_ms',
    'writ_generation_loaded',
    'process_cpu_seconds_total',
  ])
    expect([name, metric(text, name)]).toEqual([name, expect.stringMatching(/ [-0-9.e]+$/)]);
  expect(metric(text, 'writ_evidence_keys_age_seconds{trust="mesh"}')).toBeDefined();
  expect(text).not.toMatch(/agent\/one|g000000000000/);
});

test('metrics without the ledger: what it would say is missing, and the rest is there', async () => {
  await withoutLedger(async () => {
    // for a second it says what the ledger said last
    await until(async () =>
      / nan$/i.test(metric((await broker.ask('GET', '/metrics')).text, 'writ_overdue_seconds') ?? ''),
    );
    const { status, text } = await broker.ask('GET', '/metrics');
    expect(status).toBe(200);
    expect(metric(text, 'writ_grants{state="active"}')).toBeUndefined();
    expect(metric(text, 'writ_clock_offset_ms')).toMatch(/ [-0-9.]+$/);
  });
});
