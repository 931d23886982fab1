import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';

let broker: RunningBroker;
beforeAll(async () => {
  broker = await startRunningBroker();
});
afterAll(() => broker.close());

/** A replica of its own for each limit: buckets are a process's. */
const limited = (limits: Readonly<Record<string, number>>, server = {}) =>
  broker.replica({ settings: { limits, server } });
const issue = (via: Replica, who: string, from?: string) =>
  via.ask('POST', '/v1/grants', {
    as: broker.people.workload(who),
    json: { profile: 'lookup', purpose: 'test' },
    headers: from === undefined ? {} : { 'x-forwarded-for': from },
  });
const told = ({ status, code }: { status: number; code: unknown }) =>
  status < 300 ? `${status}` : `${status} ${String(code)}`;
const counts = (all: readonly string[]) =>
  Object.fromEntries([...new Set(all)].map((one) => [one, all.filter((other) => other === one).length]));

test('a burst of one workload is 429, and no other workload waits for it', async () => {
  const via = await limited({ workload_burst: 5, workload_per_second: 1 });
  const answers = await Promise.all(Array.from({ length: 25 }, () => issue(via, 'agent/burst')));
  const got = counts(answers.map(told));
  expect(Object.keys(got).sort()).toEqual(['201', '429 too_many_requests']);
  expect(got['201']).toBeGreaterThanOrEqual(5);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.headers['retry-after']).toBe('1');
  expect(told(await issue(via, 'agent/calm'))).toBe('201');
  expect(told(await issue(via, 'spiffe://brief.example/agent/burst'))).toBe('201');
  await via.stop();
});

test('the limit is for every route of a workload', async () => {
  const via = await limited({ workload_burst: 1, workload_per_second: 1 });
  const as = broker.people.workload('agent/routes');
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => via.ask('GET', '/v1/grants/g000000000000', { as })),
    ...Array.from({ length: 5 }, () => via.ask('POST', '/oauth/revoke', { as, form: { token: 'x' } })),
  ]);
  expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(5);
  const oauth = answers.find(({ status, body }) => status === 429 && body['error'] !== undefined);
  expect(oauth?.body).toEqual({ error: 'temporarily_unavailable', error_description: 'too_many_requests' });
  expect(oauth?.headers['retry-after']).toBe('1');
  await via.stop();
});

test('refusals of a source: then nothing of it is looked at, whatever it shows; other sources are', async () => {
  const via = await limited({ refusals_per_minute: 3 }, { trusted_proxies: ['127.0.0.1'] });
  const from = { 'x-forwarded-for': '203.0.113.1' };
  const refusals = [];
  for (const as of ['garbage', undefined, broker.people.workload('agent/x', { aud: 'other' })])
    refusals.push(told(await via.ask('POST', '/v1/grants', { as, headers: from })));
  expect(refusals).toEqual(['401 evidence_malformed', '401 evidence_missing', '401 evidence_invalid']);
  const after = await via.ask('POST', '/v1/grants', { as: 'garbage', headers: from });
  expect([told(after), after.headers['retry-after']]).toEqual(['429 too_many_refusals', '1']);
  expect(told(await issue(via, 'agent/good', '203.0.113.1'))).toBe('429 too_many_refusals');
  expect(told(await issue(via, 'agent/good', '203.0.113.2'))).toBe('201');
  const { body } = await via.ask('GET', '/healthz', { headers: from });
  expect(body).toEqual({ status: 'ok' });
  await via.stop();
});

test('who proves an identity and is refused for it is no such refusal', async () => {
  const via = await limited({ refusals_per_minute: 1 });
  for (let i = 0; i < 3; i++) {
    const answer = await via.ask('GET', '/v1/grants', { as: broker.people.workload('agent/curious') });
    expect(told(answer)).toBe('403 not_an_operator');
  }
  await via.stop();
});

test('refusals before authentication are one event of counts, and nothing of what was shown', async () => {
  const via = await limited({ refusals_per_minute: 4 });
  for (const as of [
    'garbage-1',
    'garbage-2',
    undefined,
    broker.people.workload('agent/x', { aud: 'other' }),
    'garbage-3',
    'garbage-4',
  ])
    await via.ask('POST', '/v1/grants', { as });
  const { text } = await via.ask('GET', '/metrics');
  expect(text).toContain('writ_evidence_refused_total{code="evidence_malformed"} 2');
  expect(text).toContain('writ_evidence_refused_total{code="too_many_refusals"} 2');
  await via.stop();
  const { rows } = await broker.database.pool.query<{ body: string }>(
    `select body from events where type = 'evidence.refused' order by seq desc limit 1`,
  );
  expect(JSON.parse(rows[0]?.body ?? '')).toMatchObject({
    actor: { kind: 'system', name: 'broker' },
    success: false,
    facts: {
      counts: { evidence_malformed: 2, evidence_missing: 1, evidence_invalid: 1, too_many_refusals: 2 },
      since: expect.any(String),
    },
  });
});

test('live grants of a workload, exact also when they come at once; what has ended makes room', async () => {
  const via = await limited({ live_grants: 3 });
  const answers = await Promise.all(Array.from({ length: 10 }, () => issue(via, 'agent/many')));
  expect(counts(answers.map(told))).toEqual({ '201': 3, '429 too_many_live_grants': 7 });
  expect(answers.find(({ status }) => status === 429)?.body['limit']).toBe(3);
  expect(told(await issue(via, 'agent/few'))).toBe('201');
  const id = String(answers.find(({ status }) => status === 201)?.body['id']);
  await via.ask('POST', `/v1/grants/${id}/revoke`, {
    as: broker.people.workload('agent/many'),
    json: { reason: 'done' },
  });
  expect(told(await issue(via, 'agent/many'))).toBe('201');
  expect(told(await issue(via, 'agent/many'))).toBe('429 too_many_live_grants');
  await via.stop();
});
