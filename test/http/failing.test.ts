import { startCallsOnTasks } from '../calls/on-task.ts';
import type { CallsOnTasks } from '../calls/on-task.ts';
import { reasonOf, startCalls } from '../calls/world.ts';
import type { Answer } from '../support/ask.ts';
import type { Replica } from '../support/running-broker.ts';
import { testServers } from '../support/servers.ts';
import { runSql } from '../support/sql.ts';
import { TXN_TOKEN } from '../support/task-broker.ts';
import { until } from '../support/waiting.ts';
import { startReceiver } from '../support/webhook-receiver.ts';
import type { WebhookReceiver } from '../support/webhook-receiver.ts';

/** Deciding under failure: closed, always; the refusal says what is away, and `/readyz` says the same. */
let calls: CallsOnTasks;
let channel: WebhookReceiver;
let told: Replica;
/** What there was before anything failed. */
let task: { id: string; token: string };
let grant: { id: string };
let denied: { question: object; token: string };
beforeAll(async () => {
  calls = await startCallsOnTasks();
  channel = await startReceiver();
  told = await calls.replica({
    settings: {
      outbound: { allow: [channel.host] },
      approvals: { notify: [{ webhook: { url: channel.url, format: 'slack' } }] },
    },
  });
  task = await calls.task({ mode: 'supervised' });
  grant = await calls.grant();
  const question = calls.question({ tool: 'mcp.night' });
  const { context } = await calls.evaluate(question);
  denied = { question, token: (context['access_request'] as { binding_token: string }).binding_token };
});
afterAll(async () => {
  await calls.close();
  await channel.close();
});

/** Everything that decides, or that a decision hangs on. */
const DECIDING: readonly { what: string; ask: (via: Pick<Replica, 'ask'>) => Promise<Answer> }[] = [
  { what: 'issue', ask: (via) => post(via, '/v1/grants', { profile: 'lookup', purpose: 'x' }) },
  { what: 'issue on a task', ask: (via) => post(via, '/v1/grants', { profile: 'lookup', task: task.id }) },
  { what: 'renew', ask: (via) => post(via, `/v1/grants/${grant.id}/renew`, {}) },
  { what: 'make a task', ask: (via) => post(via, '/v1/tasks', { purpose: 'x', mode: 'observe', environment: 'test' }) },
  {
    what: 'hand a task on',
    ask: (via) => {
      const as = calls.people.workload('agent/two');
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: task.token,
        subject_token_type: TXN_TOKEN,
        actor_token: as,
        actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      };
      return via.ask('POST', '/oauth/token', { as, form });
    },
  },
  { what: 'a call', ask: (via) => post(via, '/access/v1/evaluation', calls.question()) },
  {
    what: 'calls',
    ask: (via) => post(via, '/access/v1/evaluations', { ...calls.question(), evaluations: [{}, {}] }),
  },
  {
    what: 'a call on a task',
    ask: (via) => post(via, '/access/v1/evaluation', calls.question({ context: { task: task.id } })),
  },
  {
    what: 'an approval of a call',
    ask: (via) => post(via, '/access/v1/requests', { ...denied.question, denial: { binding_token: denied.token } }),
  },
];
const post = (via: Pick<Replica, 'ask'>, path: string, json: object) =>
  via.ask('POST', path, { as: calls.people.workload('agent/one'), json });
const ready = async (via: Pick<Replica, 'ask'> = calls) => {
  const { status, body } = await via.ask('GET', '/readyz');
  return { status, checks: body['checks'] as Record<string, Record<string, unknown>> };
};
const everything = async (via: Pick<Replica, 'ask'>) => {
  const answers = await Promise.all(DECIDING.map(async ({ what, ask }) => ({ what, answer: await ask(via) })));
  for (const { answer } of answers) expect(answer.text).not.toMatch(/"decision":true|"credential"|access_token/);
  return answers.map(({ what, answer }) => `${what}: ${answer.status} ${String(answer.code)}`);
};
const all = (want: string) => DECIDING.map(({ what }) => `${what}: ${want}`);
const rowsOf = async () =>
  (
    await calls.rows<{ n: number }>(
      `select (select count(*) from decisions)::int + (select count(*) from grants)::int + (select count(*) from tasks)::int as n`,
    )
  )[0]?.n;

test('before anything fails: ready, and all of it is decided', async () => {
  const answers = await Promise.all(DECIDING.map(({ ask }) => ask(calls)));
  expect(answers.map(({ status }) => Math.floor(status / 100))).toEqual(DECIDING.map(() => 2));
  expect((await ready()).status).toBe(200);
});

test('the ledger is away', async () => {
  const { name } = calls.database;
  const admit = (yes: boolean) => `ALTER DATABASE ${name} ALLOW_CONNECTIONS ${yes}`;
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`;
  const before = await rowsOf();
  await runSql(testServers().ledger, admit(false), cut);
  try {
    expect(await everything(calls)).toEqual(all('503 ledger_unavailable'));
    const { status, checks } = await ready();
    expect([status, checks['ledger'], checks['rules']?.['ok']]).toEqual([503, { ok: false }, true]);
    expect((await calls.ask('GET', '/healthz')).status).toBe(200);
  } finally {
    await runSql(testServers().ledger, admit(true));
  }
  await until(async () => (await ready()).status === 200);
  expect(await rowsOf()).toBe(before);
  expect((await calls.evaluate(calls.question())).decision).toBe(true);
});

test('a generation that this replica cannot load', async () => {
  // as a neighbouring version may activate it: what it knows and this one does not
  const before = await rowsOf();
  const body = JSON.stringify({ files: { 'profiles/new.yaml': 'name: new\nkind_of_the_future: 7\n' } });
  const activated = await calls.rows<{ answer: { number: number } }>(
    `select activate_generation(jsonb_build_object('hash', encode(sha256($1::bytea), 'hex'), 'body', $2::text, 'author', '{"kind":"operator","issuer":"i","subject":"s"}'::jsonb,
      'difference', '{}'::jsonb, 'base', (select max(number) from generations), 'origin', null)) as answer`,
    Buffer.from(body),
    body,
  );
  expect(activated).toHaveLength(1);
  await until(async () => (await ready()).status === 503);
  const { checks } = await ready();
  expect(checks).toMatchObject({
    ledger: { ok: true },
    rules: { ok: false, loaded: 1, active: 2, error: expect.any(String) },
  });
  expect(await everything(calls)).toEqual(all('503 generation_behind'));
  expect(await rowsOf()).toBe(before);
  const as = calls.people.operator('platform');
  const { status } = await calls.ask('POST', '/v1/generations', { as, json: { files: calls.rules } });
  expect(status).toBe(201);
  await until(async () => (await ready()).status === 200);
  expect((await calls.evaluate(calls.question())).decision).toBe(true);
});

test('no generation at all', async () => {
  const bare = await startCalls({ rules: null });
  try {
    expect(await ready(bare)).toMatchObject({ status: 503, checks: { ledger: { ok: true }, rules: { ok: false } } });
    for (const path of ['/v1/grants', '/v1/tasks', '/access/v1/evaluation']) {
      const json = {
        '/v1/grants': { profile: 'lookup', purpose: 'x' },
        '/v1/tasks': { purpose: 'x', mode: 'observe', environment: 'test' },
        '/access/v1/evaluation': calls.question(),
      }[path];
      const as = bare.people.workload('agent/one');
      const answer = await bare.ask('POST', path, { as, json });
      expect([path, answer.status, answer.code]).toEqual([path, 503, 'no_generation']);
    }
  } finally {
    await bare.close();
  }
});

test('a mapping that fails denies that call, and says which; nothing else is held up', async () => {
  const context = { grant: grant.id, arguments: { order: '1', amount: 1.005 } };
  const fails = calls.question({ tool: 'refund', context });
  expect(reasonOf(await calls.evaluate(fails))).toEqual({ reason: 'mapping_failed', argument: 'amount_cents' });
  const both = await calls.evaluateAll({ ...calls.question(), evaluations: [fails, {}] });
  expect(both.map(reasonOf)).toEqual([{ reason: 'mapping_failed', argument: 'amount_cents' }, 'allowed']);
  expect((await ready()).status).toBe(200);
});

test('an approver’s channel that is down: what waits says so, readiness shows it, and nothing is given without the answer', async () => {
  channel.answer(503);
  const question = calls.question({ tool: 'mcp.night', context: { arguments: { n: 1 } } });
  const asked = await told.ask('POST', '/access/v1/evaluation', {
    as: calls.people.workload('agent/one'),
    json: question,
  });
  const { access_request: offer } = asked.body['context'] as { access_request: { binding_token: string } };
  const submitted = await post(told, '/access/v1/requests', { ...question, denial: offer });
  expect(submitted.status).toBe(202);
  const { id } = submitted.body['task'] as { id: string };
  const seen = async () =>
    (await told.ask('GET', `/v1/approvals/${id}`, { as: calls.people.operator('approver') })).body;
  await until(async () => JSON.stringify((await seen())['notices']).includes('status_503'));
  const { status, checks } = await ready(told);
  expect(status).toBe(200);
  expect(Object.values(checks['approvals'] ?? {})).toEqual([{ ok: false, last_error: 'status_503' }]);
  const again = { ...question, context: { arguments: { n: 1 }, approval: id } };
  expect(reasonOf(await calls.evaluate(again))).toEqual({ reason: 'approval_required' });
  // the answer does not depend on the channel
  await told.ask('POST', `/v1/approvals/${id}/approve`, {
    as: calls.people.operator('approver'),
    json: { reason: 'seen' },
  });
  expect((await calls.evaluate(again)).decision).toBe(true);
});

test('one sick provider: its profile is refused and it is shown; the broker is ready, and everything else is decided', async () => {
  const files = { ...calls.rules, 'profiles/gone.yaml': GONE };
  const as = calls.people.operator('platform');
  expect((await calls.ask('POST', '/v1/generations', { as, json: { files } })).status).toBe(201);
  const refused = await post(calls, '/v1/grants', { profile: 'gone', purpose: 'x' });
  expect([refused.status, refused.code]).toEqual([502, 'provider_unreachable']);
  const answers = await Promise.all(DECIDING.map(({ ask }) => ask(calls)));
  expect(answers.map(({ status }) => Math.floor(status / 100))).toEqual(DECIDING.map(() => 2));
  const { status, checks } = await ready();
  expect([status, (checks['providers']?.['gone-db'] as { ok: boolean }).ok]).toEqual([200, false]);
});

const GONE = `name: gone
provider: gone-db
owner: orders
environment: test
effect: read
ttl: { default: 5m, max: 1h, min: 10s }
postgres: { roles: [somebody] }
`;
