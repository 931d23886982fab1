import type { JsonObject } from '../../src/domain/json.ts';
import { startCallsOnTasks } from './on-task.ts';
import type { CallsOnTasks } from './on-task.ts';
import { reasonOf } from './world.ts';
import type { Decision } from './world.ts';

/** A call that comes with a task token is decided in that task: its mode, purpose, environment, bounds and budget, and nobody else's. */
let calls: CallsOnTasks;
beforeAll(async () => {
  calls = await startCallsOnTasks();
});
afterAll(() => calls.close());

interface On {
  readonly token: string;
  readonly as?: string;
  readonly context?: JsonObject;
}
const evaluate = (tool: string, given: JsonObject, { token, as = 'agent/one', context = {} }: On) =>
  calls.evaluate(calls.question({ tool, context: { arguments: given, ...context } }), {
    as,
    headers: { 'Txn-Token': token },
  });
const search = (on: On) => evaluate('search', { text: 'x' }, on);
const cancel = (on: On, count = 1) =>
  evaluate('cancel', { orders: Array.from({ length: count }, (_, n) => String(n)) }, on);
const rowOf = async ({ context }: Decision) =>
  (await calls.rows('select * from decisions where id = $1', context['id']))[0];
const countOf = async (sql: string, ...values: unknown[]) =>
  (await calls.rows<{ n: number }>(`select count(*)::int as n from ${sql}`, ...values))[0]?.n;
/** The denial put before a person, and approved. */
async function approve(question: JsonObject, denied: Decision, token: string, as = 'agent/one'): Promise<string> {
  const binding = denied.context['access_request'] as { binding_token: string };
  const submitted = await calls.post(
    '/access/v1/requests',
    { ...question, denial: { binding_token: binding.binding_token } },
    { as, headers: { 'Txn-Token': token } },
  );
  expect([submitted.status, submitted.code]).toEqual([202, undefined]);
  const { id } = submitted.body['task'] as { id: string };
  const approver = calls.people.operator('approver', 'ada');
  const answered = await calls.ask('POST', `/v1/approvals/${id}/approve`, { as: approver, json: { reason: 'seen' } });
  expect(answered.body['state']).toBe('approved');
  return id;
}

test('the task is on the decision: purpose, mode, environments, on whose behalf, and hop', async () => {
  const root = await calls.task({
    purpose: 'audit November',
    environments: ['test', 'production'],
    on_behalf_of: { token: calls.person('ada') },
  });
  const part = await calls.handOn(root.token, { purpose: 'the second half', mode: 'supervised' });
  const answer = await search({ token: part.token, as: 'agent/two' });
  expect(answer.decision).toBe(true);
  expect(await rowOf(answer)).toMatchObject({
    task_id: part.id,
    mode: 'supervised',
    on_behalf_of: 'user:ada',
    inputs: {
      context: {
        task: {
          purpose: 'audit November > the second half',
          mode: 'supervised',
          environment: 'test',
          environments: ['test', 'production'],
          implicit: false,
          hop: 1,
        },
        onBehalfOf: 'user:ada',
        onBehalfOfVerified: { trust: 'corp' },
        delegation: {
          from: { id: 'spiffe://test.example/agent/one' },
          root: { id: 'spiffe://test.example/agent/one' },
        },
      },
    },
  });
});

test('policies go by the purpose and the environments of the token’s task, and of no other', async () => {
  const audit = await calls.task({ purpose: 'audit the books' });
  const other = await calls.task({ purpose: 'answer mail' });
  const wide = await calls.task({ purpose: 'audit all', environments: ['test', 'production'] });
  expect((await evaluate('ledger', {}, audit)).decision).toBe(true);
  for (const { token } of [other, wide])
    expect(reasonOf(await evaluate('ledger', {}, { token }))).toEqual({ reason: 'policy_denied' });
  // what a question says of a purpose is not looked at
  const lying = await evaluate('ledger', {}, { token: other.token, context: { purpose: 'audit the books' } });
  expect(lying.decision).toBe(false);
  // without a task there is no purpose
  expect((await calls.evaluate(calls.question({ tool: 'ledger' }))).decision).toBe(false);
});

test('the environment of the tool is one that the task reaches', async () => {
  const narrow = await calls.task();
  const wide = await calls.task({ environments: ['test', 'production'] });
  expect(reasonOf(await evaluate('far', {}, narrow))).toEqual({ reason: 'outside_task', outside: ['environment'] });
  expect((await evaluate('far', {}, wide)).decision).toBe(true);
  const part = await calls.handOn(wide.token, { environment: 'test' });
  expect(reasonOf(await evaluate('far', {}, { ...part, as: 'agent/two' }))).toEqual({
    reason: 'outside_task',
    outside: ['environment'],
  });
});

test('its tools and parameters', async () => {
  const bound = await calls.task({ tools: ['search'], parameters: { limit: ['5'] } });
  const at = (limit: number) => evaluate('search', { text: 'x', limit }, bound);
  expect((await at(5)).decision).toBe(true);
  expect(reasonOf(await at(6))).toEqual({ reason: 'outside_task', outside: ['parameters.limit'] });
  expect(reasonOf(await evaluate('ledger', {}, bound))).toEqual({
    reason: 'outside_task',
    outside: ['tool', 'parameters.limit'],
  });
});

describe('max_calls', () => {
  test('is spent by what is allowed, its own and that of all below together, in batches too', async () => {
    const root = await calls.task({ max_calls: 5 });
    const part = await calls.handOn(root.token, { max_calls: 4 });
    const below = { token: part.token, as: 'agent/two' };
    expect((await search(root)).decision).toBe(true);
    expect(reasonOf(await evaluate('mcp.forbidden', {}, root))).toEqual({ reason: 'policy_denied' });
    const many = await calls.evaluateAll(
      { ...calls.question(), evaluations: [{}, {}, {}] },
      { as: 'agent/two', headers: { 'Txn-Token': part.token } },
    );
    expect(many.map(({ decision }) => decision)).toEqual([true, true, true]);
    // one is left of the root's, and two came at once
    const codes = await Promise.all([search(root), search(below)]);
    expect(codes.map(({ decision }) => decision).sort()).toEqual([false, true]);
    for (const on of [root, below]) expect(reasonOf(await search(on))).toEqual({ reason: 'task_budget_spent' });
    const shown = await calls.ask('GET', `/v1/tasks/${root.id}`, { as: calls.people.workload('agent/one') });
    expect(shown.body).toMatchObject({ max_calls: 5, calls_used: 5 });
  });
});

describe('supervised', () => {
  test('reading is decided by the policies alone', async () => {
    expect((await search(await calls.task({ mode: 'supervised' }))).decision).toBe(true);
  });

  test('every effect beyond it waits for a person, is allowed once, and is refused on replay', async () => {
    const task = await calls.task({ mode: 'supervised' });
    const denied = await cancel(task);
    expect(reasonOf(denied)).toEqual({ reason: 'approval_required' });
    expect(await rowOf(denied)).toMatchObject({ mode: 'supervised', outcome: 'approval', code: 'approval_required' });
    const question = calls.question({ tool: 'cancel', context: { arguments: { orders: ['0'] }, task: task.id } });
    const approval = await approve(question, denied, task.token);
    const approved = { ...task, context: { approval } };
    expect(reasonOf(await cancel(approved, 2))).toEqual({ reason: 'approval_required' });
    // on another task of the same workload's it is for something else
    const other = await calls.task({ mode: 'supervised' });
    expect(reasonOf(await cancel({ ...other, context: { approval } }))).toEqual({ reason: 'approval_required' });
    expect((await cancel(approved)).decision).toBe(true);
    expect(reasonOf(await cancel(approved))).toEqual({ reason: 'approval_required' });
  });

  test('a part of it is not less supervised, whatever it asks for', async () => {
    const task = await calls.task({ mode: 'supervised' });
    await expect(calls.handOn(task.token, { mode: 'autonomous' })).rejects.toThrow('wider_than_parent');
    const part = await calls.handOn(task.token);
    expect(reasonOf(await cancel({ ...part, as: 'agent/two' }))).toEqual({ reason: 'approval_required' });
  });
});

describe('observe', () => {
  test('what would be is on record, and nothing is ever allowed', async () => {
    const task = await calls.task({ mode: 'observe', max_calls: 10 });
    const [read, effect, many] = [await search(task), await cancel(task), await cancel(task, 4)];
    expect([read, effect].map(reasonOf)).toEqual([
      { reason: 'task_observes', would: 'allow' },
      { reason: 'task_observes', would: 'allow' },
    ]);
    expect(reasonOf(many)).toMatchObject({ reason: 'over_limit' });
    for (const one of [read, effect]) {
      expect(one.context).not.toHaveProperty('access_request');
      expect(one.context['obligations']).toEqual([]);
      expect(await rowOf(one)).toMatchObject({
        mode: 'observe',
        outcome: 'deny',
        code: 'task_observes',
        task_id: task.id,
      });
    }
    expect(await countOf(`decisions where task_id = $1 and outcome = 'allow' and action = 'call'`, task.id)).toBe(0);
    const shown = await calls.ask('GET', `/v1/tasks/${task.id}`, { as: calls.people.workload('agent/one') });
    expect(shown.body).toMatchObject({ calls_used: 0 });
  });

  test('nor in a batch, with any semantic, nor in a part of it', async () => {
    const task = await calls.task({ mode: 'observe' });
    for (const evaluations_semantic of ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit']) {
      const answers = await calls.evaluateAll(
        { ...calls.question(), evaluations: [{}, {}], options: { evaluations_semantic } },
        { headers: { 'Txn-Token': task.token } },
      );
      expect(answers.filter(({ decision }) => decision)).toEqual([]);
    }
    const part = await calls.handOn(task.token);
    expect(reasonOf(await search({ ...part, as: 'agent/two' }))).toMatchObject({ reason: 'task_observes' });
  });

  test('an approval of before does not let it through', async () => {
    const task = await calls.task({ mode: 'supervised' });
    const denied = await cancel(task);
    const question = calls.question({ tool: 'cancel', context: { arguments: { orders: ['0'] }, task: task.id } });
    const approval = await approve(question, denied, task.token);
    // as nobody can do: the mode of a task never changes
    await calls.rows(`update tasks set mode = 'observe' where id = $1`, task.id);
    const after = await cancel({ ...task, context: { approval } });
    expect(after.decision).toBe(false);
    expect(await countOf(`approvals where id = $1 and state = 'approved'`, approval)).toBe(1);
  });

  test('nothing is issued on it either, and what would have been is said', async () => {
    const task = await calls.task({ mode: 'observe' });
    const json = { profile: 'lookup' };
    const refused = await calls.post('/v1/grants', json, { headers: { 'Txn-Token': task.token } });
    expect([refused.status, refused.code, refused.body['would']]).toEqual([403, 'task_observes', 'allow']);
    expect(await countOf('grants where task_id = $1', task.id)).toBe(0);
  });
});

describe('whose token it is', () => {
  test('one of somebody else’s is a refusal, and never passed over', async () => {
    const { token } = await calls.task();
    const json = calls.question();
    for (const [as, shown, code] of [
      ['agent/two', token, 'task_token_invalid'],
      ['agent/one', `${token.slice(0, -4)}AAAA`, 'task_token_invalid'],
      ['agent/one', '', 'task_token_invalid'],
      ['agent/one', calls.people.workload('agent/one'), 'task_token_invalid'],
    ] as const) {
      const refused = await calls.post('/access/v1/evaluation', json, { as, headers: { 'Txn-Token': shown } });
      expect([as, refused.status, refused.code]).toEqual([as, 403, code]);
    }
  });

  test('a question that names another task than the token is no question', async () => {
    const [one, two] = [await calls.task(), await calls.task()];
    const json = calls.question({ context: { task: two.id } });
    const refused = await calls.post('/access/v1/evaluation', json, { headers: { 'Txn-Token': one.token } });
    expect([refused.status, refused.code]).toEqual([400, 'invalid_request']);
  });

  test('an enforcement point passes on the token of whom it asks about; of another’s it is told that there is no such task', async () => {
    const task = await calls.task({ mode: 'supervised' });
    const about = (id: string) => ({
      ...calls.question({ tool: 'cancel', context: { arguments: { orders: ['1'] } } }),
      subject: { type: 'workload', id: `spiffe://test.example/${id}`, properties: { trust: 'mesh' } },
    });
    const asking = { as: 'evaluator', headers: { 'Txn-Token': task.token } };
    const mine = await calls.evaluate(about('agent/one'), asking);
    expect(reasonOf(mine)).toEqual({ reason: 'approval_required' });
    expect(await rowOf(mine)).toMatchObject({
      task_id: task.id,
      mode: 'supervised',
      subject: 'spiffe://test.example/agent/one',
    });
    expect(reasonOf(await calls.evaluate(about('agent/two'), asking))).toEqual({ reason: 'task_not_found' });
  });

  test('a call on what was taken back is an alarm: counted, logged, and on record', async () => {
    const task = await calls.task();
    const security = calls.people.operator('security');
    await calls.ask('POST', `/v1/tasks/${task.id}/end`, { as: security, json: { reason: 'incident 7' } });
    const count = async () =>
      Number(
        /^writ_use_after_revocation_total\{how="call"\} (\d+)$/m.exec((await calls.ask('GET', '/metrics')).text)?.[1] ??
          0,
      );
    const before = await count();
    for (let n = 0; n < 3; n++) expect((await search(task)).decision).toBe(false);
    expect((await count()) - before).toBe(3);
    const events = await calls.rows<{ body: string }>(
      `select body from events where type = 'use.after_revocation' and task_id = $1`,
      task.id,
    );
    expect(events.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
      { success: false, facts: { how: 'call', why: 'revoked' }, workload: { id: 'spiffe://test.example/agent/one' } },
    ]);
    expect(calls.log).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'used after it was taken back' }),
    );
  });

  test('once its task has ended the next call is denied', async () => {
    const task = await calls.task();
    expect((await search(task)).decision).toBe(true);
    await calls.post(`/v1/tasks/${task.id}/end`, { reason: 'done' });
    expect(reasonOf(await search(task))).toEqual({ reason: 'task_ended' });
  });
});
