import { Fault, ProviderError, Refusal } from '../../src/domain/errors.ts';
import { ProblemsError } from '../../src/domain/problem.ts';
import { OPERATOR_TOKENS, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS, openStation, SECRET } from './harness.ts';
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

const credential = ['credential', '--profile', 'jwt', '--format', 'json'];

describe('local commands get their options', () => {
  test.each([
    { argv: ['serve'], command: 'serve', options: { config: 'config' } },
    { argv: ['serve', '--config', 'd'], command: 'serve', options: { config: 'd' } },
    { argv: ['dev'], command: 'dev', options: { config: 'config', state: '.writ' } },
    {
      argv: ['dev', '--port', '0', '--state', 's'],
      command: 'dev',
      options: { config: 'config', state: 's', port: 0 },
    },
    { argv: ['migrate'], command: 'migrate', options: { config: 'config' } },
    { argv: ['migrate'], env: { DATABASE_URL: 'postgres://x' }, command: 'migrate', options: { url: 'postgres://x' } },
    { argv: ['migrate', '--config', 'd'], env: { DATABASE_URL: 'x' }, command: 'migrate', options: { config: 'd' } },
    { argv: ['check'], command: 'check', options: { config: 'config', json: false, writeSchema: false } },
    {
      argv: ['check', '--json', '--write-schema'],
      command: 'check',
      options: { config: 'config', json: true, writeSchema: true },
    },
    {
      argv: ['identity', 'spiffe://dev.local/agent/me'],
      command: 'identity',
      options: { id: 'spiffe://dev.local/agent/me', state: '.writ' },
    },
    {
      argv: ['identity', 'x', '--ttl', '5m', '--state', 's'],
      command: 'identity',
      options: { id: 'x', state: 's', ttl: 300 },
    },
    { argv: ['policy', 'test'], command: 'policyTest', options: { config: 'config', json: false } },
    {
      argv: ['policy', 'test', 'cases', '--json'],
      command: 'policyTest',
      options: { directory: 'cases', config: 'config', json: true },
    },
    {
      argv: ['policy', 'explain', 'r.json'],
      command: 'policyExplain',
      options: { file: 'r.json', config: 'config', json: false },
    },
  ])('$argv', async ({ argv, env, command, options }) => {
    expect(await station.run(argv, env)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(station.local).toEqual([{ command, options }]);
  });

  test('their exit code is the command’s', async () => {
    const { local } = await withLocal({ check: async () => 1 });
    expect(local.code).toBe(1);
  });

  async function withLocal(over: { check: () => Promise<number> }) {
    const absent = async (): Promise<never> => {
      throw new Error('not here');
    };
    const others = { serve: absent, dev: absent, migrate: absent, identity: absent };
    const rest = { policyTest: absent, policyExplain: absent, replay: absent, readRules: absent };
    return { local: await station.run(['check'], {}, { local: { ...others, ...rest, ...over } }) };
  }

  test.each([
    {
      name: 'problems of files',
      error: new ProblemsError([
        { file: 'a.yaml', line: 7, message: 'is wrong' },
        { file: 'b.yaml', line: 0, message: 'is missing' },
      ]),
      code: 1,
      stderr: 'a.yaml:7 is wrong\nb.yaml is missing\nwrit: problems: 2 problems found\n',
    },
    {
      name: 'a refusal',
      error: new Refusal('policy_denied', { profile: 'p' }),
      code: 1,
      stderr: 'writ: policy_denied: policy denied (profile p)\n',
    },
    {
      name: 'a fault',
      error: new Fault('ledger_unavailable'),
      code: 4,
      stderr: 'writ: ledger_unavailable: ledger unavailable; try again in a moment\n',
    },
    {
      name: 'a provider',
      error: new ProviderError('provider_timeout', { nothingLives: true }),
      code: 4,
      stderr: 'writ: provider_timeout: provider timeout\n',
    },
    { name: 'anything else', error: new Error('broke\nbadly'), code: 1, stderr: 'writ: internal: broke\\u{a}badly\n' },
  ])('their errors: $name', async ({ error, code, stderr }) => {
    const { local } = await withLocal({
      check: async () => {
        throw error;
      },
    });
    expect(local).toEqual({ code, stdout: '', stderr });
  });
});

describe('apply', () => {
  const apply = (argv: readonly string[] = []) =>
    station.run(['apply', ...argv], { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.platform });

  test('sends the rules and says what changed', async () => {
    const ran = await apply(['--config', 'd']);
    expect(station.local).toEqual([{ command: 'readRules', options: { config: 'd' } }]);
    expect(broker.requests[0]?.body).toEqual({ files: { 'profiles/orders.yaml': 'name: orders' } });
    expect(ran).toEqual({
      code: 0,
      stderr: '',
      stdout: '  + profiles/orders.yaml\n  profiles/orders.yaml: new\ngeneration 4 (abc123) is active\n',
    });
    expect((await apply()).stdout).toBe('generation 4 (abc123): active already, nothing changed\n');
  });

  test('a dry run, for people and for programs', async () => {
    expect((await apply(['--dry-run'])).stdout).toBe(
      '  + profiles/orders.yaml\n  profiles/orders.yaml: new\nrules abc123 can be applied; nothing was changed\n',
    );
    expect(JSON.parse((await apply(['--dry-run', '--json'])).stdout)).toMatchObject({
      hash: 'abc123',
      unchanged: false,
    });
    expect(broker.requests[0]?.body).toMatchObject({ dry_run: true });
  });

  test('rules that do not check: every problem with its place', async () => {
    const problems = [
      { file: 'a.yaml', line: 7, message: 'is wrong' },
      { file: 'b.yaml', line: 0, message: 'is missing' },
    ];
    const answer = { status: 400, body: { code: 'rules_do_not_check', title: 'The rules do not check', problems } };
    broker.next('POST /v1/generations', answer, answer);
    expect(await apply()).toEqual({
      code: 1,
      stdout: '',
      stderr: 'a.yaml:7 is wrong\nb.yaml is missing\nwrit: rules_do_not_check: The rules do not check\n',
    });
    expect(JSON.parse((await apply(['--json'])).stderr)).toMatchObject({
      code: 'rules_do_not_check',
      problems: ['a.yaml:7 is wrong', 'b.yaml is missing'],
    });
  });
});

describe('errors', () => {
  const refused = {
    status: 403,
    body: {
      code: 'ttl_below_minimum',
      title: 'Less time is left than the minimum',
      detail: 'Ask for more.',
      seconds: 20,
      minimum: 60,
      decision: { id: 'd1', policies: [] },
      roles: ['security', 'auditor'],
    },
  };
  const env = () => ({
    WRIT_URL: broker.url,
    WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN,
    WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security,
  });

  test('one line for a person: code, sentence, facts, what would help', async () => {
    broker.next('POST /v1/grants', refused);
    expect(await station.run(credential, env())).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'writ: ttl_below_minimum: Less time is left than the minimum (seconds 20, minimum 60, decision d1, roles security auditor); Ask for more.\n',
    });
  });

  test('one object for a program, on stderr', async () => {
    broker.next('GET /v1/grants', { ...refused, headers: { 'x-request-id': 'r1' } });
    const ran = await station.run(['grants', '--json'], env());
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(ran.stderr)).toEqual({
      code: 'ttl_below_minimum',
      message: 'Less time is left than the minimum',
      status: 403,
      facts: { seconds: 20, minimum: 60, decision: { id: 'd1', policies: [] }, roles: ['security', 'auditor'] },
      help: 'Ask for more.',
      request_id: 'r1',
      exit: 1,
    });
  });

  test('every fault of a request on its own line', async () => {
    const errors = [
      { path: 'parameters.month', problem: 'does not match' },
      { path: '', problem: 'unreadable' },
    ];
    broker.next('POST /v1/grants', { status: 400, body: { code: 'invalid_request', title: 'Wrong', errors } });
    expect((await station.run(credential, env())).stderr).toBe(
      'parameters.month: does not match\nunreadable\nwrit: invalid_request: Wrong\n',
    );
  });

  test.each([
    { status: 400, body: { code: 'invalid_request' }, code: 1 },
    { status: 401, body: { code: 'evidence_expired' }, code: 1 },
    { status: 409, body: { code: 'under_order' }, code: 1 },
    { status: 429, body: { code: 'too_many_requests' }, code: 1 },
    { status: 500, body: { code: 'internal_error' }, code: 4 },
    { status: 502, body: { code: 'provider_unreachable' }, code: 4 },
    { status: 503, body: { code: 'no_generation' }, code: 4 },
    { status: 502, body: '<html>', code: 4 },
    { status: 404, body: '<html>', code: 1 },
    { status: 201, body: { hello: 'world' }, code: 1 },
  ])('exit code of $status $body', async ({ status, body, code }) => {
    broker.next('POST /v1/grants', { status, body });
    expect((await station.run(credential, env())).code).toBe(code);
  });

  test('nobody there', async () => {
    await broker.close();
    const ran = await station.run(credential, env());
    expect(ran).toMatchObject({ code: 4, stdout: '' });
    expect(ran.stderr).toMatch(
      /^writ: unreachable: http:\/\/127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\); .*WRIT_URL/,
    );
    broker = await startFakeBroker();
  });

  test('a token with a line end inside is not quoted', async () => {
    const ran = await station.run(credential, { ...env(), WRIT_IDENTITY_TOKEN: `${SECRET}\nX: y` });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).not.toContain(SECRET);
  });

  test('usage errors, for people and for programs; the options of a command under exec are its own', async () => {
    const plain = await station.run(['grants', '--nope']);
    expect(plain).toMatchObject({ code: 2, stdout: '', stderr: "writ: usage: unknown option '--nope'; see --help\n" });
    const object = await station.run(['grants', '--nope', '--json']);
    expect(JSON.parse(object.stderr)).toEqual({
      code: 'usage',
      message: "unknown option '--nope'",
      help: 'see --help',
      exit: 2,
    });
    expect((await station.run(['exec', '--nope', 'x', '--json'])).stderr).toMatch(/^writ: usage: /);
    expect((await station.run(['grants', '--nope', '--', '--json'])).stderr).toMatch(/^writ: usage: /);
    expect((await station.run(['frob'])).stderr).toMatch(/^writ: usage: unknown command 'frob'/);
  });
});

describe('help', () => {
  test('--version', async () => {
    expect(await station.run(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
  });

  test('--help names every command, the environment and the exit codes', async () => {
    const { code, stdout, stderr } = await station.run(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const wanted =
      'exec credential grants revoke order check apply policy serve migrate dev identity WRIT_IDENTITY_TOKEN_FILE Exit';
    for (const word of wanted.split(' ')) expect(stdout).toContain(word);
  });

  test.each([
    'exec',
    'credential',
    'grants',
    'revoke',
    'order',
    'check',
    'apply',
    'policy',
    'serve',
    'migrate',
    'dev',
    'identity',
  ])('%s --help', async (command) => {
    const ran = await station.run([command, '--help']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain(`Usage: writ ${command}`);
  });

  test('no command is a mistake that is answered with the help', async () => {
    const ran = await station.run([]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('Usage: writ');
  });
});
