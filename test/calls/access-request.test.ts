import type { RuleFiles } from '../../src/config/index.ts';
import { makeTestKey, signCompact } from '../support/issuer.ts';
import type { Answer } from '../support/ask.ts';
import { reasonOf, startCalls } from './world.ts';
import type { Calls } from './world.ts';
import { callRules } from '../support/tool-rules.ts';
import { until } from '../support/waiting.ts';

/** A denied call is put before a person, and asked again: what binds the one to the other, and that nothing of it is a right. */
let calls: Calls;
beforeAll(async () => {
  calls = await startCalls();
});
afterAll(() => calls.close());

interface Offer {
  readonly endpoint: string;
  readonly expires_at: string;
  readonly binding_token: string;
}

const refund = async (amount: number, change: { order?: string; who?: string; note?: string } = {}) => {
  const { order = '12', who = 'agent/one', note } = change;
  const grant = (await calls.grant('lookup', { who })).id;
  const given = { order, amount, ...(note === undefined ? {} : { note }) };
  return calls.question({ tool: 'refund', context: { arguments: given, grant } });
};
type Asked = Awaited<ReturnType<typeof refund>>;
const under = (question: Asked, more: object) => ({
  ...question,
  context: { ...(question['context'] as object), ...more },
});

/** What a denial offers; members of an answer are JSON. */
const offerOf = (context: Readonly<Record<string, unknown>>) => context['access_request'] as Offer;

async function denied(question: Asked, as?: string): Promise<Offer> {
  const { decision, context } = await calls.evaluate(question, as === undefined ? {} : { as });
  expect(decision).toBe(false);
  return offerOf(context);
}
const submit = (question: object, offer: Partial<Offer>, as = 'agent/one'): Promise<Answer> =>
  calls.post('/access/v1/requests', { ...question, denial: offer }, { as });
const poll = (task: string, as = 'agent/one', wait = 0) =>
  calls.ask('GET', `/access/v1/requests/${task}?wait=${wait}`, { as: calls.people.workload(as) });
const taskOf = ({ body }: Answer) => body['task'] as { id: string; status: string; status_endpoint: string };
const answer = (id: string, word: 'approve' | 'deny' = 'approve', subject = 'ada') =>
  calls.ask('POST', `/v1/approvals/${id}/${word}`, {
    as: calls.people.operator('approver', subject),
    json: { reason: 'seen' },
  });

async function approved(question: Asked): Promise<string> {
  const { id } = taskOf(await submit(question, await denied(question)));
  await answer(id);
  return id;
}

test('denied, asked, approved, asked again, once', async () => {
  const question = await refund(900, { note: 'card 4711' });
  const first = await calls.evaluate(question);
  expect(first).toMatchObject({
    decision: false,
    context: {
      reason: 'approval_required',
      access_request: { endpoint: 'https://writ.test/access/v1/requests', binding_token: expect.any(String) },
    },
  });
  const offer = offerOf(first.context);
  const submitted = await submit(question, offer);
  expect(submitted.status).toBe(202);
  const { id, status, status_endpoint } = taskOf(submitted);
  expect([status, status_endpoint, submitted.headers.location]).toEqual([
    'pending',
    `https://writ.test/access/v1/requests/${id}`,
    `https://writ.test/access/v1/requests/${id}`,
  ]);

  const seen = await calls.ask('GET', `/v1/approvals/${id}`, { as: calls.people.operator('approver') });
  expect(seen.body).toMatchObject({
    kind: 'call',
    resource: 'refund',
    decision: first.context['id'],
    requester: { id: 'spiffe://test.example/agent/one' },
    asked: { tool: 'refund', arguments: { order: '12', amount: 900 } },
  });
  expect(seen.text).not.toContain('4711');

  const waiting = poll(id, 'agent/one', 30);
  await until(async () => (await calls.ask('GET', '/metrics')).text.includes('\nwrit_long_polls 1\n'));
  expect((await calls.evaluate(under(question, { approval: id }))).decision).toBe(false);
  await answer(id);
  const { body } = await waiting;
  expect(body).toMatchObject({
    task: { id, status: 'approved' },
    result: {
      mode: 'reevaluate',
      approval: { id, approved_at: expect.any(String), approved_until: expect.any(String) },
    },
  });
  // without it, an approval is none
  expect((await calls.evaluate(question)).decision).toBe(false);
  const { approval } = body['result'] as { approval: object };
  expect((await calls.evaluate(under(question, { approval }))).decision).toBe(true);
  expect(reasonOf(await calls.evaluate(under(question, { approval })))).toMatchObject({ reason: 'approval_required' });
});

test('an approval is used once, also by a large batch that is recorded in two commits', async () => {
  const question = await refund(900);
  const approval = await approved(question);
  const evaluations = Array.from({ length: 40 }, () => under(question, { approval }));
  const answers = await calls.evaluateAll({ evaluations });
  expect(answers.map(({ decision }) => decision)).toEqual(answers.map((_, n) => n === 0));
  expect(answers.slice(1).map(({ context }) => context['reason'])).toEqual(Array(39).fill('approval_required'));
});

describe('an approval is for exactly what was asked', () => {
  test.each<{ name: string; change: object }>([
    { name: 'a cent more', change: { amount: 900.01 } },
    { name: 'a unit more', change: { amount: 901 } },
    { name: 'less', change: { amount: 899 } },
    { name: 'another order', change: { order: '13' } },
    { name: 'a note beside it', change: { note: 'x' } },
  ])('$name', async ({ change }) => {
    const question = await refund(900);
    const approval = await approved(question);
    const given = (question['context'] as { arguments: object }).arguments;
    const other = under(question, { approval, arguments: { ...given, ...change } });
    expect((await calls.evaluate(other as Asked)).decision).toBe(false);
    expect((await calls.evaluate(under(question, { approval }))).decision).toBe(true);
  });

  test('also in what nobody is shown', async () => {
    const question = await refund(900, { note: 'one' });
    const approval = await approved(question);
    const given = (question['context'] as { arguments: object }).arguments;
    const other = under(question, { approval, arguments: { ...given, note: 'two' } });
    expect((await calls.evaluate(other)).decision).toBe(false);
    expect((await calls.evaluate(under(question, { approval }))).decision).toBe(true);
  });

  test('under that grant', async () => {
    const question = await refund(900);
    const approval = await approved(question);
    const { id: grant } = await calls.grant();
    expect((await calls.evaluate(under(question, { approval, grant }))).decision).toBe(false);
  });

  test('of that workload', async () => {
    const approval = await approved(await refund(900));
    const others = await refund(900, { who: 'agent/two' });
    expect((await calls.evaluate(under(others, { approval }), { as: 'agent/two' })).decision).toBe(false);
  });

  test('of that tool, as its file reads', async () => {
    const apply = (rules: RuleFiles) =>
      calls.ask('POST', '/v1/generations', { as: calls.people.operator('platform'), json: { files: rules } });
    const question = await refund(900);
    const approval = await approved(question);
    const file = 'tools/refund.yaml';
    await apply(callRules({ [file]: String(callRules()[file]).replace('max: 50000', 'max: 50001') }));
    expect(reasonOf(await calls.evaluate(under(question, { approval })))).toMatchObject({
      reason: 'approval_required',
    });
    await apply(callRules());
    expect((await calls.evaluate(under(question, { approval }))).decision).toBe(true);
  });

  test('many at once: one is let through', async () => {
    const question = await refund(900);
    const approval = await approved(question);
    const all = await Promise.all(Array.from({ length: 8 }, () => calls.evaluate(under(question, { approval }))));
    expect(all.filter(({ decision }) => decision)).toHaveLength(1);
  });

  test('denied, it is of no use, and the workload hears why', async () => {
    const question = await refund(900);
    const { id } = taskOf(await submit(question, await denied(question)));
    await answer(id, 'deny');
    expect((await poll(id)).body).toMatchObject({ task: { status: 'denied' }, reason: 'seen' });
    expect((await poll(id)).body).not.toHaveProperty('result');
    expect((await calls.evaluate(under(question, { approval: id }))).decision).toBe(false);
  });

  test('after its time it is of no use', async () => {
    const question = await refund(900);
    const approval = await approved(question);
    await calls.rows(`update approvals set expires_at = now() - interval '1 second' where id = $1`, approval);
    expect((await calls.evaluate(under(question, { approval }))).decision).toBe(false);
  });
});

describe('what binds a request to its denial', () => {
  test('asked about the same denial again, it is the same request', async () => {
    const question = await refund(900);
    const offer = await denied(question);
    const all = await Promise.all([1, 2, 3].map(() => submit(question, offer)));
    expect(new Set(all.map((one) => taskOf(one).id)).size).toBe(1);
    const another = await denied(question);
    expect(taskOf(await submit(question, another)).id).not.toBe(taskOf(all[0] ?? (await submit(question, offer))).id);
  });

  const forged = makeTestKey('forger');
  const payloadOf = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;
  test.each<{ name: string; token: (offer: Offer, other: Offer) => Promise<string> | string }>([
    { name: 'none', token: () => 'x' },
    { name: 'another denial’s', token: (_offer, other) => other.binding_token },
    { name: 'one that was cut', token: ({ binding_token }) => binding_token.slice(0, -2) },
    {
      name: 'somebody else’s signature',
      token: ({ binding_token }) =>
        signCompact(
          forged,
          JSON.stringify({ alg: 'ES256', typ: 'denial+jwt', kid: 'forger' }),
          JSON.stringify(payloadOf(binding_token)),
        ),
    },
    {
      name: 'the payload changed',
      token: ({ binding_token }) => {
        const [head, , sign] = binding_token.split('.');
        const payload = { ...payloadOf(binding_token), needs: [] };
        return [head, Buffer.from(JSON.stringify(payload)).toString('base64url'), sign].join('.');
      },
    },
    {
      name: 'an access token of ours',
      token: async () => {
        const { body } = await calls.post('/v1/grants', { profile: 'lookup', purpose: 'x' });
        return (body['credential'] as { token: string }).token;
      },
    },
  ])('$name is refused', async ({ token }) => {
    const question = await refund(900);
    const [offer, other] = [await denied(question), await denied(await refund(950))];
    const refused = await submit(question, { ...offer, binding_token: await token(offer, other) });
    expect([refused.status, refused.code, refused.body['type']]).toEqual([
      400,
      'invalid_denial_binding',
      'urn:openid:authzen:access-request:error:invalid_denial_binding',
    ]);
  });

  test('it passes as no access token either', async () => {
    const { binding_token } = await denied(await refund(900));
    const asked = await calls.ask('POST', '/oauth/introspect', {
      as: calls.people.workload('gateway'),
      form: { token: binding_token },
    });
    expect(asked.body).toEqual({ active: false });
    const used = await calls.ask('POST', '/v1/grants', {
      as: binding_token,
      json: { profile: 'lookup', purpose: 'x' },
    });
    expect(used.status).toBe(401);
  });

  test.each<{ name: string; change: (question: Asked) => Promise<object> | object }>([
    { name: 'another amount', change: (question) => under(question, { arguments: { order: '12', amount: 901 } }) },
    { name: 'another tool', change: () => calls.question({ tool: 'search' }) },
    { name: 'another grant', change: async (question) => under(question, { grant: (await calls.grant()).id }) },
    { name: 'a tool that there is not', change: () => calls.question({ tool: 'nothing' }) },
    {
      name: 'somebody else as the subject',
      change: (question) => ({
        ...question,
        subject: { type: 'workload', id: 'spiffe://test.example/agent/two', properties: { trust: 'mesh' } },
      }),
    },
  ])('$name is not what was denied', async ({ change }) => {
    const question = await refund(900);
    const offer = await denied(question);
    expect((await submit(await change(question), offer)).code).toBe('invalid_denial_binding');
  });

  test('another workload cannot ask about it, nor see how it stands', async () => {
    const question = await refund(900);
    const offer = await denied(question);
    expect((await submit(question, offer, 'agent/two')).code).toBe('invalid_denial_binding');
    const { id } = taskOf(await submit(question, offer));
    expect((await poll(id, 'agent/two')).code).toBe('not_found');
    expect((await calls.ask('GET', `/access/v1/requests/${id}`, { as: calls.people.operator('security') })).code).toBe(
      'not_a_workload',
    );
  });

  test('a denial that nobody could change has no offer', async () => {
    const question = calls.question({ tool: 'cancel', context: { arguments: { orders: ['1', '2', '3', '4'] } } });
    expect((await calls.evaluate(question)).context).not.toHaveProperty('access_request');
  });

  test('a grant that has ended meanwhile is not worth anybody’s time', async () => {
    const question = await refund(900);
    const offer = await denied(question);
    const { grant } = question['context'] as { grant: string };
    await calls.post(`/v1/grants/${grant}/revoke`, { reason: 'done' });
    expect((await submit(question, offer)).body).toMatchObject({
      code: 'invalid_denial_binding',
      reason: 'grant_not_active',
    });
  });
});

describe('a registered enforcement point asks for another', () => {
  const subject = { type: 'workload', id: 'spiffe://test.example/agent/one', properties: { trust: 'mesh' } };
  test('and both see how it stands; the person sees who asked', async () => {
    const question = { ...(await refund(900)), subject } as Asked;
    const offer = await denied(question, 'evaluator');
    const submitted = await submit(question, offer, 'evaluator');
    const { id } = taskOf(submitted);
    for (const who of ['evaluator', 'agent/one']) expect((await poll(id, who)).status).toBe(200);
    expect((await poll(id, 'gateway')).code).toBe('not_found');
    const seen = await calls.ask('GET', `/v1/approvals/${id}`, { as: calls.people.operator('approver') });
    expect(seen.body).toMatchObject({
      requester: { id: 'spiffe://test.example/agent/one' },
      asked: { asked_by: { trust: 'mesh', id: 'spiffe://test.example/evaluator' } },
    });
    await answer(id);
    expect((await calls.evaluate(under(question, { approval: id }) as Asked, { as: 'evaluator' })).decision).toBe(true);
  });
});

test('every fault of a request at once', async () => {
  const faults = async (json: unknown) => {
    const { body } = await calls.post('/access/v1/requests', json);
    return (body['errors'] as { path: string }[]).map(({ path }) => path).sort();
  };
  expect(await faults({})).toEqual(['action', 'denial', 'resource']);
  expect(await faults({ ...(await refund(900)), denial: {} })).toEqual(['denial.binding_token']);
  expect(await faults({ ...(await refund(900)), denial: { binding_token: 'x'.repeat(20_000) } })).toEqual([
    'denial.binding_token',
  ]);
  expect((await calls.post('/access/v1/requests', [])).status).toBe(400);
});

test('the metadata says where', async () => {
  const { body } = await calls.ask('GET', '/.well-known/authzen-configuration');
  expect(body).toMatchObject({
    access_request_endpoint: 'https://writ.test/access/v1/requests',
    capabilities: ['urn:openid:authzen:capability:access-request'],
  });
});
