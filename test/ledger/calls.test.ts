import type { ApprovalId, GrantId, TaskId } from '../../src/domain/ids.ts';
import type { CallRecord } from '../../src/ledger/index.ts';
import type { Selector } from '../../src/domain/selector.ts';
import { callRecord as call, HASH, recordCalls } from './calling.ts';
import { ids, makeWorld, OPERATOR, SHAPE } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** What the rules allowed is held against the live state in the transaction that records it. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

const under = ({ grant, task }: OpenedGrant): Partial<CallRecord> => ({ grant, task: onTask(task) });
const onTask = (id: TaskId, budgeted = false, root = id) => ({ id, root, budgeted });

const record = (calls: readonly CallRecord[], untilDeny = false) => recordCalls(world, calls, untilDeny);

const rowOf = async ({ id }: Pick<CallRecord, 'id'>) =>
  (await world.sql('select * from decisions where id = $1', [id]))[0];
const eventsOf = async ({ id }: Pick<CallRecord, 'id'>) =>
  (
    await world.sql<{ type: string; body: string; task_id: string | null; grant_id: string | null }>(
      `select type, body, task_id, grant_id from events where body::jsonb ->> 'decision' = $1 order by seq`,
      [id],
    )
  ).map(({ body, ...row }) => ({ ...row, text: body, body: JSON.parse(body) as Record<string, unknown> }));

describe('the record', () => {
  test('a call with everything that it may have', async () => {
    const live = await world.live({ onBehalfOf: 'user:ada' });
    const one = call({
      ...under(live),
      askedBy: { trust: 'mesh', id: 'gate"way' },
      onBehalfOf: 'user:ada',
      arguments: '{"amount":9.5,"note":"[redacted]"}',
    });
    expect(await record([one])).toEqual([null]);
    expect(await rowOf(one)).toMatchObject({
      action: 'call',
      trust: SHAPE.trust,
      subject: SHAPE.subject,
      resource: 'refund',
      outcome: 'allow',
      code: null,
      policies: ['agents-call'],
      controls: ['TEST:1'],
      inputs: { action: 'call' },
      task_id: live.task,
      grant_id: live.grant,
      mode: 'autonomous',
      on_behalf_of: 'user:ada',
      arguments_hash: HASH,
      arguments: { amount: 9.5, note: '[redacted]' },
      asked_by: { trust: 'mesh', id: 'gate"way' },
      origin: '192.0.2.1',
    });
    const [event, ...others] = await eventsOf(one);
    expect(others).toEqual([]);
    expect(event).toMatchObject({ type: 'call.decided', task_id: live.task, grant_id: live.grant });
    expect(event?.body).toEqual({
      type: 'call.decided',
      at: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/),
      seq: expect.any(Number),
      actor: { kind: 'workload', trust: 'mesh', id: 'gate"way' },
      workload: { trust: SHAPE.trust, id: SHAPE.subject },
      principal: 'user:ada',
      decision: one.id,
      grant: live.grant,
      task: live.task,
      resource: 'refund',
      origin: '192.0.2.1',
      success: true,
      facts: {
        arguments: { amount: 9.5, note: '[redacted]' },
        arguments_hash: HASH,
        controls: ['TEST:1'],
        errors: [],
        generation: world.generation(),
        inputs_hash: one.inputsHash,
        mode: 'autonomous',
        outcome: 'allow',
        policies: ['agents-call'],
        rules_hash: 'a'.repeat(64),
      },
    });
  });

  test.each<{ name: string; change: Partial<CallRecord> }>([
    { name: 'plain', change: {} },
    { name: 'with whatever text', change: { resource: 'a "tool"\n', subject: 'é\u{1F600}\\', onBehalfOf: 'x\ty' } },
    {
      name: 'with errors',
      change: { outcome: 'deny', code: 'policy_denied', errors: [{ policy: 'p', message: 'b "quoted"' }] },
    },
    {
      name: 'with nothing',
      change: { policies: [], mode: null, argumentsHash: null, outcome: 'deny', code: 'unknown_tool' },
    },
    { name: 'with arguments', change: { arguments: '{"a":[1,null,"x"]}' } },
  ])('an event’s body is canonical text: $name', async ({ change }) => {
    const one = call(change);
    await record([one]);
    const [event] = await eventsOf(one);
    const [again] = await world.sql<{ text: string }>('select canonical($1::jsonb) as text', [event?.text]);
    expect(event?.text).toBe(again?.text);
    const [sealed] = await world.sql<{ n: number }>(
      "select count(*)::int as n from events where (body::jsonb ->> 'seq')::bigint <> seq",
    );
    expect(sealed).toEqual({ n: 0 });
  });

  test('a batch is one transaction, in its sequence', async () => {
    const calls = Array.from({ length: 5 }, () => call());
    await record(calls);
    const rows = await world.sql<{ decision: string; tx: string }>(
      `select body::jsonb ->> 'decision' as decision, tx::text from events where body::jsonb ->> 'decision' = any ($1) order by seq`,
      [calls.map(({ id }) => id)],
    );
    expect(rows.map(({ decision }) => decision)).toEqual(calls.map(({ id }) => id));
    expect(new Set(rows.map(({ tx }) => tx)).size).toBe(1);
  });

  test('under another generation than the active one nothing is recorded', async () => {
    const one = call();
    const batch = { generation: world.generation() - 1, rulesHash: 'x', origin: null, untilDeny: false, calls: [one] };
    await expect(world.ledger.calls.record(batch)).rejects.toMatchObject({ code: 'generation_behind' });
    expect(await rowOf(one)).toBeUndefined();
  });
});

describe('what the rules allowed is denied', () => {
  interface Row {
    readonly name: string;
    readonly code: string;
    arrange(): Promise<Partial<CallRecord>>;
  }
  const rows: Row[] = [
    {
      name: 'under a grant that was revoked',
      code: 'grant_not_active',
      arrange: async () => {
        const live = await world.live();
        await world.revoke(live);
        return under(live);
      },
    },
    {
      name: 'under one whose time has passed, whatever its state',
      code: 'grant_not_active',
      arrange: async () => {
        const live = await world.live();
        await world.age(live.grant, 100_000);
        return under(live);
      },
    },
    {
      name: 'under one that is still being issued',
      code: 'grant_not_active',
      arrange: async () => under(await world.open()),
    },
    {
      name: 'under another workload’s',
      code: 'grant_not_active',
      arrange: async () => ({ ...under(await world.live({ subject: 'another' })), subject: SHAPE.subject }),
    },
    {
      name: 'under one of the same id in another trust entry',
      code: 'grant_not_active',
      arrange: async () => under(await world.live({ trust: 'other' })),
    },
    {
      name: 'under none that there is',
      code: 'grant_not_active',
      arrange: async () => ({ grant: 'g000000000000' as GrantId }),
    },
    {
      name: 'on a task that has ended',
      code: 'task_ended',
      arrange: async () => {
        const task = await world.task();
        await world.endTask(task);
        return { task: onTask(task) };
      },
    },
    {
      name: 'on one whose deadline has passed',
      code: 'task_ended',
      arrange: async () => {
        const task = await world.task();
        await world.sql(`update tasks set ends_at = now() - interval '1 second' where id = $1`, [task]);
        return { task: onTask(task) };
      },
    },
    {
      name: 'on none that there is',
      code: 'task_not_found',
      arrange: async () => ({ task: onTask('t000000000000000000000' as TaskId) }),
    },
  ];
  test.each(rows)('$name', async ({ arrange, code }) => {
    const one = call(await arrange());
    expect(await record([call(), one, call()])).toEqual([null, code, null]);
    expect(await rowOf(one)).toMatchObject({ outcome: 'deny', code });
    expect((await eventsOf(one)).map(({ body }) => body)).toMatchObject([
      { success: false, facts: { outcome: 'deny', code } },
    ]);
  });

  const selectors: { name: string; selector: (live: OpenedGrant) => Selector; blocked: boolean }[] = [
    { name: 'its agent', selector: () => ({ kind: 'agent', value: SHAPE.subject }), blocked: true },
    { name: 'another agent', selector: () => ({ kind: 'agent', value: 'x' }), blocked: false },
    { name: 'its task', selector: ({ task }) => ({ kind: 'task', value: task }), blocked: true },
    { name: 'its profile', selector: () => ({ kind: 'profile', value: SHAPE.profile }), blocked: true },
    { name: 'the grant’s owner', selector: () => ({ kind: 'owner', value: SHAPE.owner }), blocked: true },
    { name: 'the tool’s owner', selector: () => ({ kind: 'owner', value: 'tool-owner' }), blocked: true },
    { name: 'another owner', selector: () => ({ kind: 'owner', value: 'x' }), blocked: false },
    {
      name: 'the tool’s environment',
      selector: () => ({ kind: 'environment', value: 'tool-environment' }),
      blocked: true,
    },
    {
      name: 'the grant’s environment',
      selector: () => ({ kind: 'environment', value: SHAPE.environment }),
      blocked: true,
    },
    { name: 'its provider', selector: () => ({ kind: 'provider', value: SHAPE.provider }), blocked: true },
    { name: 'everything', selector: () => ({ kind: 'all', value: '*' }), blocked: true },
  ];
  test.each(selectors)('under an order over $name: $blocked', async ({ selector, blocked }) => {
    const live = await world.live();
    const order = await world.order(selector(live));
    const one = call(under(live));
    const batch = { generation: world.generation(), rulesHash: 'x', origin: null, untilDeny: false, calls: [one] };
    const [answer] = await world.ledger.calls.record(batch);
    expect(answer).toEqual(blocked ? { code: 'under_order', order } : { code: null, order: null });
  });

  test('under an order that does not block, from its commit on and before its sweep', async () => {
    const live = await world.live();
    await world.order({ kind: 'profile', value: SHAPE.profile }, false);
    const later = call(); // nothing of its own is revoked
    expect(await record([call(under(live)), later])).toEqual(['grant_not_active', null]);
  });

  test('a denial by the rules stays what it was; a wait for approval gives way to what is not live', async () => {
    const live = await world.live();
    await world.revoke(live);
    const denied = call({ ...under(live), outcome: 'deny', code: 'policy_denied' });
    const waiting = call({ ...under(live), outcome: 'approval', code: 'approval_required' });
    expect(await record([denied, waiting, call({ outcome: 'approval', code: 'approval_required' })])).toEqual([
      'policy_denied',
      'grant_not_active',
      'approval_required',
    ]);
    expect(await rowOf(waiting)).toMatchObject({ outcome: 'deny' });
  });
});

describe('budgets', () => {
  const used = async (task: TaskId) =>
    (await world.sql<{ n: number }>('select calls_used as n from tasks where id = $1', [task]))[0]?.n;

  test('are spent by what is allowed and by nothing else, within a batch and across many', async () => {
    const task = await world.task({ max_calls: 4 });
    const on = { task: onTask(task, true) };
    const denied = call({ ...on, outcome: 'deny', code: 'policy_denied' });
    const waits = call({ ...on, outcome: 'approval', code: 'approval_required' });
    const codes = await record(
      [denied, waits, ...Array.from({ length: 3 }, () => call(on)), denied, call(on), call(on)].map((one) => ({
        ...one,
        id: ids.decision(),
      })),
    );
    expect(codes).toEqual([
      'policy_denied',
      'approval_required',
      null,
      null,
      null,
      'policy_denied',
      null,
      'task_budget_spent',
    ]);
    expect(await used(task)).toBe(4);
  });

  test('of a task above count for all below it, however many ask at once', async () => {
    const root = await world.task({ max_calls: 5 });
    const child = await world.task({ parent: root }, { subject: 'two' });
    const on = { task: onTask(child, true, root), subject: 'two' };
    const batches = await Promise.all(Array.from({ length: 6 }, () => record([call(on), call(on)])));
    expect(batches.flat().filter((code) => code === null)).toHaveLength(5);
    expect(await used(root)).toBe(5);
  });

  test('of two trees in opposite sequences do not wait for each other for ever', async () => {
    const [one, two] = [await world.task({ max_calls: 1_000 }), await world.task({ max_calls: 1_000 })];
    const [a, b] = [{ task: onTask(one, true) }, { task: onTask(two, true) }];
    const batches = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? [call(a), call(b)] : [call(b), call(a)]));
    const codes = await Promise.all(batches.map((calls) => record(calls)));
    expect(new Set(codes.flat())).toEqual(new Set([null]));
    expect([await used(one), await used(two)]).toEqual([20, 20]);
  });
});

describe('approvals', () => {
  async function approval(change: Record<string, unknown> = {}): Promise<{ id: ApprovalId; askedHash: string }> {
    const asked = call({ outcome: 'approval', code: 'approval_required' });
    await record([asked]);
    const row = {
      id: ids.approval(),
      asked_hash: 'h1',
      state: 'approved',
      kind: 'call',
      trust: SHAPE.trust,
      subject: SHAPE.subject,
      ends: '1 hour',
      ...change,
    };
    await world.sql(
      `insert into approvals (id, kind, decision_id, asked_hash, asked, state, needs, created_at, expires_at, trust, subject)
       values ($1, $2, $3, $4, '{}', $5, '{"role": "approver", "count": 1}', now(), now() + $6::interval, $7, $8)`,
      [row.id, row.kind, asked.id, row.asked_hash, row.state, row.ends, row.trust, row.subject],
    );
    return { id: row.id, askedHash: 'h1' };
  }
  const stateOf = async ({ id }: { id: string }) =>
    (await world.sql<{ state: string }>('select state from approvals where id = $1', [id]))[0]?.state;

  test('is used up by the call that it was given for, in the same transaction', async () => {
    const given = await approval();
    const one = call({ approval: given });
    expect(await record([one])).toEqual([null]);
    expect(await stateOf(given)).toBe('consumed');
    expect((await eventsOf(one)).map(({ type, body }) => [type, body['success']])).toEqual([
      ['call.decided', true],
      ['approval.consumed', true],
    ]);
    expect((await eventsOf(one))[1]?.body['facts']).toEqual({ approval: given.id, asked_hash: 'h1' });
    expect(await record([call({ approval: given })])).toEqual(['approval_required']);
  });

  test('once, however many present it at once', async () => {
    const given = await approval();
    const codes = await Promise.all(
      Array.from({ length: 8 }, () => record([call({ approval: given }), call({ approval: given })])),
    );
    expect(codes.flat().filter((code) => code === null)).toHaveLength(1);
  });

  test.each<{ name: string; change: Record<string, unknown> }>([
    { name: 'pending', change: { state: 'pending' } },
    { name: 'denied', change: { state: 'denied' } },
    { name: 'past its end', change: { ends: '-1 second' } },
    { name: 'of something else', change: { asked_hash: 'h2' } },
    { name: 'of another workload', change: { subject: 'another' } },
    { name: 'of another trust entry', change: { trust: 'other' } },
  ])('$name: does not count, and is not used up', async ({ change }) => {
    const given = await approval(change);
    const before = await stateOf(given);
    expect(await record([call({ approval: given })])).toEqual(['approval_required']);
    expect(await stateOf(given)).toBe(before);
  });

  test('is not used up by a call that is denied for something else', async () => {
    const given = await approval();
    const task = await world.task({ max_calls: 1 });
    await record([call({ task: onTask(task, true) })]);
    expect(await record([call({ task: onTask(task, true), approval: given })])).toEqual(['task_budget_spent']);
    const live = await world.live();
    await world.revoke(live);
    expect(await record([call({ ...under(live), approval: given })])).toEqual(['grant_not_active']);
    expect(await stateOf(given)).toBe('approved');
  });

  test('a budget is not spent for a call whose approval does not count', async () => {
    const task = await world.task({ max_calls: 1 });
    const given = await approval({ state: 'denied' });
    expect(await record([call({ task: onTask(task, true), approval: given })])).toEqual(['approval_required']);
    expect(await record([call({ task: onTask(task, true) })])).toEqual([null]);
  });
});

describe('until the first that is not allowed', () => {
  test('what comes after it is neither recorded nor spent', async () => {
    const task = await world.task({ max_calls: 10 });
    const on = { task: onTask(task, true) };
    const calls = [call(on), call(on), call({ outcome: 'deny', code: 'policy_denied' }), call(on)];
    expect(await record(calls, true)).toEqual([null, null, 'policy_denied']);
    expect(await rowOf(calls[3] ?? call())).toBeUndefined();
    expect((await world.sql('select calls_used from tasks where id = $1', [task]))[0]).toEqual({ calls_used: 2 });
  });

  test('also where only the ledger knows that it is denied', async () => {
    const task = await world.task({ max_calls: 2 });
    const on = { task: onTask(task, true) };
    expect(await record([call(on), call(on), call(on), call(on)], true)).toEqual([null, null, 'task_budget_spent']);
    const live = await world.live();
    await world.revoke(live);
    expect(await record([call(), call(under(live)), call()], true)).toEqual([null, 'grant_not_active']);
  });

  test('or all, where all are allowed', async () => {
    expect(await record([call(), call()], true)).toEqual([null, null]);
  });
});

describe('how a call went', () => {
  const report = (decision: CallRecord['id'], change: object = {}) =>
    world.ledger.calls.reportOutcome({
      decision,
      status: 'succeeded',
      detail: null,
      happened_at: '2026-11-23T12:00:00.000Z',
      actor: { kind: 'workload', trust: 'mesh', id: 'gateway' },
      origin: '192.0.2.1',
      ...change,
    });

  test('is on record once', async () => {
    const one = call();
    await record([one]);
    await report(one.id, { status: 'failed', detail: 'timeout' });
    expect(await world.ledger.calls.findDecision(one.id)).toMatchObject({
      callOutcome: {
        status: 'failed',
        detail: 'timeout',
        trust: 'mesh',
        subject: 'gateway',
        happenedAt: new Date('2026-11-23T12:00:00Z'),
      },
    });
    expect((await eventsOf(one)).at(-1)?.body).toMatchObject({
      type: 'call.reported',
      success: false,
      actor: { id: 'gateway' },
      workload: { id: SHAPE.subject },
      facts: { status: 'failed', detail: 'timeout', decided: 'allow', happened_at: '2026-11-23T12:00:00.000000Z' },
    });
    await expect(report(one.id)).rejects.toMatchObject({ code: 'already_reported' });
  });

  test('of nothing, and of what was no call, it is not', async () => {
    await expect(report(ids.decision())).rejects.toMatchObject({ code: 'not_found' });
    const { grant } = await world.live();
    const decision = (await world.ledger.grants.find(grant))?.decisionId;
    await expect(report(decision as CallRecord['id'])).rejects.toMatchObject({ code: 'not_found' });
  });

  test('nobody changes it, and the broker cannot', async () => {
    const one = call();
    await record([one]);
    await report(one.id);
    await expect(
      world.sql(`update call_outcomes set status = 'failed' where decision_id = $1`, [one.id]),
    ).rejects.toThrow();
    await expect(world.sql('delete from call_outcomes where decision_id = $1', [one.id])).rejects.toThrow();
  });
});

test('what decisions rest on, in one reading', async () => {
  const task = await world.task({
    max_calls: 3,
    tools: ['refund'],
    parameters: { month: ['2026-11'] },
    on_behalf_of: 'user:ada',
  });
  const live = await world.live({ task });
  const gone = await world.live();
  await world.revoke(gone);
  const facts = await world.ledger.calls.facts([live.grant, gone.grant, 'g000000000000' as GrantId], [], []);
  expect([...facts.grants.keys()].sort()).toEqual([live.grant, gone.grant].sort());
  expect(facts.grants.get(live.grant)).toMatchObject({
    active: true,
    task,
    profile: SHAPE.profile,
    parameters: {},
    subject: SHAPE.subject,
  });
  expect(facts.grants.get(gone.grant)).toMatchObject({ active: false });
  expect(facts.tasks.get(task)).toEqual({
    trust: SHAPE.trust,
    subject: SHAPE.subject,
    open: true,
    budgeted: true,
    attested: undefined,
    principal: null,
    task: expect.objectContaining({
      id: task,
      path: [task],
      onBehalfOf: 'user:ada',
      implicit: false,
      bounds: { tools: ['refund'], parameters: { month: ['2026-11'] } },
    }),
  });
  expect(facts.tasks.get(gone.task)).toMatchObject({ budgeted: false, task: { implicit: true } });

  // below a budget there is one, whatever is said of its own; who is verified stays so, and is known again as a person
  const verified = { trust: 'corp', groups: ['books'], issuer: 'https://sso.test', subject: 'ada' };
  const handedOn = { parent: task, on_behalf_of: 'user:ada', principal: { id: 'user:ada', ...verified } };
  const below = await world.task(handedOn, { subject: 'two' });
  const { tasks } = await world.ledger.calls.facts([], [below], []);
  expect(tasks.get(below)).toMatchObject({ budgeted: true, subject: 'two', task: { verified, path: [task, below] } });
});

test('a revocation waits for no decision, and a decision after it sees it', async () => {
  const live = await world.live();
  const racing = Array.from({ length: 10 }, () => record([call(under(live)), call(under(live))]));
  await world.ledger.issuing.endGrant({
    grant: live.grant,
    why: 'revocation',
    reason: 'x',
    actor: OPERATOR,
    origin: null,
  });
  expect(await record([call(under(live))])).toEqual(['grant_not_active']);
  await Promise.all(racing);
});
