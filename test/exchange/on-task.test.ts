import type { TaskId } from '../../src/domain/ids.ts';
import type { OpenTask } from '../../src/ledger/index.ts';
import { caller, codeOf, lives, makeWorld, PROFILE, REQUEST } from './world.ts';
import type { World } from './world.ts';

/** What hangs off a task that was made before: within it, no longer than it, and gone with it. */
let world: World;
const WRITE = { ...PROFILE, name: 'orders-write', effect: 'write' } as const;
beforeAll(async () => {
  world = await makeWorld();
  await world.activate({ profiles: [PROFILE, WRITE] });
});
afterAll(() => world.close());

const make = (change: Partial<OpenTask['task']> = {}) => world.record.task(change);
const ask = (task: TaskId, change: Partial<typeof REQUEST> = {}, by = caller()) =>
  world.request(by, { ...REQUEST, ...change, task });
const issue = (task: TaskId, change: Partial<typeof REQUEST> = {}) =>
  world.issue(caller(), { ...REQUEST, ...change, task });
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

test('the grant hangs off it, with its purpose and its principal', async () => {
  const task = await make({ on_behalf_of: 'user:ada', purpose: 'close the books' });
  const issued = await issue(task);
  const [row] = await world.record.sql('select task_id, on_behalf_of from grants where id = $1', [issued.grant]);
  expect(row).toEqual({ task_id: task, on_behalf_of: 'user:ada' });
  const [decision] = await world.record.sql('select inputs, on_behalf_of from decisions where id = $1', [
    issued.decision.id,
  ]);
  expect(decision).toMatchObject({
    on_behalf_of: 'user:ada',
    inputs: { context: { task: { purpose: 'close the books', implicit: false }, onBehalfOf: 'user:ada' } },
  });
});

test.each<{ name: string; task: Partial<OpenTask['task']>; request?: object; outside: string[] }>([
  { name: 'a profile that it does not cover', task: { profiles: ['orders-write'] }, outside: ['profile'] },
  { name: 'another environment', task: { environment: 'staging' }, outside: ['environment'] },
  {
    name: 'a parameter that it binds, not given',
    task: { parameters: { month: ['2026-11'] } },
    outside: ['parameters.month'],
  },
  {
    name: 'a parameter that it binds, with another value',
    task: { parameters: { month: ['2026-11', '2026-12'] } },
    request: { parameters: { month: '2026-10' } },
    outside: ['parameters.month'],
  },
  {
    name: 'a parameter that the profile does not know',
    task: { parameters: { customer: ['7'] } },
    outside: ['parameters.customer'],
  },
])('outside of it: $name', async ({ task, request = {}, outside }) => {
  const error = await ask(await make(task), request).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'outside_task', facts: { outside, decision: { id: expect.any(String) } } });
});

test('within what it binds', async () => {
  const task = await make({ profiles: ['orders-read'], parameters: { month: ['2026-11'] }, max_ttl_seconds: 120 });
  expect(await issue(task, { parameters: { month: '2026-11' } })).toMatchObject({
    ttl: { seconds: 120, decidedBy: 'task' },
  });
});

test('never longer than it', async () => {
  const issued = await issue(await make({ ends_at: inSeconds(100) }));
  expect(issued.ttl.decidedBy).toBe('task');
  expect(issued.ttl.seconds).toBeLessThanOrEqual(100);
  expect(await codeOf(ask(await make({ ends_at: inSeconds(5) })))).toBe('ttl_below_minimum');
});

test('past its time, before anybody has come to end it: refused for that, on record', async () => {
  const task = await make();
  await world.record.sql('update tasks set ends_at = now() where id = $1', [task]);
  expect(await codeOf(ask(task))).toBe('task_ended');
  const [row] = await world.record.sql('select outcome, code from decisions where task_id = $1 and action = $2', [
    task,
    'issue',
  ]);
  expect(row).toEqual({ outcome: 'deny', code: 'task_ended' });
});

test('its budget, and that of the tasks above it, is all that there is, however many ask at once', async () => {
  const task = await make({ max_grants: 3 });
  const codes = await Promise.all(Array.from({ length: 8 }, () => codeOf(ask(task))));
  expect(codes.filter((code) => code === 'done')).toHaveLength(3);
  expect(codes.filter((code) => code === 'task_budget_spent')).toHaveLength(5);
  const child = await world.record.task(
    { parent: await make({ max_grants: 1 }) },
    { subject: 'spiffe://dev.local/agent/two' },
  );
  const two = caller('spiffe://dev.local/agent/two');
  expect([await codeOf(ask(child, {}, two)), await codeOf(ask(child, {}, two))]).toEqual(['done', 'task_budget_spent']);
});

test('of another workload, unknown, or made by a call for itself: there is no such task', async () => {
  expect(await codeOf(ask(await make(), {}, caller('another')))).toBe('task_not_found');
  expect(await codeOf(ask('t000000000000000000000' as TaskId))).toBe('task_not_found');
  const { task } = await world.issue(caller(), REQUEST);
  expect(await codeOf(ask(task))).toBe('task_not_found');
});

describe('its mode', () => {
  test('observe: decided, on record with the mode, and nothing issued', async () => {
    const error = await ask(await make({ mode: 'observe' })).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'task_observes', facts: { would: 'allow' } });
    const [row] = await world.record.sql('select mode, outcome, code from decisions order by at desc limit 1');
    expect(row).toEqual({ mode: 'observe', outcome: 'deny', code: 'task_observes' });
  });

  test('supervised: every effect beyond read waits for a person, whatever the policies say', async () => {
    const task = await make({ mode: 'supervised' });
    expect('approval' in (await ask(task, { profile: 'orders-write' }))).toBe(true);
    expect('approval' in (await ask(task))).toBe(false);
  });

  test('supervised: nobody is asked for longer than it lasts', async () => {
    const ends_at = inSeconds(30);
    const asked = await ask(await make({ mode: 'supervised', ends_at }), { profile: 'orders-write' });
    expect('approval' in asked && asked.approval.expiresAt.toISOString()).toBe(ends_at);
  });
});

describe('ending it', () => {
  test('takes back what hangs off it and off those below it, and nothing else', async () => {
    const task = await make();
    const child = await world.record.task({ parent: task }, { subject: 'spiffe://dev.local/agent/two' });
    const [own, below, other] = [
      await issue(task),
      await world.issue(caller('spiffe://dev.local/agent/two'), { ...REQUEST, task: child }),
      await issue(await make()),
    ];
    expect(await world.record.endTask(task)).toMatchObject({ tasks: 2, moved: 2, done: true });
    for (const { grant } of [own, below]) await world.settleGrant(grant);
    expect([own, below, other].map((each) => lives(world.provider, each))).toEqual([false, false, true]);
    expect(await codeOf(ask(task))).toBe('task_ended');
    expect(await codeOf(world.renew(caller(), { grant: own.grant }))).toBe('grant_not_active');
    expect(await world.record.endTask(task)).toMatchObject({ tasks: 0, moved: 0 });
  });

  test('whoever asks at that moment is refused, or ended', async () => {
    const task = await make();
    const racing = Array.from({ length: 12 }, () => ask(task).catch((error: unknown) => error));
    await world.record.endTask(task, 2);
    await Promise.all(racing);
    while ((await world.context.ledger.tasks.advance(500)) > 0);
    const live = await world.record.sql(`select id from grants where task_id = $1 and state in ('issuing', 'active')`, [
      task,
    ]);
    expect(live).toEqual([]);
  });

  test('a renewal and a claim on a task that ended are refused', async () => {
    const task = await make();
    const { grant } = await issue(task);
    await world.record.sql(
      `update tasks set state = 'ended', ended_at = now(), ended_why = 'ended', swept_at = now() where id = $1`,
      [task],
    );
    expect(await codeOf(world.renew(caller(), { grant }))).toBe('task_ended');
  });
});
