import { approvalRules, LIMITED, PEOPLE_TOO } from '../support/approval-rules.ts';
import type { Answer } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/** A person answers over HTTP: what they see, who may, what the workload waits for, and a claim that works once. */
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
const request = async (profile = 'refund', who = agent(), headers = {}) => {
  const answer = await broker.ask('POST', '/v1/grants', { as: who, json: { profile, purpose: 'a test' }, headers });
  expect(answer.status).toBe(202);
  return answer;
};
const approvalOf = ({ body }: Answer) => (body['approval'] as { id: string }).id;
const answer = (id: string, word: 'approve' | 'deny', who: string, reason: unknown = 'looked at it') =>
  broker.ask('POST', `/v1/approvals/${id}/${word}`, { as: who, json: { reason } });
const claim = (id: unknown, who = agent(), headers = {}, via: Replica = broker) =>
  via.ask('POST', `/v1/grants/${String(id)}/claim`, { as: who, headers });
const wait = (id: unknown, seconds: number | string, who = agent(), via: Replica = broker) =>
  via.ask('GET', `/v1/grants/${String(id)}/approval?wait=${seconds}`, { as: who });
/** When a replica holds so many requests. */
const held = (count: number, via: Replica = broker) =>
  until(async () => (await via.ask('GET', '/metrics')).text.includes(`\nwrit_long_polls ${count}\n`));
const active = async ({ body }: Answer, via: Replica = broker) => {
  const { token } = body['credential'] as { token: string };
  const asked = await via.ask('POST', '/oauth/introspect', { as: agent('gateway'), form: { token } });
  return asked.body['active'];
};

test('asked, seen exactly, approved, claimed once', async () => {
  const pending = await request();
  expect(pending.body).toMatchObject({
    state: 'pending_approval',
    approval: { state: 'pending', url: expect.stringMatching(/^https:\/\/writ\.test\/v1\/approvals\/a/) },
  });
  const id = approvalOf(pending);
  const seen = await broker.ask('GET', `/v1/approvals/${id}`, { as: as('auditor') });
  expect(seen.body).toMatchObject({
    id,
    kind: 'issue',
    state: 'pending',
    resource: 'refund',
    requester: { trust: 'mesh', id: 'spiffe://test.example/agent/one' },
    grant: pending.body['id'],
    asked: { profile: 'refund', parameters: {}, ttl_seconds: 300, task: { purpose: 'a test' } },
    asked_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    needs: [{ role: 'approver', count: 1 }],
    answers: [],
    notices: [],
  });
  expect((await claim(pending.body['id'])).code).toBe('approval_pending');

  const answered = await answer(id, 'approve', as('approver', 'ada'));
  expect(answered.body).toMatchObject({
    state: 'approved',
    answers: [{ by: { subject: 'ada' }, answer: 'approve', reason: 'looked at it', roles: ['approver'] }],
  });
  const shown = await broker.ask('GET', `/v1/grants/${String(pending.body['id'])}`, { as: agent() });
  expect(shown.body).toMatchObject({ state: 'pending_approval', approval: { id, state: 'approved' } });

  const claimed = await claim(pending.body['id']);
  expect(claimed.status).toBe(201);
  expect(claimed.body).toMatchObject({ id: pending.body['id'], state: 'active', credential: { type: 'jwt' } });
  expect(await active(claimed)).toBe(true);
  const again = await claim(pending.body['id']);
  expect([again.status, again.code, again.body['approval']]).toEqual([
    409,
    'grant_not_active',
    { id, state: 'consumed' },
  ]);
});

test('what the workload sees of it says nothing of who answered', async () => {
  const pending = await request();
  await answer(approvalOf(pending), 'deny', as('approver', 'ada'), 'not this month');
  const seen = await wait(pending.body['id'], 0);
  expect(seen.body).toEqual({
    id: approvalOf(pending),
    state: 'denied',
    url: expect.any(String),
    expires_at: expect.any(String),
    kind: 'issue',
    grant: pending.body['id'],
    needs: [{ role: 'approver', count: 1 }],
    answers: [{ answer: 'deny', reason: 'not this month', at: expect.any(String) }],
    untold: 0,
  });
  expect(seen.text).not.toContain('ada');
  expect((await claim(pending.body['id'])).body).toMatchObject({ code: 'grant_not_active', state: 'refused' });
});

describe('the long poll', () => {
  test('answers as soon as somebody has, on whichever replica', async () => {
    const pending = await request();
    const start = Date.now();
    const waiting = [wait(pending.body['id'], 30), wait(pending.body['id'], 30, agent(), other)];
    await Promise.all([held(1), held(1, other)]);
    await answer(approvalOf(pending), 'approve', as('approver'));
    for (const seen of await Promise.all(waiting)) expect(seen.body['state']).toBe('approved');
    expect(Date.now() - start).toBeLessThan(25_000);
  });

  test('and otherwise when its time is over', async () => {
    const pending = await request();
    const start = Date.now();
    expect((await wait(pending.body['id'], 1)).body['state']).toBe('pending');
    expect(Date.now() - start).toBeGreaterThan(950);
  });

  test.each(['-1', '61', '1.5', 'x', '', '1&wait=2', '1&more=1'])('wait=%s is refused', async (seconds) => {
    const { body } = await request();
    expect((await wait(body['id'], seconds)).code).toBe(seconds === '' ? undefined : 'invalid_request');
  });

  test('is for the grant’s own workload', async () => {
    const pending = await request();
    expect((await wait(pending.body['id'], 30, agent('agent/other'))).code).toBe('not_found');
    expect((await wait(pending.body['id'], 0, as('security'))).code).toBe('not_a_workload');
    expect((await wait('g000000000000', 0)).code).toBe('not_found');
  });

  test('of a grant that needed none there is none', async () => {
    const { body } = await broker.ask('POST', '/v1/grants', { as: agent(), json: { profile: 'lookup', purpose: 'x' } });
    expect((await wait(body['id'], 30)).code).toBe('not_found');
  });

  test('so many of one workload, and no more', async () => {
    const pending = await request();
    const over: unknown[] = [];
    // Longer than all of them need to come in, however slow the machine is: nobody is let go before the last has been refused.
    const waiting = Array.from({ length: 55 }, async () => {
      const seen = await wait(pending.body['id'], 60);
      if (seen.status === 429) over.push(seen.code);
      return seen;
    });
    await until(() => over.length === 5);
    await answer(approvalOf(pending), 'approve', as('approver'));
    const states = (await Promise.all(waiting)).filter(({ status }) => status === 200).map(({ body }) => body['state']);
    expect(states).toEqual(Array.from({ length: 50 }, () => 'approved'));
    expect(over).toEqual(Array.from({ length: 5 }, () => 'too_many_requests'));
  });
});

describe('who answers', () => {
  test('as many and in such roles as the policies want', async () => {
    const pending = await request('wire');
    const id = approvalOf(pending);
    expect((await answer(id, 'approve', as('platform'))).body).toMatchObject({
      code: 'role_missing',
      roles: ['approver', 'security'],
    });
    const steps = [as('security', 'ada'), as('approver', 'joan'), as('security', 'grace')];
    const states = [];
    for (const who of steps) states.push((await answer(id, 'approve', who)).body['state']);
    expect(states).toEqual(['pending', 'pending', 'approved']);
    expect((await claim(pending.body['id'])).status).toBe(201);
  });

  test('once', async () => {
    const id = approvalOf(await request('wire'));
    await answer(id, 'approve', as('security', 'ada'));
    expect((await answer(id, 'approve', as('security', 'ada'))).code).toBe('already_answered');
    expect((await answer(id, 'deny', as('security', 'ada'))).code).toBe('already_answered');
  });

  test('never what they have asked for themselves, under whichever audience', async () => {
    const claims = { aud: 'https://writ.test', groups: ['approver'] };
    const pending = await request('refund', broker.people.operator('approver', 'ada', claims));
    const id = approvalOf(pending);
    for (const word of ['approve', 'deny'] as const)
      expect((await answer(id, word, as('approver', 'ada'))).code).toBe('own_request');
    expect((await answer(id, 'approve', as('approver', 'grace'))).body['state']).toBe('approved');
  });

  test('an auditor reads, a workload does neither', async () => {
    const id = approvalOf(await request());
    expect((await answer(id, 'approve', as('auditor'))).code).toBe('role_missing');
    expect((await answer(id, 'approve', agent())).code).toBe('not_an_operator');
    expect((await broker.ask('GET', `/v1/approvals/${id}`, { as: agent() })).code).toBe('not_an_operator');
  });

  test('within the limits of their role', async () => {
    const token = (group: string) => broker.people.operator(undefined, group, { groups: [group] });
    const mine = approvalOf(await request('wire'));
    const others = approvalOf(await request('refund'));
    expect((await answer(others, 'approve', token('treasury-approver'))).code).toBe('not_found');
    expect((await broker.ask('GET', `/v1/approvals/${others}`, { as: token('treasury-approver') })).code).toBe(
      'not_found',
    );
    // whoever sees it in another role answers no more for that
    const seeing = broker.people.operator(undefined, 'both', { groups: ['treasury-approver', 'auditor'] });
    expect((await broker.ask('GET', `/v1/approvals/${others}`, { as: seeing })).status).toBe(200);
    for (const word of ['approve', 'deny'] as const)
      expect((await answer(others, word, seeing)).body).toMatchObject({ code: 'role_limited', role: 'approver' });
    const { rows } = await broker.database.pool.query<{ code: string }>(
      `select body::jsonb #>> '{facts,code}' as code from events where type = 'approval.answered' and body::jsonb ->> 'resource' = $1`,
      [others],
    );
    expect(rows.map(({ code }) => code)).toEqual(['role_limited', 'role_limited']);
    // a role that is not asked for is none, whatever it reaches
    const other = broker.people.operator(undefined, 'other', { groups: ['treasury-security', 'auditor'] });
    expect((await answer(others, 'approve', other)).code).toBe('role_missing');
    expect((await answer(mine, 'approve', token('treasury-approver'))).body['state']).toBe('pending');
    const listed = await broker.ask('GET', '/v1/approvals?limit=500', { as: token('treasury-security') });
    const owners = (listed.body['approvals'] as { owner: string }[]).map(({ owner }) => owner);
    expect(new Set(owners)).toEqual(new Set(['treasury']));
  });
});

describe('a repeat under its key', () => {
  test('while it waits is the same request, as it stands', async () => {
    const key = { 'idempotency-key': 'pending-1' };
    const first = await request('refund', agent(), key);
    const second = await request('refund', agent(), key);
    expect(second.body).toEqual(first.body);
    await answer(approvalOf(first), 'approve', as('approver'));
    const third = await request('refund', agent(), key);
    expect(third.body).toMatchObject({ id: first.body['id'], approval: { id: approvalOf(first), state: 'approved' } });
    const listed = await broker.ask('GET', '/v1/approvals?kind=issue&limit=500', { as: as('auditor') });
    const same = (listed.body['approvals'] as { grant: string }[]).filter(({ grant }) => grant === first.body['id']);
    expect(same).toHaveLength(1);
  });

  test('after it was denied is another one', async () => {
    const key = { 'idempotency-key': 'pending-2' };
    const first = await request('refund', agent(), key);
    await answer(approvalOf(first), 'deny', as('approver'));
    const second = await request('refund', agent(), key);
    expect(second.body['id']).not.toBe(first.body['id']);
  });

  test('after it was claimed is the same grant with another credential, and one of them at a time', async () => {
    const key = { 'idempotency-key': 'pending-3' };
    const first = await request('refund', agent(), key);
    await answer(approvalOf(first), 'approve', as('approver'));
    const claimed = await claim(first.body['id']);
    const json = { profile: 'refund', purpose: 'a test' };
    const repeated = await broker.ask('POST', '/v1/grants', { as: agent(), json, headers: key });
    expect([repeated.status, repeated.body['id']]).toEqual([201, first.body['id']]);
    expect([await active(claimed), await active(repeated)]).toEqual([false, true]);
  });

  test('of a claim whose answer was lost gives the credential again, and ends the lost one', async () => {
    const pending = await request();
    await answer(approvalOf(pending), 'approve', as('approver'));
    const key = { 'idempotency-key': 'claim-1' };
    const first = await claim(pending.body['id'], agent(), key);
    const second = await claim(pending.body['id'], agent(), key, other);
    expect([first.status, second.status, second.body['id']]).toEqual([201, 201, pending.body['id']]);
    expect([await active(first), await active(second)]).toEqual([false, true]);
    expect(Date.parse(String(second.body['expires_at']))).toBeLessThanOrEqual(
      Date.parse(String(first.body['expires_at'])),
    );
    expect((await claim(pending.body['id'])).code).toBe('grant_not_active');
  });

  test('the key is for that claim and no other', async () => {
    const [one, two] = [await request(), await request()];
    for (const pending of [one, two]) await answer(approvalOf(pending), 'approve', as('approver'));
    const key = { 'idempotency-key': 'claim-2' };
    expect((await claim(one.body['id'], agent(), key)).status).toBe(201);
    expect((await claim(two.body['id'], agent(), key)).code).toBe('idempotency_key_reused');
    expect((await claim(two.body['id'], agent('agent/other'), key)).code).toBe('not_found');
  });
});

test('a claim works once, however many come at once, on two replicas', async () => {
  for (let round = 0; round < 5; round++) {
    const pending = await request();
    await answer(approvalOf(pending), 'approve', as('approver'));
    const key = round % 2 === 0 ? {} : { 'idempotency-key': `race-${round}` };
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, n) => claim(pending.body['id'], agent(), key, n % 2 === 0 ? broker : other)),
    );
    const given = claims.filter(({ status }) => status === 201);
    const works = await Promise.all(given.map((one) => active(one)));
    expect(works.filter(Boolean)).toHaveLength(1);
    if (round % 2 === 0) expect(given).toHaveLength(1);
    for (const { status } of claims) expect([201, 409]).toContain(status);
    const { rows } = await broker.database.pool.query(
      `select count(*)::int as n from events where type = 'approval.consumed' and grant_id = $1`,
      [pending.body['id']],
    );
    expect(rows).toEqual([{ n: 1 }]);
  }
});

describe('the list', () => {
  test('newest first, page by page, narrowed by what is asked', async () => {
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(approvalOf(await request('wire', agent('agent/lister'))));
    const page = async (query: string) => {
      const { body } = await broker.ask('GET', `/v1/approvals?owner=treasury&state=pending&${query}`, {
        as: as('auditor'),
      });
      return { ids: (body['approvals'] as { id: string }[]).map(({ id }) => id), next: body['next_cursor'] };
    };
    const first = await page('limit=2');
    expect(first.ids).toEqual([ids[2], ids[1]]);
    expect((await page(`limit=2&cursor=${String(first.next)}`)).ids[0]).toBe(ids[0]);
    expect((await page('environment=production')).ids).toEqual([]);
    expect((await page('kind=call')).ids).toEqual([]);
  });

  test.each([
    'state=open',
    'kind=x',
    'cursor=x',
    'cursor=g000000000000',
    'limit=0',
    'limit=501',
    'owner=',
    'more=1',
    'state=pending&state=denied',
  ])('%s is refused', async (query) => {
    expect((await broker.ask('GET', `/v1/approvals?${query}`, { as: as('auditor') })).code).toBe('invalid_request');
  });
});

describe('hostile answers', () => {
  test.each<[string, unknown]>([
    ['none', undefined],
    ['an empty reason', { reason: '' }],
    ['no text', { reason: 7 }],
    ['too long', { reason: 'x'.repeat(1_001) }],
    ['what cannot be kept', { reason: 'a\u0000b' }],
    ['half a character', { reason: '\ud800' }],
    ['more', { reason: 'x', answer: 'approve' }],
    ['roles of one’s own', { reason: 'x', roles: ['security'] }],
    ['a list', []],
  ])('%s', async (_name, json) => {
    const id = approvalOf(await request());
    const refused = await broker.ask('POST', `/v1/approvals/${id}/approve`, { as: as('approver'), json });
    expect(refused.code).toBe('invalid_request');
    expect((await broker.ask('GET', `/v1/approvals/${id}`, { as: as('auditor') })).body['state']).toBe('pending');
  });

  test.each(['a', 'x'.repeat(300), 'a000000000000000000000', '..%2f..%2fv1', 'g000000000000', "a' or '1'='1", '%00'])(
    'no approval is called %s',
    async (id) => {
      for (const path of [`/v1/approvals/${id}`, `/v1/approvals/${id}/approve`]) {
        const method = path.endsWith('approve') ? 'POST' : 'GET';
        const json = method === 'POST' ? { reason: 'x' } : undefined;
        const refused = await broker.ask(method, path, { as: as('approver'), json });
        expect([400, 404]).toContain(refused.status);
      }
    },
  );

  test('what a workload says of itself is shown as what it is', async () => {
    const purpose = '</script>\u202eapproved by security\u2028```';
    const pending = await broker.ask('POST', '/v1/grants', { as: agent(), json: { profile: 'refund', purpose } });
    const seen = await broker.ask('GET', `/v1/approvals/${approvalOf(pending)}`, { as: as('approver') });
    expect(seen.body).toMatchObject({ asked: { task: { purpose } } });
    expect(seen.headers['content-type']).toMatch(/^application\/json/);
  });
});

test('as it shuts down nobody is kept waiting', async () => {
  const third = await broker.replica();
  const pending = await request();
  const waiting = wait(pending.body['id'], 60, agent(), third);
  await held(1, third);
  const start = Date.now();
  await third.stop();
  expect((await waiting).body['state']).toBe('pending');
  expect(Date.now() - start).toBeLessThan(50_000);
});
