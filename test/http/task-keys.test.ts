import { startTaskBroker, TASK } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';
import type { Replica } from '../support/running-broker.ts';

/** `POST /v1/tasks` under an `Idempotency-Key`, and how many a workload may have open. */
let broker: TaskBroker;
let other: Replica;
beforeAll(async () => {
  broker = await startTaskBroker({ limits: { open_tasks: 3 } });
  other = await broker.replica();
});
afterAll(() => broker.close());

const ENDS = new Date(Date.now() + 1_800_000).toISOString();
const ask = (key: string, json: object = {}, who = 'agent/one', via: Replica = broker) =>
  via.ask('POST', '/v1/tasks', {
    as: broker.people.workload(who),
    json: { ...TASK, ...json },
    headers: { 'idempotency-key': key },
  });
const end = (id: unknown) =>
  broker.ask('POST', `/v1/tasks/${String(id)}/end`, { as: broker.people.operator('security'), json: { reason: 'x' } });
const count = async (sql: string, ...values: unknown[]) =>
  (await broker.database.pool.query<{ n: number }>(`select count(*)::int as n from ${sql}`, values)).rows[0]?.n;

describe('a repeat', () => {
  test('gets the same task, on whichever replica, and a token that works', async () => {
    const first = await ask('same', { ends_at: ENDS, max_grants: 2 }, 'agent/same');
    const second = await ask('same', { ends_at: ENDS, max_grants: 2 }, 'agent/same', other);
    expect([first.status, second.status]).toEqual([201, 201]);
    const { token: before, ...task } = first.body;
    const { token: after, ...again } = second.body;
    expect(again).toEqual(task);
    expect(task).toMatchObject({ ends_at_decided_by: 'request', decision: { policies: ['make'] } });
    for (const token of [before, after]) expect((await broker.grant('agent/same', {}, String(token))).status).toBe(201);
    expect(await count(`tasks where subject = 'spiffe://test.example/agent/same' and not implicit`)).toBe(1);
    expect(await count(`events where type = 'task.created' and task_id = $1`, task['id'])).toBe(1);
    // what was spent meanwhile shows: it is the task as it stands
    expect((await ask('same', { ends_at: ENDS, max_grants: 2 }, 'agent/same')).body['grants_used']).toBe(2);
  });

  test('on behalf of the same person, whose token is fresh, is no other request', async () => {
    const asked = (token: string) => ask('ada', { on_behalf_of: { token } }, 'agent/ada');
    const [first, second] = [await asked(broker.person('ada')), await asked(broker.person('ada', ['accounting']))];
    expect(second.body['id']).toBe(first.body['id']);
    expect((await asked(broker.person('grace'))).code).toBe('idempotency_key_reused');
  });

  test.each<[string, object]>([
    ['purpose', { purpose: 'another' }],
    ['mode', { mode: 'observe' }],
    ['environments', { environments: ['staging', 'production'] }],
    ['ends_at', { ends_at: ENDS }],
    ['max_grants', { max_grants: 1 }],
    ['profiles', { profiles: [] }],
    ['parameters', { parameters: { month: ['2026-11'] } }],
  ])('with another %s is refused', async (name, change) => {
    await ask(`other-${name}`, {}, `agent/${name}`);
    const refused = await ask(`other-${name}`, change, `agent/${name}`);
    expect([refused.status, refused.code]).toEqual([409, 'idempotency_key_reused']);
  });

  test('after the task has ended is another task', async () => {
    const first = await ask('ended', {}, 'agent/ended');
    await end(first.body['id']);
    const second = await ask('ended', {}, 'agent/ended');
    expect(second.status).toBe(201);
    expect(second.body['id']).not.toBe(first.body['id']);
    await broker.database.pool.query('update tasks set ends_at = now() where id = $1', [second.body['id']]);
    const third = await ask('ended', {}, 'agent/ended');
    expect([third.status, third.body['id'] === second.body['id']]).toEqual([201, false]);
  });

  test('under an order over the task is refused, and gives no token', async () => {
    const first = await ask('order', {}, 'agent/order');
    const security = broker.people.operator('security');
    const json = { selector: { task: first.body['id'] }, reason: 'test' };
    const { body } = await broker.ask('POST', '/v1/revocations', { as: security, json });
    const refused = await ask('order', {}, 'agent/order');
    expect([refused.status, refused.code, refused.body['order']]).toEqual([409, 'under_order', body['id']]);
    expect(refused.text).not.toContain('token');
    const { rows } = await broker.database.pool.query(
      'select action, outcome, code, task_id from decisions where id = $1',
      [(refused.body['decision'] as { id: string }).id],
    );
    const denied = { action: 'create_task', outcome: 'deny', code: 'under_order', task_id: first.body['id'] };
    expect(rows).toEqual([denied]);
    const alarms = (await broker.events('use.after_revocation')).filter(({ task }) => task === first.body['id']);
    expect(alarms).toMatchObject([{ success: false, facts: { how: 'create_task', count: 1 } }]);
    await broker.ask('POST', `/v1/revocations/${String(body['id'])}/lift`, { as: security, json: { reason: 'over' } });
    expect((await ask('order', {}, 'agent/order')).body['id']).toBe(first.body['id']);
  });

  test('however many come at once, on two replicas: one task', async () => {
    for (let round = 0; round < 4; round++) {
      const asked = Array.from({ length: 8 }, (_, n) =>
        ask(`race-${round}`, {}, `agent/race-${round}`, n % 2 ? broker : other),
      );
      const answers = await Promise.all(asked);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1);
      expect(await count(`tasks where subject = $1`, `spiffe://test.example/agent/race-${round}`)).toBe(1);
    }
  });

  test('however many come at once for the last place: one task', async () => {
    for (let round = 0; round < 4; round++) {
      const who = `agent/last-${round}`;
      for (const key of ['a', 'b']) await ask(key, {}, who);
      const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => ask('c', {}, who, n % 2 ? broker : other)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1);
      // and nothing on record says that it was too many
      expect(await count(`decisions where outcome = 'deny' and subject = $1`, `spiffe://test.example/${who}`)).toBe(0);
    }
  });

  test('a key belongs to its workload, and to one thing', async () => {
    const mine = await ask('shared', {}, 'agent/a');
    const theirs = await ask('shared', {}, 'agent/b');
    expect(theirs.body['id']).not.toBe(mine.body['id']);
    const grant = (key: string) =>
      broker.ask('POST', '/v1/grants', {
        as: broker.people.workload('agent/a'),
        json: { profile: 'lookup' },
        headers: { 'idempotency-key': key },
      });
    expect((await grant('shared')).code).toBe('idempotency_key_reused');
    expect((await grant('of-a-grant')).status).toBe(201);
    expect((await ask('of-a-grant', {}, 'agent/a')).code).toBe('idempotency_key_reused');
  });

  test.each(['', 'two words', 'x'.repeat(201), 'ä'])('the key %j is none', async (key) => {
    const { status, body } = await ask(key, { mode: 'yolo' });
    expect(status).toBe(400);
    const paths = (body['errors'] as { path: string }[]).map(({ path }) => path);
    expect(paths.sort()).toEqual(['Idempotency-Key', 'mode']);
  });
});

describe('open tasks of a workload', () => {
  test('so many, also when all are asked for at once on two replicas; and again once one has ended', async () => {
    const asked = Array.from({ length: 10 }, (_, n) => ask(`many-${n}`, {}, 'agent/many', n % 2 ? broker : other));
    const answers = await Promise.all(asked);
    const opened = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(opened).toHaveLength(3);
    for (const { status, code, body, headers } of refused) {
      expect([status, code, body['limit']]).toEqual([429, 'too_many_open_tasks', 3]);
      expect(headers['retry-after']).toBe('1');
    }
    // a repeat opens none
    const known = answers.findIndex(({ status }) => status === 201);
    expect((await ask(`many-${known}`, {}, 'agent/many')).status).toBe(201);
    await end(opened[0]?.body['id']);
    expect((await ask('one-more', {}, 'agent/many')).status).toBe(201);
    expect((await ask('one-too-many', {}, 'agent/many')).code).toBe('too_many_open_tasks');
    const denied = `decisions where subject = 'spiffe://test.example/agent/many' and outcome = 'deny' and code = 'too_many_open_tasks'`;
    expect(await count(denied)).toBe(8);
  });

  test('what its time has ended does not count, nor what single calls make for themselves', async () => {
    for (let n = 0; n < 3; n++) {
      await ask(`late-${n}`, {}, 'agent/late');
      await broker.grant('agent/late');
    }
    expect((await ask('late-3', {}, 'agent/late')).code).toBe('too_many_open_tasks');
    expect((await broker.grant('agent/late')).status).toBe(201);
    await broker.database.pool.query(
      `update tasks set ends_at = now() where subject = 'spiffe://test.example/agent/late' and not implicit`,
    );
    expect((await ask('late-4', {}, 'agent/late')).status).toBe(201);
  });

  test('what is handed on to it counts as well, and is refused in OAuth’s words', async () => {
    const parent = await broker.task('agent/lead');
    for (let n = 0; n < 3; n++) await broker.handOn('agent/helper', parent.token);
    const refused = await broker.exchange('agent/helper', parent.token);
    expect([refused.status, refused.body['error'], refused.code]).toEqual([
      429,
      'temporarily_unavailable',
      'too_many_open_tasks',
    ]);
  });
});
