import pg from 'pg';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { OFFLINE_AUDIENCE, TOOLS_AUDIENCE } from '../support/running-broker-rules.ts';
import { until } from '../support/waiting.ts';

let broker: RunningBroker;
beforeAll(async () => {
  broker = await startRunningBroker();
});
afterAll(() => broker.close());

const ask = (json: object, who = 'agent/one') =>
  broker.ask('POST', '/v1/grants', { as: broker.people.workload(who), json: { purpose: 'test', ...json } });

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const TEXT = expect.any(String);

/** CONTRACT, *HTTP for workloads*: these members and no others. */
const ANSWERS = [
  {
    profile: 'orders-read',
    provider: 'orders-db',
    revocability: { mode: 'immediate' },
    credential: {
      type: 'postgres',
      host: '127.0.0.1',
      port: expect.any(Number),
      database: TEXT,
      username: expect.stringMatching(/^writ_m/),
      password: TEXT,
      url: expect.stringMatching(/^postgresql:\/\/writ_m/),
    },
  },
  {
    profile: 'lookup',
    provider: 'tools',
    revocability: { mode: 'immediate' },
    credential: { type: 'jwt', token: TEXT, audience: TOOLS_AUDIENCE },
  },
  {
    profile: 'offline',
    provider: 'tools',
    revocability: { mode: 'bounded', within_seconds: 300 },
    credential: { type: 'jwt', token: TEXT, audience: OFFLINE_AUDIENCE },
  },
] as const;

test.each(ANSWERS)('the answer for $profile', async ({ profile, ...want }) => {
  const answer = await ask({ profile });
  expect(answer.status).toBe(201);
  expect(answer.body).toEqual({
    id: expect.stringMatching(/^g[0-9a-z]{12}$/),
    state: 'active',
    task: expect.stringMatching(/^t[0-9a-z]{21}$/),
    profile,
    subject: 'spiffe://test.example/agent/one',
    issued_at: TIME,
    expires_at: TIME,
    credential_expires_at: TIME,
    ttl: { seconds: 300, decided_by: 'profile_default' },
    decision: { id: expect.stringMatching(/^d[0-9a-z]{21}$/), generation: 1, policies: ['agents-read'] },
    ...want,
  });
  expect(answer.headers['cache-control']).toBe('no-store');
  const ends = [answer.body['expires_at'], answer.body['credential_expires_at']].map((end) => Date.parse(String(end)));
  expect(ends[1]).toBeLessThanOrEqual(Number(ends[0]));
});

test('the login works', async () => {
  const { body } = await ask({ profile: 'orders-read' });
  const client = new pg.Client({ connectionString: (body['credential'] as { url: string }).url });
  await client.connect();
  expect((await client.query('select count(*)::int as n from orders')).rows).toEqual([{ n: 3 }]);
  await client.end();
});

test('parameters end up where the profile says', async () => {
  const { body } = await ask({ profile: 'ticket', parameters: { ticket: '42' } });
  const [, payload = ''] = (body['credential'] as { token: string }).token.split('.');
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ ticket: '42' });
});

const BRIEF = 'spiffe://brief.example/agent';
const TTLS = [
  { profile: 'lookup', want: { seconds: 300, decided_by: 'profile_default' } },
  { profile: 'lookup', ttl_seconds: 60, want: { seconds: 60, decided_by: 'request' } },
  { profile: 'lookup', ttl_seconds: 10, want: { seconds: 10, decided_by: 'request' } },
  { profile: 'lookup', ttl_seconds: 3_600, want: { seconds: 3_600, decided_by: 'request' } },
  { profile: 'lookup', ttl_seconds: 3_601, want: { seconds: 3_600, decided_by: 'profile_max' } },
  { profile: 'lookup', ttl_seconds: 2_592_000, want: { seconds: 3_600, decided_by: 'profile_max' } },
  { profile: 'ticket', want: { seconds: 240, decided_by: 'policy:tickets-are-short' } },
  { profile: 'ticket', ttl_seconds: 100, want: { seconds: 100, decided_by: 'request' } },
  { who: BRIEF, profile: 'lookup', want: { seconds: 90, decided_by: 'identity' } },
];

test.each(TTLS)('$profile for $ttl_seconds s ($who): $want', async ({ who, profile, ttl_seconds, want }) => {
  const { status, body } = await ask(
    { profile, ttl_seconds, parameters: profile === 'ticket' ? { ticket: '1' } : {} },
    who,
  );
  const { seconds, decided_by } = body['ttl'] as { seconds: number; decided_by: string };
  expect([status, decided_by]).toEqual([201, want.decided_by]);
  // whole seconds of what is left of the 90 that the identity was vouched for a moment ago
  expect(decided_by === 'identity' ? [89, 90] : [want.seconds]).toContain(seconds);
  const lives = Date.parse(String(body['expires_at'])) - Date.parse(String(body['issued_at']));
  expect(lives).toBeLessThanOrEqual(want.seconds * 1_000);
  expect(lives).toBeGreaterThan((want.seconds - 10) * 1_000);
});

/** What is refused is on record, and the answer names it. */
const REFUSALS = [
  { why: 'an unknown profile', json: { profile: 'x' }, code: 'unknown_profile', outcome: 'deny' },
  { why: 'a name that objects have', json: { profile: 'constructor' }, code: 'unknown_profile', outcome: 'deny' },
  { why: 'a provider that is off', json: { profile: 'off' }, code: 'profile_off', outcome: 'deny' },
  {
    why: 'a forbid',
    json: { profile: 'forbidden' },
    code: 'policy_denied',
    outcome: 'deny',
    policies: ['nothing-is-deleted'],
  },
  { why: 'no permit', json: { profile: 'lookup', purpose: '' }, code: 'policy_denied', outcome: 'deny' },
  { why: 'no permit for this trust', who: BRIEF, json: { profile: 'offline' }, code: 'policy_denied', outcome: 'deny' },
  {
    why: 'less than the minimum',
    json: { profile: 'lookup', ttl_seconds: 9 },
    code: 'ttl_below_minimum',
    outcome: 'deny',
    policies: ['agents-read'],
    facts: { seconds: 9, minimum: 10, decided_by: 'request' },
  },
  {
    why: 'the least that can be asked',
    json: { profile: 'lookup', ttl_seconds: 1 },
    code: 'ttl_below_minimum',
    outcome: 'deny',
    policies: ['agents-read'],
    facts: { seconds: 1 },
  },
];

test.each(REFUSALS)('$why: $code', async ({ who, json, code, outcome, policies = [], facts = {} }) => {
  const { status, body } = await ask(json, who);
  const decision = body['decision'] as Readonly<Record<string, unknown>>;
  expect(status).toBe(403);
  expect(body).toMatchObject({ type: `urn:writ:problem:${code}`, status: 403, code, title: TEXT, ...facts });
  expect(decision).toMatchObject({ generation: 1, policies });
  const { rows } = await broker.database.pool.query(
    `select code, outcome, resource, action, policies, subject, (select count(*)::int from events where type = 'decision.made'
       and body::jsonb ->> 'decision' = id and not (body::jsonb ->> 'success')::boolean) as events
       from decisions where id = $1`,
    [decision['id']],
  );
  const subject = who ?? 'spiffe://test.example/agent/one';
  expect(rows).toEqual([{ code, outcome, resource: json.profile, action: 'issue', policies, subject, events: 1 }]);
});

test('a refusal says what would help, where something would', async () => {
  for (const profile of ['forbidden']) expect((await ask({ profile })).body['detail']).toEqual(TEXT);
});

test('a provider that cannot be reached: 502, nothing handed out, and the grant says so', async () => {
  const { status, body, text } = await ask({ profile: 'gone' });
  expect([status, body['code']]).toEqual([502, 'provider_unreachable']);
  expect(text).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|nobody/);
  // The end goes on behind the answer.
  const states = async () => {
    const sql = `select state, why from grants where profile = 'gone'`;
    return (await broker.database.pool.query<{ state: string; why: string | null }>(sql)).rows;
  };
  await until(async () => (await states()).every(({ state }) => state !== 'issuing'));
  expect(await states()).toEqual([{ state: 'failed', why: 'abandoned' }]);
});
