import type { JsonObject } from '../../src/domain/json.ts';
import { startCalls, reasonOf } from './world.ts';
import type { Calls } from './world.ts';

/** Whom somebody may ask about. `evaluator` is registered for the tools' audience with `may: [evaluate]`, `gateway` with introspect alone. */
let world: Calls;
let grant: { id: string; task: string };
beforeAll(async () => {
  world = await startCalls();
  grant = await world.grant();
});
afterAll(() => world.close());

const ONE = 'spiffe://test.example/agent/one';
const subject = (id = ONE, trust = 'mesh', type = 'workload') => ({ subject: { type, id, properties: { trust } } });
const about = (who: JsonObject, context: JsonObject = {}, tool = 'search') => world.question({ tool, context, ...who });
const rowOf = async (id: unknown) => (await world.rows('select * from decisions where id = $1', id))[0];

describe('a workload asks about itself', () => {
  test.each([
    { name: 'without naming itself', who: {} },
    { name: 'by its id', who: { subject: { type: 'identity', id: ONE } } },
    { name: 'by its id and its trust entry', who: subject() },
  ])('$name', async ({ who }) => {
    const answer = await world.evaluate(about(who));
    expect(answer.decision).toBe(true);
    expect(await rowOf(answer.context['id'])).toMatchObject({ subject: ONE, trust: 'mesh', asked_by: null });
  });

  test.each([
    { name: 'another', who: subject('spiffe://test.example/agent/two'), reason: 'not_a_client' },
    { name: 'its own id in another trust entry', who: subject(ONE, 'brief'), reason: 'not_a_client' },
    { name: 'somebody of another sort', who: subject(ONE, 'mesh', 'user'), reason: 'unknown_subject' },
  ])('not about $name, and it is its own denial that is on record', async ({ who, reason }) => {
    const answer = await world.evaluate(about(who));
    expect(reasonOf(answer)).toEqual({ reason });
    expect(await rowOf(answer.context['id'])).toMatchObject({
      subject: ONE,
      trust: 'mesh',
      code: reason,
      asked_by: null,
    });
  });
});

describe('a registered client', () => {
  const as = 'evaluator';

  test('asks about another under its grant, as that one was attested for it', async () => {
    const answer = await world.evaluate(about(subject(), { grant: grant.id }), { as });
    expect(answer.decision).toBe(true);
    const row = await rowOf(answer.context['id']);
    expect(row).toMatchObject({
      subject: ONE,
      trust: 'mesh',
      asked_by: { trust: 'mesh', id: 'spiffe://test.example/evaluator' },
      grant_id: grant.id,
      inputs: { principal: { id: ONE, trust: 'mesh' } },
    });
    const [event] = await world.rows<{ body: string }>(
      `select body from events where body::jsonb ->> 'decision' = $1`,
      answer.context['id'],
    );
    expect(JSON.parse(event?.body ?? '{}')).toMatchObject({
      actor: { id: 'spiffe://test.example/evaluator' },
      workload: { id: ONE },
    });
  });

  test('hears of it as it was attested when it was given its grant; itself, it is who it is now', async () => {
    const { id } = await world.grant('lookup', { who: 'agent/then' });
    await world.rows('alter table decisions disable trigger user');
    await world.rows(
      `update decisions set inputs = jsonb_set(inputs, '{principal,groups}', '["suspended"]')
        where id = (select decision_id from grants where id = $1)`,
      id,
    );
    await world.rows('alter table decisions enable trigger user');
    const asked = about(subject('spiffe://test.example/agent/then'), { grant: id });
    expect(reasonOf(await world.evaluate(asked, { as }))).toEqual({ reason: 'policy_denied' });
    expect(reasonOf(await world.evaluate(asked, { as: 'agent/then' }))).toBe('allowed');
  });

  interface Row {
    readonly name: string;
    readonly ask: () => JsonObject;
    readonly reason: string;
  }
  const rows: Row[] = [
    {
      name: 'about somebody without a grant or a task: nobody has attested who that is',
      ask: () => about(subject()),
      reason: 'unknown_subject',
    },
    {
      name: 'without the trust entry',
      ask: () => about({ subject: { type: 'workload', id: ONE } }, { grant: grant.id }),
      reason: 'unknown_subject',
    },
    {
      name: 'under a grant of somebody else',
      ask: () => about(subject('spiffe://test.example/agent/two'), { grant: grant.id }),
      reason: 'grant_not_active',
    },
    {
      name: 'under a grant of the same id in another trust entry',
      ask: () => about(subject(ONE, 'brief'), { grant: grant.id }),
      reason: 'grant_not_active',
    },
    {
      name: 'about a tool of another audience',
      ask: () => about(subject(), { grant: grant.id }, 'own'),
      reason: 'not_a_client',
    },
    {
      name: 'about a tool that nobody knows',
      ask: () => about(subject(), { grant: grant.id }, 'nope'),
      reason: 'unknown_tool',
    },
  ];
  test.each(rows)('$name', async ({ ask, reason }) => {
    expect(reasonOf(await world.evaluate(ask(), { as }))).toEqual({ reason });
  });

  test('asks about many at once, each item about its own subject', async () => {
    const two = await world.grant('lookup', { who: 'agent/two' });
    const answers = await world.evaluateAll(
      {
        ...world.question(),
        evaluations: [
          { ...subject(), context: { grant: grant.id } },
          { ...subject('spiffe://test.example/agent/two'), context: { grant: two.id } },
          { ...subject('spiffe://test.example/agent/two'), context: { grant: grant.id } },
          {},
        ],
      },
      { as },
    );
    expect(answers.map(({ decision }) => decision)).toEqual([true, true, false, true]);
  });

  test.each([
    { name: 'with another right', as: 'gateway' },
    { name: 'that is none', as: 'agent/two' },
  ])('one $name may not', async ({ as: who }) => {
    expect(reasonOf(await world.evaluate(about(subject(), { grant: grant.id }), { as: who }))).toEqual({
      reason: 'not_a_client',
    });
  });

  test('is a workload itself', async () => {
    expect(await world.evaluate(world.question(), { as })).toMatchObject({ decision: true });
  });
});

describe('how a call went', () => {
  const decided = async (asked: JsonObject = world.question(), as?: string) => {
    const answer = await world.evaluate(asked, as === undefined ? {} : { as });
    return String(answer.context['id']);
  };
  const report = (id: string, json: unknown = { status: 'succeeded' }, as = 'agent/one') =>
    world.post(`/v1/tool-calls/${id}/outcome`, json, { as });

  test('is reported once by whose call it was', async () => {
    const id = await decided();
    const answer = await report(id, { status: 'failed', detail: 'timeout', at: '2026-11-23T12:00:00Z' });
    expect([answer.status, answer.body]).toEqual([
      201,
      { decision: id, status: 'failed', reported_at: expect.stringMatching(/^\d{4}-.*Z$/) },
    ]);
    const again = await report(id);
    expect([again.status, again.code]).toEqual([409, 'already_reported']);
    const auditor = world.people.operator('auditor');
    expect((await world.ask('GET', `/v1/decisions/${id}`, { as: auditor })).body['call_outcome']).toEqual({
      status: 'failed',
      detail: 'timeout',
      at: '2026-11-23T12:00:00.000Z',
      reported_at: answer.body['reported_at'],
      reported_by: { trust: 'mesh', id: ONE },
    });
  });

  test('at a time that has come, give or take a clock; one that lies ahead is refused, and can be reported without it', async () => {
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    const id = await decided();
    const early = await report(id, { status: 'succeeded', at: at(60_000) });
    expect([early.status, early.code, early.body['errors']]).toEqual([
      400,
      'invalid_request',
      [{ path: 'at', problem: 'must not lie more than 5 seconds ahead' }],
    ]);
    expect((await report(id)).status).toBe(201);
    expect((await report(await decided(), { status: 'succeeded', at: at(3_000) })).status).toBe(201);
    // nor does it tell anybody else that there is such a call
    expect((await report(id, { status: 'succeeded', at: at(60_000) }, 'agent/two')).code).toBe('not_found');
  });

  test('or by an enforcement point of the tool, whoever asked', async () => {
    const asked = await decided(about(subject(), { grant: grant.id }), 'evaluator');
    expect((await report(asked, { status: 'not_attempted' }, 'evaluator')).status).toBe(201);
    const own = await decided();
    expect((await report(own, { status: 'succeeded' }, 'evaluator')).status).toBe(201);
  });

  test('by nobody else, to whom there is no such decision', async () => {
    const id = await decided();
    const issued =
      (await world.rows<{ id: string }>(`select id from decisions where action = 'issue' limit 1`))[0]?.id ?? '';
    for (const [of, as] of [
      [id, 'agent/two'],
      [id, 'gateway'],
      [issued, 'agent/one'],
      ['d000000000000000000000', 'agent/one'],
      ['x', 'agent/one'],
    ] as const) {
      const answer = await report(of, { status: 'succeeded' }, as);
      expect([answer.status, answer.code]).toEqual([404, 'not_found']);
    }
    const own = await decided(world.question({ tool: 'own' }));
    expect((await report(own, { status: 'succeeded' }, 'evaluator')).status).toBe(404); // not its audience
  });

  test('also of a call that was denied: that it was made all the same is worth knowing', async () => {
    const id = await decided(world.question({ tool: 'mcp.forbidden' }));
    expect((await report(id)).status).toBe(201);
    const [event] = await world.rows<{ body: string }>(
      `select body from events where type = 'call.reported' and body::jsonb ->> 'decision' = $1`,
      id,
    );
    expect(JSON.parse(event?.body ?? '{}')).toMatchObject({ facts: { status: 'succeeded', decided: 'deny' } });
  });

  test.each([
    { name: 'no status', json: {}, path: 'status' },
    { name: 'another status', json: { status: 'maybe' }, path: 'status' },
    { name: 'a sentence instead of a code', json: { status: 'failed', detail: 'it did not work' }, path: 'detail' },
    { name: 'a time that is none', json: { status: 'failed', at: 'now' }, path: 'at' },
    { name: 'a member that nobody knows', json: { status: 'failed', why: 'x' }, path: 'why' },
  ])('$name: 400', async ({ json, path }) => {
    const answer = await report(await decided(), json);
    expect([answer.status, (answer.body['errors'] as { path: string }[]).map((error) => error.path)]).toEqual([
      400,
      [path],
    ]);
  });
});
