import { startTaskBroker } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';
import type { Answer } from '../support/ask.ts';

/** Evidence that is shown beside who asks, and does not hold, counts as that of a caller does; what is decided of it is on record. */
let broker: TaskBroker;
beforeAll(async () => {
  broker = await startTaskBroker();
});
afterAll(() => broker.close());

const counts = async (code: string) => {
  const { text } = await broker.ask('GET', '/metrics');
  return Number(new RegExp(`^writ_evidence_refused_total\\{code="${code}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
};
const evaluation = (token: string) =>
  broker.ask('POST', '/access/v1/evaluation', {
    as: broker.people.workload('agent/thief'),
    json: { action: { name: 'call' }, resource: { type: 'tool', id: 'x' } },
    headers: { 'Txn-Token': token },
  });

const CASES: readonly { name: string; code: string; show: (stolen: string) => Promise<Answer>; status: number }[] = [
  {
    name: 'a stolen task token, for a grant',
    code: 'task_token_invalid',
    show: (stolen) => broker.grant('agent/thief', {}, stolen),
    status: 403,
  },
  { name: 'a stolen task token, for a call', code: 'task_token_invalid', show: evaluation, status: 403 },
  {
    name: 'what is no task token, to be handed on',
    code: 'task_token_invalid',
    show: (stolen) => broker.exchange('agent/thief', `${stolen}x`),
    status: 400,
  },
  {
    name: 'somebody else’s evidence as the actor’s',
    code: 'evidence_invalid',
    show: (stolen) =>
      broker.exchange('agent/thief', stolen, undefined, { actor_token: broker.people.workload('agent/two') }),
    status: 400,
  },
  {
    name: 'a principal’s token, for a task',
    code: 'principal_refused',
    show: () => broker.create('agent/thief', { on_behalf_of: { token: 'garbage' } }),
    status: 403,
  },
  {
    name: 'a principal’s token, for a grant',
    code: 'principal_refused',
    show: () => broker.grant('agent/thief', { on_behalf_of: { token: 'garbage' } }),
    status: 403,
  },
];

test.each(CASES)('$name is counted', async ({ code, show, status }) => {
  const { token } = await broker.task('agent/one');
  const before = await counts(code);
  expect((await show(token)).status).toBe(status);
  expect(await counts(code)).toBe(before + 1);
});

test('one that holds, of a task that is over, is not; nor what a policy refuses', async () => {
  const { id, token } = await broker.task('agent/one');
  await broker.ask('POST', `/v1/tasks/${id}/end`, {
    as: broker.people.workload('agent/one'),
    json: { reason: 'done' },
  });
  const all = ['task_ended', 'task_token_invalid', 'principal_refused', 'policy_denied'];
  const before = await Promise.all(all.map(counts));
  expect((await broker.grant('agent/one', {}, token)).code).toBe('task_ended');
  expect((await broker.create('agent/one', { on_behalf_of: 'customer:7' })).code).toBe('principal_refused');
  expect((await broker.create('agent/one', { purpose: 'locked' })).code).toBe('policy_denied');
  expect(await Promise.all(all.map(counts))).toEqual(before);
});

test('a source is not locked out for what was handed to it, and is for its own; both stand in the record', async () => {
  const strict = await startTaskBroker({ limits: { refusals_per_minute: 3 } });
  const { token } = await strict.task('agent/one');
  const said: unknown[] = [];
  for (let n = 0; n < 4; n++) said.push((await strict.grant('agent/thief', {}, token)).code);
  expect(said).toEqual(Array(4).fill('task_token_invalid'));
  expect((await strict.grant('agent/one', {}, token)).status).toBe(201);
  for (let n = 0; n < 3; n++) await strict.ask('POST', '/v1/grants', { as: 'garbage' });
  expect((await strict.grant('agent/one', {}, token)).code).toBe('too_many_refusals');
  await strict.stop();
  const facts = { counts: { task_token_invalid: 4, evidence_malformed: 3, too_many_refusals: 1 } };
  expect(await strict.events('evidence.refused')).toMatchObject([{ success: false, facts }]);
  await strict.close();
});

test.each([
  { action: 'issue', show: () => broker.grant('agent/liar', { on_behalf_of: { token: 'garbage' } }) },
  { action: 'create_task', show: () => broker.create('agent/liar', { on_behalf_of: { token: 'garbage' } }) },
])('a principal’s token that does not hold is a decision: $action', async ({ action, show }) => {
  const { code, body } = await show();
  expect([code, body['why']]).toEqual(['principal_refused', 'evidence_malformed']);
  const { id } = body['decision'] as { id: string };
  const { rows } = await broker.database.pool.query(
    'select action, outcome, code, subject from decisions where id = $1',
    [id],
  );
  expect(rows).toEqual([
    { action, outcome: 'deny', code: 'principal_refused', subject: 'spiffe://test.example/agent/liar' },
  ]);
});

test('what decided a task’s end is in its event, and in that of a part', async () => {
  const root = await broker.task('agent/one');
  const part = await broker.handOn('agent/two', root.token);
  const of = async (type: string, id: string) =>
    (await broker.events(type)).filter(({ task }) => task === id).map(({ facts }) => facts);
  expect(await of('task.created', root.id)).toMatchObject([{ ends_at_decided_by: 'default' }]);
  expect(await of('task.delegated', part.id)).toMatchObject([{ ends_at_decided_by: 'parent' }]);
});

test('a task with more below it than is shown says so', async () => {
  const { id } = await broker.task('agent/one');
  await broker.database.pool.query(
    `insert into tasks (id, parent_id, root_id, path, implicit, trust, subject, purpose, mode, environment, chain, decision_id, state, created_at)
     select t.id || n, t.id, t.id, t.path || (t.id || n), false, t.trust, 'part', t.purpose, t.mode, t.environment, '[]', t.decision_id, 'open', now()
     from tasks t, generate_series(1, 1001) as n where t.id = $1`,
    [id],
  );
  const { body } = await broker.ask('GET', `/v1/tasks/${id}`, { as: broker.people.workload('agent/one') });
  expect([(body['below'] as unknown[]).length, body['cut']]).toEqual([1_000, true]);
});
