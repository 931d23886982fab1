import { approvalRules, LIMITED, PEOPLE_TOO } from '../support/approval-rules.ts';
import type { Question } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/** Break-glass over HTTP: asked for by one, approved by another, dated, loud, ended, looked at afterwards. */
let broker: RunningBroker;
let other: Replica;
beforeAll(async () => {
  broker = await startRunningBroker({
    rulesOf: ({ readonly }) => approvalRules(readonly),
    settings: { identity: PEOPLE_TOO, operators: LIMITED },
  });
  other = await broker.replica();
});
afterAll(() => broker.close());

const agent = (name = 'agent/one') => broker.people.workload(name);
const as = (role: 'platform' | 'security' | 'approver' | 'auditor', subject?: string) =>
  broker.people.operator(role, subject);
const limited = (group: string) => broker.people.operator(undefined, group, { groups: [group] });
const from = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
const body = (change: object = {}) => ({
  scope: { profile: 'frozen' },
  policies: ['freeze'],
  reason: 'incident 4711',
  ends_at: from(600),
  review_by: from(86_400),
  ...change,
});
const request = (change: object = {}, who = as('platform')) =>
  broker.ask('POST', '/v1/exceptions', { as: who, json: body(change) });
const say = (id: unknown, word: string, who: string, json: object = { reason: 'as the runbook says' }) =>
  broker.ask('POST', `/v1/exceptions/${String(id)}/${word}`, { as: who, json });
const inForce = async (change: object = {}) => {
  const { body: asked, text } = await request(change);
  const { body: approved } = await say(asked['id'], 'approve', as('security'));
  if (approved['state'] !== 'active') throw new Error(text);
  return String(asked['id']);
};
const grant = (profile = 'frozen', who = agent(), via: Replica = broker) =>
  via.ask('POST', '/v1/grants', { as: who, json: { profile, purpose: 'a test' } });
const end = (id: string) => say(id, 'end', as('security'));
const sql = async (text: string, ...values: unknown[]) =>
  (await broker.database.pool.query(text, values)).rows as object[];

test('from the request to the review', async () => {
  expect((await grant()).code).toBe('policy_denied');
  const asked = await request();
  expect([asked.status, asked.body]).toMatchObject([
    201,
    {
      state: 'requested',
      scope: { profile: 'frozen', owner: 'payments', environment: 'test' },
      policies: ['freeze'],
      requested_by: { kind: 'operator', subject: 'platform' },
      review: { overdue: false, reviewed_at: null },
      uses: 0,
    },
  ]);
  const id = String(asked.body['id']);
  expect((await grant()).code).toBe('policy_denied');
  expect((await say(id, 'approve', as('security'))).body).toMatchObject({
    state: 'active',
    answered_by: { subject: 'security' },
  });

  const given = await grant();
  expect(given.status).toBe(201);
  expect((await grant('frozen', agent(), other)).status).toBe(201);
  const decision = given.body['decision'] as { id: string; policies: string[] };
  expect(decision.policies).toEqual(['writes']);
  expect(
    await sql(
      'select exception_id, outcome, inputs -> $2 as under from decisions where id = $1',
      decision.id,
      'exception',
    ),
  ).toEqual([{ exception_id: id, outcome: 'allow', under: { id, policies: ['freeze'] } }]);
  const [used] = await sql(
    `select body::jsonb as body from events where type = 'exception.used' and body::jsonb ->> 'decision' = $1`,
    decision.id,
  );
  expect(used).toMatchObject({
    body: { workload: { id: 'spiffe://test.example/agent/one' }, facts: { exception: id } },
  });
  expect(broker.log).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      message: 'allowed under an exception',
      facts: expect.objectContaining({ exception: id, decision: decision.id }),
    }),
  );
  const metrics = await broker.ask('GET', '/metrics');
  expect(metrics.text).toMatch(/^writ_exceptions_active 1$/m);
  expect(Number(/^writ_exception_uses (\d+)$/m.exec(metrics.text)?.[1])).toBeGreaterThanOrEqual(2);

  expect((await end(id)).body).toMatchObject({ state: 'ended', uses: 2, ended_by: { subject: 'security' } });
  expect((await grant()).code).toBe('policy_denied');
  expect((await grant('frozen', agent(), other)).code).toBe('policy_denied');
  // what was given under it lives on: its end takes nothing back
  const shown = await broker.ask('GET', `/v1/grants/${String(given.body['id'])}`, { as: agent() });
  expect(shown.body['state']).toBe('active');
  const renewed = await broker.ask('POST', `/v1/grants/${String(given.body['id'])}/renew`, { as: agent(), json: {} });
  expect(renewed.code).toBe('policy_denied');
  const reviewed = await say(id, 'review', as('auditor'), { note: 'it was needed' });
  expect(reviewed.body).toMatchObject({ review: { note: 'it was needed', reviewed_by: { subject: 'auditor' } } });
});

test('it lets nothing through that is not marked, and asks nobody less', async () => {
  const sealed = await request({ scope: { profile: 'sealed' }, policies: ['seal'] });
  expect([sealed.code, sealed.body['errors']]).toMatchObject(['invalid_request', [{ path: 'policies.0' }]]);

  const id = await inForce({ scope: { profile: 'guarded' }, policies: ['guard'] });
  const pending = await grant('guarded');
  expect(pending.status).toBe(202);
  const { id: approval } = pending.body['approval'] as { id: string };
  await broker.ask('POST', `/v1/approvals/${approval}/approve`, { as: as('approver'), json: { reason: 'yes' } });
  const claim = () => broker.ask('POST', `/v1/grants/${String(pending.body['id'])}/claim`, { as: agent() });
  await end(id);
  expect((await claim()).code).toBe('policy_denied');
  const again = await inForce({ scope: { profile: 'guarded' }, policies: ['guard'] });
  const claimed = await claim();
  expect(claimed.status).toBe(201);
  const decision = claimed.body['decision'] as { id: string };
  expect(await sql('select exception_id, approval_id from decisions where id = $1', decision.id)).toEqual([
    { exception_id: again, approval_id: approval },
  ]);
  await end(again);
});

test('for the workload that it names, and no other', async () => {
  const id = await inForce({ scope: { profile: 'frozen', agent: 'mesh/spiffe://test.example/agent/one' } });
  expect((await grant('frozen', agent('agent/two'))).code).toBe('policy_denied');
  expect((await grant()).status).toBe(201);
  await end(id);
});

test('calls as well', async () => {
  const call = { action: { name: 'call' }, resource: { type: 'tool', id: 'freeze' }, context: {} };
  const evaluate = async () =>
    (await broker.ask('POST', '/access/v1/evaluation', { as: agent(), json: call })).body as {
      decision: boolean;
      context: { id: string };
    };
  expect((await evaluate()).decision).toBe(false);
  const id = await inForce({ scope: { tool: 'freeze' }, policies: ['freeze-calls'] });
  const allowed = await evaluate();
  expect(allowed.decision).toBe(true);
  expect(await sql('select exception_id from decisions where id = $1', allowed.context.id)).toEqual([
    { exception_id: id },
  ]);
  expect(
    await sql(
      `select count(*)::int as n from events where type = 'exception.used' and body::jsonb ->> 'decision' = $1`,
      allowed.context.id,
    ),
  ).toEqual([{ n: 1 }]);
  await end(id);
  expect((await evaluate()).decision).toBe(false);
});

describe('while it ends', () => {
  test('what is under way is decided once more, and refused for what it is', async () => {
    const id = await inForce();
    const burst = Array.from({ length: 20 }, (_, n) =>
      grant('frozen', agent(`agent/burst-${n}`), n % 2 ? broker : other),
    );
    const ending = end(id);
    const codes = (await Promise.all(burst)).map(({ status, code }) => (status === 201 ? 'given' : code));
    await ending;
    for (const code of codes) expect(['given', 'policy_denied']).toContain(code);
    const [late] = await sql(
      `select count(*)::int as n from decisions d join exceptions x on x.id = d.exception_id where x.id = $1 and d.outcome = 'allow' and d.at > x.ended_at`,
      id,
    );
    expect(late).toEqual({ n: 0 });
  });

  test('its time ends it by itself, and what is given under it lives no longer', async () => {
    const long = await inForce({ ends_at: from(30) });
    const capped = await grant();
    expect(capped.body).toMatchObject({ ttl: { decided_by: 'exception' } });
    await end(long);
    const id = await inForce();
    // Time goes by for this one alone: less is left than the profile's minimum, then nothing.
    await sql(`update exceptions set ends_at = now() + interval '9 s' where id = $1`, id);
    expect((await grant()).code).toBe('ttl_below_minimum');
    await sql(`update exceptions set ends_at = clock_timestamp() where id = $1`, id);
    expect((await grant()).code).toBe('policy_denied');
    const shown = await broker.ask('GET', `/v1/exceptions/${id}`, { as: as('auditor') });
    expect(shown.body['state']).toBe('over');
  });
});

describe('who may', () => {
  test.each([
    { who: 'platform', ask: 201, answer: 'role_missing', review: 'role_missing' },
    { who: 'security', ask: 201, answer: 'active', review: 'reviewed' },
    { who: 'approver', ask: 'role_missing', answer: 'active', review: 'role_missing' },
    { who: 'auditor', ask: 'role_missing', answer: 'role_missing', review: 'reviewed' },
  ] as const)('$who', async ({ who, ask, answer, review }) => {
    const asked = await request({}, as(who, 'somebody'));
    expect(asked.code ?? asked.status).toBe(ask);
    const id = String((await request({}, as('platform', 'author'))).body['id']);
    const answered = await say(id, 'approve', as(who, 'somebody'));
    expect(answered.code ?? answered.body['state']).toBe(answer);
    if (answered.body['state'] !== 'active') await say(id, 'approve', as('security', 'another'));
    const reviewed = await say(id, 'review', as(who, 'somebody'), { note: 'seen' });
    expect(reviewed.code ?? 'reviewed').toBe(review);
    await end(id);
  });

  test('not the one who asked, in whichever role', async () => {
    const both = { groups: ['platform', 'security'] };
    const author = broker.people.operator('platform', 'boss', both);
    const id = String((await request({}, author)).body['id']);
    expect((await say(id, 'approve', author)).code).toBe('own_request');
    await say(id, 'approve', as('approver'));
    expect((await say(id, 'review', author, { note: 'all good' })).code).toBe('own_request');
    await end(id);
  });

  test('within the limits of a role, and nothing else is there', async () => {
    const refused = await request({}, limited('treasury-platform'));
    expect(refused.code).toBe('role_limited');
    const id = String((await request()).body['id']);
    expect((await broker.ask('GET', `/v1/exceptions/${id}`, { as: limited('treasury-security') })).code).toBe(
      'not_found',
    );
    expect((await say(id, 'approve', limited('treasury-security'))).code).toBe('not_found');
    const listed = await broker.ask('GET', '/v1/exceptions', { as: limited('treasury-security') });
    expect(listed.body['exceptions']).toEqual([]);
  });

  test('no workload', async () => {
    for (const [method, path] of [
      ['GET', '/v1/exceptions'],
      ['POST', '/v1/exceptions'],
    ] as const)
      expect((await broker.ask(method, path, { as: agent(), json: method === 'POST' ? body() : undefined })).code).toBe(
        'not_an_operator',
      );
  });
});

describe('what is wrong with a request, all of it at once', () => {
  const paths = ({ body: said }: { body: Readonly<Record<string, unknown>> }) =>
    (said['errors'] as { path: string }[]).map(({ path }) => path).sort();
  test.each<{ name: string; change: object; want: string[] }>([
    { name: 'no scope', change: { scope: undefined }, want: ['scope'] },
    { name: 'an empty scope', change: { scope: {} }, want: ['scope'] },
    { name: 'two things', change: { scope: { profile: 'frozen', tool: 'freeze' } }, want: ['scope'] },
    { name: 'a profile that is not offered', change: { scope: { profile: 'nothing' } }, want: ['scope.profile'] },
    {
      name: 'a tool that is not offered',
      change: { scope: { tool: 'nothing' }, policies: ['freeze'] },
      want: ['scope.tool'],
    },
    {
      name: 'another owner',
      change: { scope: { profile: 'frozen', owner: 'treasury', environment: 'x' } },
      want: ['scope.environment', 'scope.owner'],
    },
    {
      name: 'an agent without its trust entry',
      change: { scope: { profile: 'frozen', agent: 'one' } },
      want: ['scope.agent'],
    },
    { name: 'no policy', change: { policies: [] }, want: ['policies'] },
    {
      name: 'policies that are none, or permits, or not marked',
      change: { policies: ['freeze', 'nothing', 'writes', 'seal', '__proto__'] },
      want: ['policies.1', 'policies.2', 'policies.3', 'policies.4'],
    },
    { name: 'too many', change: { policies: Array.from({ length: 21 }, () => 'freeze') }, want: ['policies'] },
    { name: 'no reason', change: { reason: '' }, want: ['reason'] },
    { name: 'no end', change: { ends_at: undefined }, want: ['ends_at'] },
    { name: 'an end that has passed', change: { ends_at: from(-1) }, want: ['ends_at'] },
    { name: 'an end before its start', change: { starts_at: from(700) }, want: ['ends_at'] },
    { name: 'too long', change: { ends_at: from(32 * 86_400), review_by: from(33 * 86_400) }, want: ['ends_at'] },
    { name: 'no review', change: { review_by: undefined }, want: ['review_by'] },
    { name: 'a review that has passed', change: { review_by: from(-1) }, want: ['review_by'] },
    { name: 'a review in another year', change: { review_by: from(400 * 86_400) }, want: ['review_by'] },
    {
      name: 'times that are none',
      change: { ends_at: 'tomorrow', review_by: 7, starts_at: '2026-11-31T00:00:00Z' },
      want: ['ends_at', 'review_by', 'starts_at'],
    },
    { name: 'what cannot be kept', change: { reason: 'a\u0000' }, want: ['reason'] },
    { name: 'more', change: { state: 'approved', answered_by: {} }, want: ['answered_by', 'state'] },
  ])('$name', async ({ change, want }) => {
    const refused = await request(change);
    expect([refused.code, paths(refused)]).toEqual(['invalid_request', want]);
  });

  test.each<[string, string, Question['json']]>([
    ['approve', 'an empty reason', { reason: '' }],
    ['deny', 'none', {}],
    ['end', 'a member that is not known', { reason: 'x', ends_at: from(1) }],
    ['review', 'a reason instead of a note', { reason: 'x' }],
  ])('%s: %s', async (word, _name, json) => {
    const id = await inForce();
    const refused = await broker.ask('POST', `/v1/exceptions/${id}/${word}`, { as: as('security', 'x'), json });
    expect(refused.code).toBe('invalid_request');
    await end(id);
  });
});

test('listed by what is asked, and those that nobody looked at in time by name', async () => {
  const id = await inForce();
  await sql(
    `update exceptions set starts_at = starts_at - interval '2 days', ends_at = ends_at - interval '2 days', review_by = review_by - interval '2 days' where id = $1`,
    id,
  );
  const list = async (query: string) => {
    const { body: page } = await broker.ask('GET', `/v1/exceptions?limit=500&${query}`, { as: as('auditor') });
    return (page['exceptions'] as { id: string; review: { overdue: boolean } }[]).map((one) => [
      one.id,
      one.review.overdue,
    ]);
  };
  expect(await list('unreviewed=true')).toEqual([[id, true]]);
  expect(await list('unreviewed=true&profile=guarded')).toEqual([]);
  expect((await list('state=over')).map(([one]) => one)).toContain(id);
  expect((await list('state=active')).map(([one]) => one)).not.toContain(id);
  await until(async () => /^writ_exceptions_unreviewed 1$/m.test((await broker.ask('GET', '/metrics')).text));
  await say(id, 'review', as('auditor'), { note: 'seen' });
  expect(await list('unreviewed=true')).toEqual([]);
  const first = await broker.ask('GET', '/v1/exceptions?limit=1', { as: as('auditor') });
  const next = await broker.ask('GET', `/v1/exceptions?limit=1&cursor=${String(first.body['next_cursor'])}`, {
    as: as('auditor'),
  });
  expect(next.status).toBe(200);
  for (const wrong of ['state=x', 'unreviewed=1', 'cursor=x', 'limit=0', 'more=1'])
    expect((await broker.ask('GET', `/v1/exceptions?${wrong}`, { as: as('auditor') })).code).toBe('invalid_request');
});
