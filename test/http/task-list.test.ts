import { OPERATORS } from '../support/people.ts';
import { startTaskBroker } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';

/** `GET /v1/tasks`: operators see what their roles reach, a workload its own, newest first and page by page. */
let broker: TaskBroker;
const made: { id: string; token: string }[] = [];
beforeAll(async () => {
  const role = (name: string) => ({ groups: [name] });
  broker = await startTaskBroker({
    operators: {
      trust: [
        {
          ...OPERATORS,
          jwks: { file: 'operators.json' },
          roles: {
            platform: role('platform'),
            security: [
              role('security'),
              { groups: ['staging-only'], environments: ['staging'] },
              { groups: ['both'], environments: ['staging'] },
              { groups: ['both'], environments: ['production'] },
              { groups: ['payments-only'], owners: ['payments'] },
            ],
            approver: [{ groups: ['mixed'], environments: ['production'] }],
            auditor: [role('auditor'), { groups: ['mixed'], environments: ['staging'] }],
          },
        },
      ],
    },
  });
  made.push(await broker.task('agent/one'));
  made.push(await broker.task('agent/one', { environment: 'production', mode: 'observe' }));
  made.push(await broker.task('agent/one', { environments: ['staging', 'production'] }));
  made.push(await broker.task('agent/biller', { on_behalf_of: 'customer:7' }));
  made.push(await broker.handOn('agent/two', made[0]?.token ?? ''));
  made.push(await broker.task('agent/two'));
  const security = broker.people.operator('security');
  await broker.ask('POST', `/v1/tasks/${made[5]?.id ?? ''}/end`, { as: security, json: { reason: 'test' } });
  // of a call that makes a task for itself there is no line
  await broker.grant('agent/one');
});
afterAll(() => broker.close());

const operator = (group: string) => broker.people.operator(undefined, group, { groups: [group] });
const list = async (query: string, as = operator('security')) => {
  const { status, body } = await broker.ask('GET', `/v1/tasks?${query}`, { as });
  expect(status).toBe(200);
  return { tasks: body['tasks'] as Record<string, unknown>[], next: body['next_cursor'] };
};
const numbers = async (query: string, as?: string) =>
  (await list(query, as)).tasks.map(({ id }) => made.findIndex((one) => one.id === id));

test.each([
  { query: '', want: [5, 4, 3, 2, 1, 0] },
  { query: 'state=open', want: [4, 3, 2, 1, 0] },
  { query: 'state=ended', want: [5] },
  { query: 'agent=spiffe://test.example/agent/two', want: [5, 4] },
  { query: 'agent=spiffe://test.example/agent/', want: [] },
  { query: 'on_behalf_of=customer:7', want: [3] },
  { query: 'environment=production', want: [2, 1] },
  { query: 'environment=staging', want: [5, 4, 3, 2, 0] },
  { query: 'environment=%25', want: [] },
  { query: 'mode=observe', want: [1] },
  { query: 'state=open&agent=spiffe://test.example/agent/two&environment=staging', want: [4] },
  { query: 'limit=2', want: [5, 4] },
])('$query', async ({ query, want }) => {
  expect(await numbers(query)).toEqual(want);
});

test('a task with what was handed on below it', async () => {
  expect(await numbers(`task=${made[0]?.id ?? ''}`)).toEqual([4, 0]);
  expect(await numbers(`task=${made[4]?.id ?? ''}`)).toEqual([4]);
});

test('each line is the task as it is shown by itself, without its token', async () => {
  const { tasks } = await list(`task=${made[4]?.id ?? ''}`);
  const shown = await broker.ask('GET', `/v1/tasks/${made[4]?.id ?? ''}`, { as: operator('security') });
  const { below, cut, ...body } = shown.body;
  expect([below, cut]).toEqual([[], false]);
  expect(tasks).toEqual([body]);
  expect(JSON.stringify(tasks)).not.toContain(made[4]?.token);
});

test('a workload sees its own, and nothing by asking for another', async () => {
  const one = broker.people.workload('agent/one');
  expect(await numbers('', one)).toEqual([2, 1, 0]);
  expect(await numbers('mode=observe', one)).toEqual([1]);
  expect(await numbers('agent=spiffe://test.example/agent/two', one)).toEqual([]);
  expect(await numbers('agent=spiffe://test.example/agent/one', one)).toEqual([2, 1, 0]);
  // what is handed on below is the other's own
  expect(await numbers(`task=${made[0]?.id ?? ''}`, one)).toEqual([0]);
  expect(await numbers('', broker.people.workload('agent/nobody'))).toEqual([]);
});

test('of another trust entry it is another workload', async () => {
  await broker.database.pool.query(`update tasks set trust = 'other' where id = $1`, [made[1]?.id]);
  try {
    expect(await numbers('', broker.people.workload('agent/one'))).toEqual([2, 0]);
  } finally {
    await broker.database.pool.query(`update tasks set trust = 'mesh' where id = $1`, [made[1]?.id]);
  }
});

test.each([
  { group: 'auditor', sees: [5, 4, 3, 2, 1, 0] },
  { group: 'staging-only', sees: [5, 4, 3, 0] },
  { group: 'both', sees: [5, 4, 3, 2, 1, 0] },
  { group: 'payments-only', sees: [] },
  // two roles do not make one that reaches further
  { group: 'mixed', sees: [5, 4, 3, 1, 0] },
])('$group sees $sees, in the list and one by one', async ({ group, sees }) => {
  expect(await numbers('', operator(group))).toEqual(sees);
  for (const [number, { id }] of made.entries()) {
    const { status } = await broker.ask('GET', `/v1/tasks/${id}`, { as: operator(group) });
    expect([number, status]).toEqual([number, sees.includes(number) ? 200 : 404]);
  }
});

test('page after page, each task once, also those that were made within one instant', async () => {
  await broker.database.pool.query(
    `update tasks set created_at = '2026-01-01T00:00:00Z'::timestamptz + (get_byte(convert_to(id, 'UTF8'), 20) % 3) * interval '1 microsecond'`,
  );
  for (const filter of ['', 'state=open&', 'environment=staging&']) {
    const all = (await list(filter)).tasks.map(({ id }) => id);
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const page = await list(`${filter}limit=1${cursor === undefined ? '' : `&cursor=${String(cursor)}`}`);
      seen.push(...page.tasks.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen).toEqual(all);
  }
});

test('a cursor that no task has is the end', async () => {
  expect(await list('cursor=t000000000000000000000')).toEqual({ tasks: [], next: undefined });
});

test.each([
  'state=closed',
  'mode=yolo',
  'cursor=x',
  'cursor=g000000000000',
  'limit=0',
  'limit=501',
  'agent=',
  'more=1',
  'mode=observe&mode=observe',
  'task=%00',
])('%s is refused', async (query) => {
  for (const as of [operator('auditor'), broker.people.workload('agent/one')])
    expect((await broker.ask('GET', `/v1/tasks?${query}`, { as })).code).toBe('invalid_request');
});
