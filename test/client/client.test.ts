import { makeClient, WritError, type Client } from '../../src/client/index.ts';
import { OPERATOR_TOKENS, startFakeBroker, WORKLOAD_TOKEN, type FakeBroker } from '../support/fake-broker.ts';

const LOGIN = {
  type: 'postgres',
  host: 'db.example',
  port: 5432,
  database: 'orders',
  username: 'writ_1',
  password: 'hunter2-very-secret',
  url: 'postgresql://writ_1:hunter2-very-secret@db.example:5432/orders',
} as const;

let broker: FakeBroker;
let client: Client;
beforeEach(async () => {
  broker = await startFakeBroker();
  broker.offer('orders', LOGIN);
  client = makeClient({ url: broker.url, identityToken: WORKLOAD_TOKEN, operatorToken: OPERATOR_TOKENS.security });
});
afterEach(() => broker.close());

/** The error of a call, which must be a `WritError`. */
async function errorOf(work: Promise<unknown>): Promise<WritError> {
  const error: unknown = await work.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof WritError)) throw new Error(`not a WritError: ${String(error)}`);
  return error;
}

describe('workload verbs', () => {
  test('issue sends the wire names, the evidence and the key', async () => {
    const request = { profile: 'orders', parameters: { month: '2026-11' }, ttl_seconds: 600, purpose: 'count' };
    const grant = await client.workload.issue(request, { idempotencyKey: 'key-1' });
    expect(grant).toMatchObject({ state: 'active', credential: LOGIN, profile: 'orders' });
    const [sent] = broker.requests;
    expect(sent).toMatchObject({ method: 'POST', path: '/v1/grants', body: request });
    expect(sent?.headers).toMatchObject({
      authorization: `Bearer ${WORKLOAD_TOKEN}`,
      'idempotency-key': 'key-1',
      'content-type': 'application/json',
    });
  });

  test('claims what was approved', async () => {
    const body = { ...broker.seed({ id: 'g000000000009' }), credential: LOGIN };
    broker.next(
      'POST /v1/grants/g000000000009/claim',
      { status: 409, body: { code: 'approval_pending' } },
      { status: 201, body },
    );
    expect(await errorOf(client.workload.claim('g000000000009'))).toMatchObject({ code: 'approval_pending' });
    expect(await client.workload.claim('g000000000009')).toMatchObject({ credential: LOGIN });
    expect(broker.requests.at(-1)?.body).toEqual({});
  });

  test('get, renew and revoke one of its own', async () => {
    const { id } = await client.workload.issue({ profile: 'orders' });
    expect(await client.workload.grant(id)).toMatchObject({ id, state: 'active' });
    expect(await client.workload.grant(id)).not.toHaveProperty('credential');
    expect(await client.workload.renew(id, { ttlSeconds: 60 })).toMatchObject({ credential: LOGIN });
    expect(broker.requests.at(-1)?.body).toEqual({ ttl_seconds: 60 });
    expect(await client.workload.revoke(id, 'done')).toMatchObject({ id, state: 'revoked', why: 'revocation' });
    expect(broker.requests.at(-1)?.body).toEqual({ reason: 'done' });
  });

  test('an approval that is pending is an answer without a credential', async () => {
    const approval = { id: 'a1', url: 'https://writ.example/a1', expires_at: '2026-11-23T13:00:00Z' };
    broker.next('POST /v1/grants', { status: 202, body: { id: 'g000000000001', state: 'pending_approval', approval } });
    const answer = await client.workload.issue({ profile: 'orders' });
    if (answer.state !== 'pending_approval') throw new Error(answer.state);
    expect(answer.approval).toEqual(approval);
  });

  test('OAuth: a form, and the empty answer of a revocation', async () => {
    expect(await client.workload.introspect('live-token')).toEqual({ active: true, sub: 'one', exp: 1 });
    expect(await client.workload.introspect('gone & away')).toEqual({ active: false });
    await client.workload.revokeToken('live-token');
    expect(broker.requests.map((each) => each.body)).toEqual([
      'token=live-token',
      'token=gone+%26+away',
      'token=live-token',
    ]);
  });

  test('on a task: its token goes along with whatever is asked on it', async () => {
    const { workload } = makeClient({
      url: broker.url,
      identityToken: WORKLOAD_TOKEN,
      taskToken: () => 'own.task.token',
    });
    const { id } = await workload.issue({ profile: 'orders' });
    await workload.renew(id);
    const issued = { status: 201, body: { ...broker.seed({ id: 'g000000000009' }), credential: LOGIN } };
    broker.next('POST /v1/grants/g000000000009/claim', issued);
    await workload.claim('g000000000009');
    const call = { action: { name: 'call' }, resource: { type: 'tool', id: 'refund' } } as const;
    broker.next('POST /access/v1/evaluation', ...[1, 2].map(() => ({ body: { decision: true } })));
    broker.next('POST /access/v1/evaluations', ...[1, 2].map(() => ({ body: { evaluations: [] } })));
    await workload.evaluate(call);
    await workload.evaluateAll({ ...call, evaluations: [{}] });
    // an enforcement point passes on what it was shown
    const passedOn = { taskToken: 'their.task.token' };
    await workload.evaluate(call, passedOn);
    await workload.evaluateAll({ ...call, evaluations: [{}] }, passedOn);
    expect(broker.requests.map(({ path, headers }) => [path, headers['txn-token']])).toEqual([
      ['/v1/grants', 'own.task.token'],
      [`/v1/grants/${id}/renew`, 'own.task.token'],
      ['/v1/grants/g000000000009/claim', 'own.task.token'],
      ['/access/v1/evaluation', 'own.task.token'],
      ['/access/v1/evaluations', 'own.task.token'],
      ['/access/v1/evaluation', 'their.task.token'],
      ['/access/v1/evaluations', 'their.task.token'],
    ]);
    expect(await errorOf(workload.evaluate(call, { taskToken: '' }))).toMatchObject({ code: 'token_malformed' });
  });

  test('ids are escaped in paths', async () => {
    expect((await errorOf(client.workload.grant('../operators?x'))).code).toBe('not_found');
    expect(broker.requests[0]?.path).toBe('/v1/grants/..%2Foperators%3Fx');
  });
});

describe('operator verbs', () => {
  test('each grant follows the cursors, with the filter on every page', async () => {
    for (let i = 1; i <= 5; i += 1) broker.seed({ id: `g00000000000${i}`, owner: i === 3 ? 'sales' : 'payments' });
    const ids: string[] = [];
    for await (const grant of client.operator.eachGrant({ owner: 'payments', state: 'active' }, { limit: 2 }))
      ids.push(grant.id);
    expect(ids).toEqual(['g000000000001', 'g000000000002', 'g000000000004', 'g000000000005']);
    expect(broker.requests.map((each) => each.query)).toEqual([
      { owner: 'payments', state: 'active', limit: '2' },
      { owner: 'payments', state: 'active', limit: '2', cursor: '2' },
    ]);
  });

  test('pages are fetched only as they are taken', async () => {
    for (let i = 1; i <= 5; i += 1) broker.seed({ id: `g00000000000${i}` });
    for await (const grant of client.operator.eachGrant()) if (grant.id) break;
    expect(broker.requests).toHaveLength(1);
  });

  test('orders: preview, create, progress, lift', async () => {
    broker.seed({ id: 'g000000000001' });
    broker.confirmAfter(1);
    const request = { selector: { owner: 'payments' }, reason: 'incident' };
    expect(await client.operator.previewOrder(request)).toMatchObject({ matched: 1 });
    expect(broker.requests[0]?.body).toEqual({ ...request, dry_run: true });
    expect(broker.orders.size).toBe(0);
    const order = await client.operator.createOrder({ ...request, block: false });
    expect(broker.requests[1]?.body).toEqual({ ...request, block: false });
    expect(order).toMatchObject({ state: 'sweeping', matched: 1 });
    expect(await client.operator.order(order.id)).toMatchObject({ state: 'complete' });
    expect(await client.operator.liftOrder(order.id, 'over')).toMatchObject({
      outcome: 'lifted',
      order: { lifted: true },
    });
  });

  test('lifting everything is only asked for by the first', async () => {
    const { id } = await client.operator.createOrder({ selector: { all: true }, reason: 'stop' });
    expect(await client.operator.liftOrder(id, 'over')).toMatchObject({
      outcome: 'lift_requested',
      order: { lifted: false },
    });
  });

  test('apply, its dry run, and rules that do not check', async () => {
    const platform = makeClient({ url: broker.url, operatorToken: () => OPERATOR_TOKENS.platform }).operator;
    const files = { 'profiles/a.yaml': 'name: a' };
    expect(await platform.apply(files, { dryRun: true })).not.toHaveProperty('activated_at');
    expect(await platform.apply(files)).toMatchObject({ number: 4, difference: { added: ['profiles/a.yaml'] } });
    expect(await platform.apply(files)).toMatchObject({ unchanged: true });
    const error = await errorOf(platform.apply({ 'profiles/a.yaml': 'broken' }));
    expect(error).toMatchObject({
      status: 400,
      code: 'rules_do_not_check',
      facts: { problems: [{ file: 'profiles/a.yaml', line: 7, message: 'is broken' }] },
    });
    expect(broker.requests.map((each) => each.body)).toEqual([
      { files, dry_run: true },
      { files },
      { files },
      { files: { 'profiles/a.yaml': 'broken' } },
    ]);
  });
});

describe('health', () => {
  test('alive and ready need no token', async () => {
    const anybody = makeClient({ url: broker.url });
    expect(await anybody.health()).toEqual({ status: 'alive' });
    expect(await anybody.ready()).toEqual({ ready: true, detail: { status: 'ready' } });
    expect(broker.requests[0]?.headers['authorization']).toBeUndefined();
  });

  test('not ready is an answer; a proxy that fails is not', async () => {
    broker.next(
      'GET /readyz',
      { status: 503, body: { status: 'not_ready', ledger: 'down' } },
      { status: 502, body: 'Bad Gateway' },
    );
    expect(await client.ready()).toEqual({ ready: false, detail: { status: 'not_ready', ledger: 'down' } });
    expect(await errorOf(client.ready())).toMatchObject({ code: 'unexpected_answer', status: 502 });
  });
});

describe('errors', () => {
  test('a problem keeps its code, its facts, its faults and the request id', async () => {
    const body = {
      type: 'about:blank',
      title: 'Below the minimum',
      status: 403,
      code: 'ttl_below_minimum',
      detail: 'the profile gives at least 60 seconds',
      minimum: 60,
      decision: { id: 'd1' },
    };
    broker.next('POST /v1/grants', { status: 403, body, headers: { 'x-request-id': 'abc' } });
    expect(await errorOf(client.workload.issue({ profile: 'orders' }))).toMatchObject({
      status: 403,
      code: 'ttl_below_minimum',
      title: 'Below the minimum',
      detail: 'the profile gives at least 60 seconds',
      facts: { minimum: 60, decision: { id: 'd1' } },
      requestId: 'abc',
    });
  });

  test('every fault of a request', async () => {
    const errors = [
      { path: 'parameters.month', problem: 'does not match' },
      { path: 'ttl', problem: 'is not known' },
    ];
    broker.next('POST /v1/grants', { status: 400, body: { code: 'invalid_request', errors } });
    const error = await errorOf(client.workload.issue({ profile: 'orders' }));
    expect(error.errors).toEqual(errors);
    expect(error.facts).toEqual({});
  });

  test('limits say when to come back, and OAuth speaks its own form', async () => {
    broker.next('POST /v1/grants', {
      status: 429,
      body: { code: 'too_many_requests' },
      headers: { 'retry-after': '7' },
    });
    expect((await errorOf(client.workload.issue({ profile: 'orders' }))).facts).toEqual({ retry_after_seconds: 7 });
    broker.next('POST /oauth/introspect', {
      status: 401,
      body: { error: 'invalid_client', error_description: 'who?' },
    });
    expect(await errorOf(client.workload.introspect('t'))).toMatchObject({
      status: 401,
      code: 'invalid_client',
      detail: 'who?',
    });
  });

  test.each([
    { name: 'a page of a proxy', answer: { status: 502, body: '<html>' }, want: 502 },
    {
      name: 'a redirect, which is not followed',
      answer: { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
      want: 307,
    },
    { name: 'text where JSON belongs', answer: { status: 200, body: 'hello' }, want: 200 },
    { name: 'an array', answer: { status: 200, body: [1] }, want: 200 },
    { name: 'the JSON of another server', answer: { status: 201, body: { hello: 'world' } }, want: 201 },
    { name: 'a problem without a code', answer: { status: 500, body: { title: 'oops' } }, want: 500 },
  ])('not Writ: $name', async ({ answer, want }) => {
    broker.next('POST /v1/grants', answer);
    expect(await errorOf(client.workload.issue({ profile: 'orders' }))).toMatchObject({
      code: 'unexpected_answer',
      status: want,
    });
  });

  test('nobody listens, the line is cut, nobody answers, the caller gives up', async () => {
    const gone = await startFakeBroker();
    await gone.close();
    const nobody = makeClient({ url: gone.url, identityToken: WORKLOAD_TOKEN });
    const refused = await errorOf(nobody.workload.grant('g1'));
    expect(refused).toMatchObject({ status: 0, code: 'unreachable', facts: { url: gone.url, reason: 'ECONNREFUSED' } });

    broker.next('GET /v1/grants/g1', { fault: 'reset' }, { fault: 'hang' }, { fault: 'hang' });
    expect(await errorOf(client.workload.grant('g1'))).toMatchObject({ code: 'unreachable' });

    const hasty = makeClient({ url: broker.url, identityToken: WORKLOAD_TOKEN, timeoutMs: 50 });
    expect((await errorOf(hasty.workload.grant('g1'))).facts).toMatchObject({ reason: 'timeout' });

    const aborted = errorOf(client.workload.grant('g1', { signal: AbortSignal.timeout(50) }));
    expect((await aborted).code).toBe('unreachable');
  });

  test('a verb without its token asks nobody', async () => {
    const bare = makeClient({ url: broker.url });
    expect((await errorOf(bare.workload.grant('g1'))).code).toBe('identity_token_missing');
    expect((await errorOf(bare.operator.listGrants())).code).toBe('operator_token_missing');
    expect(broker.requests).toHaveLength(0);
  });

  test('no error holds a token or a credential', async () => {
    const secret = 'top-secret-token';
    const token = `${secret}\nx-evil: 1`;
    const malformed = await errorOf(makeClient({ url: broker.url, identityToken: token }).workload.grant('g1'));
    expect(malformed.code).toBe('token_malformed');
    const refused = await errorOf(
      makeClient({ url: 'http://127.0.0.1:1', identityToken: secret }).workload.introspect(secret),
    );
    broker.next('POST /v1/grants', { status: 200, body: `{"credential": "${secret}` });
    const cut = await errorOf(client.workload.issue({ profile: 'orders' }));
    for (const error of [malformed, refused, cut]) {
      const everything = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join();
      expect(everything).not.toContain(secret);
    }
  });
});

test('a path of the url is kept', async () => {
  for (const url of [`${broker.url}/prefix`, `${broker.url}/prefix/`]) {
    await errorOf(makeClient({ url, identityToken: WORKLOAD_TOKEN }).workload.grant('g1'));
  }
  expect(broker.requests.map((each) => each.path)).toEqual(['/prefix/v1/grants/g1', '/prefix/v1/grants/g1']);
});
