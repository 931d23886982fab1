import { OPERATOR_TOKENS, startFakeBroker, TASK_ID, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS, openStation } from './harness.ts';
import type { Station } from './harness.ts';

let broker: FakeBroker;
let station: Station;
beforeEach(async () => {
  broker = await startFakeBroker();
  broker.offer('jwt', CREDENTIALS.jwt);
  station = openStation();
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const WORKLOAD = { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN };
const writ = (argv: readonly string[], env: Record<string, string> = WORKLOAD) =>
  station.run(argv, { PATH: process.env['PATH'] ?? '', WRIT_URL: broker.url, ...env });
const create = (...more: string[]) =>
  writ(['task', 'create', '--purpose', 'close the books', '--environment', 'staging', ...more]);

describe('create', () => {
  test('prints the token alone, and is supervised unless told otherwise', async () => {
    expect(await create()).toEqual({
      code: 0,
      stdout: 'task-token\n',
      stderr: `writ: task ${TASK_ID}, until 2026-11-23T13:00:00.000Z\n`,
    });
    expect(broker.requests[0]?.body).toEqual({
      purpose: 'close the books',
      environment: 'staging',
      mode: 'supervised',
    });
  });

  test('with everything that bounds it', async () => {
    const { stdout } = await create(
      ...['--mode', 'autonomous', '--reach', 'staging', '--reach', 'production', '--life', '30m', '--max-ttl', '90s'],
      ...['--profile', 'a', '--profile', 'b', '--tool', 'c', '--param', 'month=2026-10', '--param', 'month=2026-11'],
      ...['--param', 'customer=7=8', '--max-grants', '3', '--max-calls', '9', '--on-behalf-of', 'customer:7', '--json'],
    );
    expect(JSON.parse(stdout)).toMatchObject({ id: TASK_ID, token: 'task-token' });
    expect(broker.requests[0]?.body).toEqual({
      purpose: 'close the books',
      environment: 'staging',
      mode: 'autonomous',
      environments: ['staging', 'production'],
      ends_at: '2026-11-23T12:30:00.000Z',
      max_ttl_seconds: 90,
      profiles: ['a', 'b'],
      tools: ['c'],
      parameters: { month: ['2026-10', '2026-11'], customer: ['7=8'] },
      max_grants: 3,
      max_calls: 9,
      on_behalf_of: 'customer:7',
    });
  });

  test('for somebody whose token is in a file, which is not printed', async () => {
    station.write('ada', 'header.of-ada.signature\n');
    const ran = await create('--principal-token-file', `${station.cwd}/ada`);
    expect(broker.requests[0]?.body).toMatchObject({ on_behalf_of: { token: 'header.of-ada.signature' } });
    expect(ran.stdout + ran.stderr).not.toContain('of-ada');
  });

  test.each([
    { name: 'two ways to say whom', argv: ['--on-behalf-of', 'x', '--principal-token-file', 'y'] },
    { name: 'a file that is not there', argv: ['--principal-token-file', '/nowhere/ada'] },
    { name: 'a mode that there is not', argv: ['--mode', 'yolo'] },
    { name: 'a parameter without a value', argv: ['--param', 'month'] },
    { name: 'a life that is no duration', argv: ['--life', '5'] },
  ])('$name is a matter of usage', async ({ argv }) => {
    expect((await create(...argv)).code).toBe(2);
    expect(broker.requests).toEqual([]);
  });
});

describe('take', () => {
  test('exchanges the token that was handed over', async () => {
    const env = { ...WORKLOAD, WRIT_TASK_TOKEN: 'task-token' };
    const ran = await writ(['task', 'take', '--purpose', 'read November', '--profile', 'a', '--mode', 'observe'], env);
    expect(ran).toMatchObject({
      code: 0,
      stdout: 'part-token\n',
      stderr: 'writ: task t000000000000000000002, for 600s\n',
    });
    const form = new URLSearchParams(String(broker.requests[0]?.body));
    expect(Object.fromEntries(form)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'task-token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:txn_token',
      actor_token: WORKLOAD_TOKEN,
      actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      requested_token_type: 'urn:ietf:params:oauth:token-type:txn_token',
      request_details: '{"profiles":["a"],"purpose":"read November","mode":"observe"}',
    });
  });

  test('says in which words it was refused', async () => {
    const ran = await writ(['task', 'take'], { ...WORKLOAD, WRIT_TASK_TOKEN: 'another' });
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: invalid_request: .*task_token_invalid/);
  });

  test.each([
    { name: 'no token', env: {} },
    { name: 'a file that is not there', env: { WRIT_TASK_TOKEN_FILE: '/nowhere/task', WRIT_TASK_TOKEN: 'task-token' } },
  ])('$name', async ({ env }) => {
    const ran = await writ(['task', 'take'], { ...WORKLOAD, ...env });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/^writ: task_token_missing: /);
    expect(broker.requests).toEqual([]);
  });
});

describe('list', () => {
  const BEHIND = 't000000000000000000002';

  test('as an operator: a table, page after page', async () => {
    const { code, stdout, stderr } = await writ(['task', 'list'], { WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [header = '', ...lines] = stdout.trimEnd().split('\n');
    expect(header.split(/ {2,}/)).toEqual(['TASK', 'STATE', 'LEFT', 'MODE', 'REACHES', 'AGENT', 'ON BEHALF OF']);
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      [TASK_ID, 'open', '1h 0m', 'supervised', 'staging', 'spiffe://dev.local/agent/one', '-'],
      [BEHIND, 'open', '1h 0m', 'supervised', 'staging', 'two', '-'],
    ]);
    expect(broker.requests.map(({ query }) => query['cursor'])).toEqual([undefined, TASK_ID]);
  });

  test('as a workload, with every filter, for programs', async () => {
    const filters = ['--state', 'open', '--agent', 'a', '--on-behalf-of', 'b', '--under', 'c', '--environment', 'd'];
    const { stdout } = await writ(['task', 'list', ...filters, '--mode', 'observe', '--limit', '1', '--json']);
    const ids = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(ids).toEqual([TASK_ID]);
    expect(broker.requests[0]).toMatchObject({
      path: '/v1/tasks',
      headers: { authorization: `Bearer ${WORKLOAD_TOKEN}` },
      query: { state: 'open', agent: 'a', on_behalf_of: 'b', task: 'c', environment: 'd', mode: 'observe' },
    });
  });

  test('what is cut off is said, and none is no error', async () => {
    expect((await writ(['task', 'list', '--limit', '1'])).stderr).toBe('writ: more than 1; see --limit\n');
    broker.next('GET /v1/tasks', { body: { tasks: [] } });
    expect(await writ(['task', 'list'])).toEqual({ code: 0, stdout: '', stderr: 'writ: no tasks\n' });
    expect((await writ(['task', 'list', '--state', 'closed'])).code).toBe(2);
    expect((await writ(['task', 'list', '--mode', 'yolo'])).code).toBe(2);
  });
});

describe('show and end', () => {
  test('show, as a workload', async () => {
    const { code, stdout } = await writ(['task', 'show', TASK_ID]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^grants +1 of 3$/m);
    expect(stdout).toMatch(/^below +t000000000000000000002 \(open\) two$/m);
    expect(broker.requests[0]).toMatchObject({
      path: `/v1/tasks/${TASK_ID}`,
      headers: { authorization: `Bearer ${WORKLOAD_TOKEN}` },
    });
  });

  test('show says what is cut off', async () => {
    const whole = await writ(['task', 'show', TASK_ID, '--json']);
    broker.next(`GET /v1/tasks/${TASK_ID}`, { body: { ...(JSON.parse(whole.stdout) as object), cut: true } });
    const { stdout } = await writ(['task', 'show', TASK_ID]);
    expect(stdout).toMatch(/^below +and more, which are not shown$/m);
  });

  test('show, as an operator, for programs', async () => {
    const { stdout } = await writ(['task', 'show', TASK_ID, '--json'], {
      WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security,
    });
    expect(JSON.parse(stdout)).toMatchObject({ id: TASK_ID, state: 'open' });
    expect(broker.requests[0]).toMatchObject({ headers: { authorization: `Bearer ${OPERATOR_TOKENS.security}` } });
  });

  test('end', async () => {
    const { code, stdout } = await writ(['task', 'end', TASK_ID, '--reason', 'done']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `task ${TASK_ID} is ended: 2 tasks, 1 grants; see writ grants --task ${TASK_ID}\n`,
    });
    expect(broker.requests[0]).toMatchObject({ path: `/v1/tasks/${TASK_ID}/end`, body: { reason: 'done' } });
    expect((await writ(['task', 'end', TASK_ID])).code).toBe(2);
  });

  test.each([
    { name: 'for people', more: [], want: /2 tasks, 1 grants so far, the others follow; see/ },
    { name: 'for programs', more: ['--json'], want: /^\{.*"done":false.*\}\n$/ },
  ])('end, while something is pending, $name', async ({ more, want }) => {
    const task = { id: TASK_ID, state: 'ended', below: [], ended: { tasks: 2, grants: 1, done: false } };
    broker.next(`POST /v1/tasks/${TASK_ID}/end`, { body: task });
    const ran = await writ(['task', 'end', TASK_ID, '--reason', 'done', ...more]);
    expect(ran).toMatchObject({ code: 3, stdout: expect.stringMatching(want) });
  });
});

describe('a credential on a task', () => {
  const credential = (argv: readonly string[], env = {}) =>
    writ(['credential', '--profile', 'jwt', '--format', 'json', ...argv], { ...WORKLOAD, ...env });

  test('by its id, and by its token', async () => {
    station.write('task', 'task-token\n');
    await credential(['--task', TASK_ID]);
    await credential([], { WRIT_TASK_TOKEN: 'task-token' });
    await credential([], { WRIT_TASK_TOKEN_FILE: `${station.cwd}/task` });
    await credential(['--on-behalf-of', 'customer:7']);
    expect(broker.requests.map(({ headers, body }) => [headers['txn-token'], body])).toEqual([
      [undefined, { profile: 'jwt', parameters: {}, task: TASK_ID }],
      ['task-token', { profile: 'jwt', parameters: {} }],
      ['task-token', { profile: 'jwt', parameters: {} }],
      [undefined, { profile: 'jwt', parameters: {}, on_behalf_of: 'customer:7' }],
    ]);
  });

  test('a token that cannot be read is not passed over', async () => {
    expect((await credential([], { WRIT_TASK_TOKEN_FILE: '/nowhere/task' })).code).toBe(2);
    expect(broker.requests).toEqual([]);
  });

  test('the command under exec does not inherit it', async () => {
    const print = ['--', process.execPath, '-e', 'console.log(process.env.WRIT_TASK_TOKEN)'];
    const ran = await writ(['exec', '--profile', 'jwt', ...print], { ...WORKLOAD, WRIT_TASK_TOKEN: 'task-token' });
    expect(ran).toMatchObject({ code: 0, stdout: 'undefined\n' });
  });
});

test('orders and lists by principal', async () => {
  const env = { WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security };
  await writ(['grants', '--on-behalf-of', 'customer:7', '--json'], env);
  await writ(['revoke', '--on-behalf-of', 'customer:7', '--reason', 'r', '--dry-run'], env);
  expect(
    broker.requests.map(({ query, body }) => [query['on_behalf_of'], (body as { selector?: object }).selector]),
  ).toEqual([
    ['customer:7', undefined],
    [undefined, { on_behalf_of: 'customer:7' }],
  ]);
  expect((await writ(['revoke', '--on-behalf-of', 'a', '--task', 'b', '--reason', 'r'], env)).code).toBe(2);
});
