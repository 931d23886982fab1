import { chmodSync } from 'node:fs';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { OPERATOR_TOKENS, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS, openStation, SECRET, streamOf } from './harness.ts';
import type { Station } from './harness.ts';

let broker: FakeBroker;
let station: Station;
beforeEach(async () => {
  broker = await startFakeBroker();
  for (const [name, credential] of Object.entries(CREDENTIALS)) broker.offer(name, credential);
  station = openStation();
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const base = () => ({ PATH: process.env['PATH'] ?? '', WRIT_URL: broker.url, WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN });
const node = (script: string) => ['--', process.execPath, '-e', script];
const exec = (profile: string, command: readonly string[], env: Record<string, string> = {}, over = {}) =>
  station.run(['exec', '--profile', profile, ...command], { ...base(), ...env }, over);
/** The states of all grants; one that is not `active` was given back. */
const states = () => [...broker.grants.values()].map((grant) => grant.state);
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('what the command finds in its environment', () => {
  test.each([
    {
      profile: 'postgres',
      want: {
        DATABASE_URL: CREDENTIALS.postgres.url,
        PGHOST: 'db.example',
        PGPORT: '5432',
        PGDATABASE: 'orders',
        PGUSER: 'writ_1',
        PGPASSWORD: SECRET,
      },
    },
    { profile: 'jwt', want: { WRIT_TOKEN: CREDENTIALS.jwt.token } },
    {
      profile: 'aws',
      want: {
        AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
        AWS_SECRET_ACCESS_KEY: SECRET,
        AWS_SESSION_TOKEN: `session-${SECRET}`,
        AWS_REGION: 'eu-west-1',
        AWS_DEFAULT_REGION: 'eu-west-1',
        AWS_CREDENTIAL_EXPIRATION: '2026-11-23T12:15:00Z',
      },
    },
    {
      profile: 'vault_token',
      want: { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: SECRET, VAULT_NAMESPACE: 'team' },
    },
    { profile: 'vault_secret', want: { USERNAME: 'u', PASSWORD: SECRET, API_KEY: SECRET, PORT: '5' } },
  ])('$profile', async ({ profile, want }) => {
    const before = { PATH: base().PATH, WRIT_URL: broker.url, MINE: 'stays' };
    const ran = await exec(profile, node('console.log(JSON.stringify(process.env))'), { MINE: 'stays' });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toEqual({ ...before, ...want });
    expect(states()).toEqual(['revoked']);
  });

  test('nothing standing is inherited; mere settings are, and what is named', async () => {
    const inherited = {
      AWS_ACCESS_KEY_ID: 'standing',
      AWS_PROFILE: 'standing',
      AWS_ENDPOINT_URL_S3: 'http://setting',
      VAULT_TOKEN: 'standing',
      PGPASSFILE: 'standing',
      PGHOSTADDR: 'standing',
      PGSSLMODE: 'verify-full',
      WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security,
      VAULT_CAPATH: '/setting',
      PGSERVICE: 'kept',
      AWS_CONFIG_FILE: 'kept',
    };
    const ran = await exec(
      'jwt',
      ['--keep', 'PGSERVICE', '--keep', 'AWS_CONF*', ...node('console.log(JSON.stringify(process.env))')],
      inherited,
    );
    expect(JSON.parse(ran.stdout)).toEqual({
      PATH: base().PATH,
      WRIT_URL: broker.url,
      WRIT_TOKEN: CREDENTIALS.jwt.token,
      AWS_ENDPOINT_URL_S3: 'http://setting',
      PGSSLMODE: 'verify-full',
      VAULT_CAPATH: '/setting',
      PGSERVICE: 'kept',
      AWS_CONFIG_FILE: 'kept',
    });
  });

  test.each([
    { name: 'would steer programs', data: { path: '/evil' } },
    { name: 'would load code', data: { ld_preload: '/evil.so' } },
    { name: 'is no name', data: { 'a b': 'x' } },
    { name: 'is two members', data: { a_b: 'x', 'a-b': 'y' } },
    { name: 'holds a NUL', data: { a: `${SECRET}\0` } },
  ])('a secret that $name is refused and given back', async ({ data }) => {
    broker.offer('odd', { type: 'vault_secret', data });
    const ran = await exec('odd', node('console.log("ran")'));
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: credential_unfit: /);
    expect(ran.stderr).not.toContain(SECRET);
    expect(states()).toEqual(['revoked']);
  });
});

test('the request is what was asked for; what follows the command is its own', async () => {
  const argv = [
    'exec',
    '--profile',
    'jwt',
    '--param',
    'month=2026-11',
    '--param',
    'query=a=b',
    '--ttl',
    '10m',
    '--purpose',
    'count',
  ];
  const script = 'console.log(JSON.stringify(process.argv.slice(1)))';
  const ran = await station.run(
    [...argv, '--', process.execPath, '-e', script, '--', '--profile', 'x', '--', '--json'],
    base(),
  );
  expect(JSON.parse(ran.stdout)).toEqual(['--profile', 'x', '--', '--json']);
  expect(broker.requests[0]?.body).toEqual({
    profile: 'jwt',
    parameters: { month: '2026-11', query: 'a=b' },
    ttl_seconds: 600,
    purpose: 'count',
  });
});

test('without -- the command begins where the options end', async () => {
  const script = 'console.log(JSON.stringify(process.argv.slice(1)))';
  const argv = ['exec', '--profile', 'jwt', process.execPath, '-e', script, 'x', '--profile', '--json'];
  expect(JSON.parse((await station.run(argv, base())).stdout)).toEqual(['x', '--profile', '--json']);
});

describe('how it ends', () => {
  test.each([
    { name: 'its exit code', script: 'process.exit(7)', code: 7, reason: 'exec: the command exited with 7' },
    {
      name: 'a code that Writ uses too',
      script: 'process.exit(3)',
      code: 3,
      reason: 'exec: the command exited with 3',
    },
    {
      name: 'a signal',
      script: 'process.kill(process.pid, "SIGKILL")',
      code: 137,
      reason: 'exec: the command was ended by SIGKILL',
    },
  ])('$name', async ({ script, code, reason }) => {
    expect(await exec('jwt', node(script))).toEqual({ code, stdout: '', stderr: '' });
    expect(broker.requests.at(-1)?.body).toEqual({ reason });
    expect(states()).toEqual(['revoked']);
  });

  test('a command that cannot be started', async () => {
    station.write('plain.txt', 'not a program');
    chmodSync(join(station.cwd, 'plain.txt'), 0o644);
    const missing = await exec('jwt', ['--', 'no-such-program-anywhere']);
    expect(missing).toMatchObject({
      code: 127,
      stderr: 'writ: command_not_started: no-such-program-anywhere: ENOENT\n',
    });
    const plain = await exec('jwt', ['--', join(station.cwd, 'plain.txt')]);
    expect(plain).toMatchObject({ code: 126, stdout: '' });
    expect(plain.stderr).toContain('EACCES');
    expect(states()).toEqual(['revoked', 'revoked']);
  });

  test('the grant is named only when asked for', async () => {
    const quiet = await exec('jwt', node(''));
    const verbose = await exec('jwt', ['--verbose', ...node('')]);
    expect(quiet.stderr).toBe('');
    expect(verbose.stderr).toContain('grant g000000000002');
    expect(verbose.stdout).toBe('');
  });

  test('a revocation that fails is said and changes no exit code', async () => {
    broker.next('POST /v1/grants/g000000000001/revoke', {
      status: 403,
      body: { code: 'not_found', title: 'Not yours' },
    });
    const ran = await exec('jwt', node('process.exit(5)'));
    expect(ran.code).toBe(5);
    expect(ran.stderr).toBe(
      'writ: grant g000000000001 could not be revoked and ends at 2026-11-23T12:15:00.000Z: not_found: Not yours\n',
    );
  });

  test('a revocation is tried again while the broker is away', async () => {
    const away = { status: 503, body: { code: 'ledger_unavailable', title: 'away' } };
    broker.next('POST /v1/grants/g000000000001/revoke', away, { fault: 'reset' });
    expect(await exec('jwt', node(''))).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(states()).toEqual(['revoked']);
  });

  test('a grant that has ended by itself needs no revocation', async () => {
    broker.next('POST /v1/grants/g000000000001/revoke', { status: 409, body: { code: 'grant_not_active' } });
    expect(await exec('jwt', node(''))).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('the identity is read anew for the revocation', async () => {
    station.write('token', WORKLOAD_TOKEN);
    const file = join(station.cwd, 'token');
    const rotate = `require('fs').writeFileSync(${JSON.stringify(file)}, 'rotated')`;
    await exec('jwt', node(rotate), { WRIT_IDENTITY_TOKEN_FILE: file });
    expect(broker.requests.map((each) => each.headers['authorization'])).toEqual([
      `Bearer ${WORKLOAD_TOKEN}`,
      'Bearer rotated',
    ]);
  });
});

describe('refusals', () => {
  test('nothing runs', async () => {
    const ran = await exec('unknown', node('console.log("ran")'));
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: unknown_profile: .*\n$/);
  });

  test('an approval that is pending says where to ask', async () => {
    const approval = { id: 'a1', url: 'https://writ.example/a1', expires_at: '2026-11-23T13:00:00Z' };
    broker.next('POST /v1/grants', { status: 202, body: { id: 'g000000000009', state: 'pending_approval', approval } });
    const ran = await exec('jwt', node('console.log("ran")'));
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: approval_pending: .*g000000000009.*https:\/\/writ\.example\/a1\n$/);
  });

  test.each([
    { name: 'no command', argv: ['exec', '--profile', 'jwt'] },
    { name: 'no profile', argv: ['exec', '--', 'true'] },
    { name: 'a ttl that is none', argv: ['exec', '--profile', 'jwt', '--ttl', '10', '--', 'true'] },
    { name: 'a parameter without a value', argv: ['exec', '--profile', 'jwt', '--param', 'x', '--', 'true'] },
    { name: 'a parameter twice', argv: ['exec', '--profile', 'jwt', '--param', 'x=1', '--param', 'x=2', '--', 'true'] },
  ])('usage: $name', async ({ argv }) => {
    const ran = await station.run(argv, base());
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/^writ: usage: .*\n$/);
    expect(broker.requests).toHaveLength(0);
  });
});

describe('signals', () => {
  /** Says which signals it gets, and ends on those that ask it to stop. */
  const TALKATIVE = `
    for (const s of ['SIGUSR1', 'SIGUSR2']) process.on(s, () => console.log(s));
    for (const s of ['SIGINT', 'SIGHUP', 'SIGTERM', 'SIGQUIT']) process.on(s, () => { console.log(s); process.exit(40); });
    setInterval(() => {}, 1000); console.log('up');`;
  const IMMORTAL = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');`;
  const up = () => until(() => station.stdout().includes('up'));
  const emit = (signal: NodeJS.Signals) => station.signals.emit(signal, signal);

  test.each(['SIGINT', 'SIGHUP', 'SIGTERM', 'SIGQUIT'] as const)(
    '%s is passed on, and the command decides',
    async (signal) => {
      const running = exec('jwt', node(TALKATIVE));
      await up();
      emit(signal);
      expect(await running).toEqual({ code: 40, stdout: `up\n${signal}\n`, stderr: '' });
      expect(states()).toEqual(['revoked']);
      expect(station.signals.eventNames()).toEqual([]);
    },
  );

  test('signals that do not ask it to stop are passed on as often as they come', async () => {
    const running = exec('jwt', node(TALKATIVE));
    await up();
    for (const [i, signal] of (['SIGUSR1', 'SIGUSR2', 'SIGUSR1'] as const).entries()) {
      emit(signal);
      await until(() => station.stdout().split('\n').length === i + 3);
    }
    expect(states()).toEqual(['active']);
    emit('SIGTERM');
    expect(await running).toMatchObject({ code: 40, stdout: 'up\nSIGUSR1\nSIGUSR2\nSIGUSR1\nSIGTERM\n' });
  });

  test('asked twice, a command that does not stop is killed, and its grant given back', async () => {
    const running = exec('jwt', node(IMMORTAL));
    await up();
    emit('SIGTERM');
    emit('SIGTERM');
    const ran = await running;
    expect(ran).toMatchObject({ code: 137, stderr: 'writ: asked twice, the command is killed\n' });
    expect(broker.requests.at(-1)?.body).toEqual({ reason: 'exec: the command was ended by SIGKILL' });
    expect(states()).toEqual(['revoked']);
  });

  test('on a terminal Ctrl-C has reached the command already: it is not passed on and does not count', async () => {
    const script = `let n = 0; process.on('SIGINT', () => { n += 1; }); process.on('SIGTERM', () => process.exit(n)); setInterval(() => {}, 1000); console.log('up');`;
    const running = exec('jwt', node(script), {}, { stdin: { fd: 0, isTTY: true } });
    await up();
    emit('SIGINT');
    emit('SIGINT');
    emit('SIGTERM');
    expect(await running).toMatchObject({ code: 0, stderr: '' });
  });

  test('while the broker decides: the answer is awaited, nothing runs, the grant is given back', async () => {
    broker.next('POST /v1/grants', {
      status: 201,
      body: { ...broker.seed({ id: 'g000000000001' }), credential: CREDENTIALS.jwt },
      before: async () => void emit('SIGTERM'),
    });
    const ran = await exec('jwt', node('console.log("ran")'));
    expect(ran).toMatchObject({ code: 143, stdout: '' });
    expect(ran.stderr).toBe('writ: stopping once the broker has answered; once more to stop at once\n');
    expect(states()).toEqual(['revoked']);
  });

  test('asked twice while the broker decides: it is not waited for', async () => {
    broker.next('POST /v1/grants', {
      fault: 'hang',
      before: async () => {
        emit('SIGINT');
        emit('SIGINT');
      },
    });
    expect(await exec('jwt', node('console.log("ran")'))).toMatchObject({ code: 130, stdout: '' });
  });

  test('while the grant is given back: once is answered, twice leaves it', async () => {
    broker.next('POST /v1/grants/g000000000001/revoke', {
      fault: 'hang',
      before: async () => {
        emit('SIGTERM');
        await until(() => station.stderr().includes('once more leaves it'));
        emit('SIGTERM');
      },
    });
    const ran = await exec('jwt', node('process.exit(9)'));
    expect(ran.code).toBe(9);
    expect(ran.stderr).toContain('writ: grant g000000000001 could not be revoked');
  });
});

describe('aws credentials that end before their grant', () => {
  const PRINT = node('console.log(JSON.stringify(process.env))');
  const FETCH = `
    const { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization } = process.env;
    const read = async () => { const r = await fetch(url, { headers: { authorization } }); return [r.status, await r.json()]; };`;
  const fetching = (script: string) => node(`${FETCH} (async () => { ${script} })()`);
  beforeEach(() => broker.offer('short', CREDENTIALS.aws, { grant: 900, credential: 60 }));

  test('come from an endpoint, and nothing that a client would look at before it is there', async () => {
    const inherited = {
      AWS_ACCESS_KEY_ID: 'standing',
      AWS_SESSION_TOKEN: 'standing',
      AWS_CREDENTIAL_EXPIRATION: 'standing',
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/standing',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/standing',
      AWS_CONFIG_FILE: '/standing',
      AWS_ENDPOINT_URL_S3: 'http://setting',
    };
    const ran = await exec('short', PRINT, inherited);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toEqual({
      PATH: base().PATH,
      WRIT_URL: broker.url,
      AWS_ENDPOINT_URL_S3: 'http://setting',
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_CONFIG_FILE: devNull,
      AWS_SHARED_CREDENTIALS_FILE: devNull,
      BOTO_CONFIG: devNull,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/credentials$/),
      AWS_CONTAINER_AUTHORIZATION_TOKEN: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(ran.stdout).not.toContain(SECRET);
    expect(states()).toEqual(['revoked']);
  });

  test('files that are kept stay; what would go before the endpoint goes all the same', async () => {
    const inherited = {
      AWS_CONFIG_FILE: '/mine',
      BOTO_CONFIG: '/mine',
      AWS_ACCESS_KEY_ID: 'standing',
      AWS_SECURITY_TOKEN: 'x',
    };
    const ran = await exec('short', ['--keep', 'AWS_*', ...PRINT], inherited);
    const found = JSON.parse(ran.stdout) as Record<string, string>;
    expect(found).toMatchObject({
      AWS_CONFIG_FILE: '/mine',
      BOTO_CONFIG: '/mine',
      AWS_SHARED_CREDENTIALS_FILE: devNull,
    });
    expect(Object.keys(found)).not.toEqual(expect.arrayContaining(['AWS_ACCESS_KEY_ID']));
    expect(Object.keys(found)).not.toEqual(expect.arrayContaining(['AWS_SECURITY_TOKEN']));
  });

  test.each([
    { name: 'as long as the grant: variables', profile: 'aws', options: [], endpoint: false },
    { name: 'as long as the grant, on demand', profile: 'aws', options: ['--aws-endpoint'], endpoint: true },
    { name: 'shorter: an endpoint', profile: 'short', options: [], endpoint: true },
    { name: 'shorter, as variables on demand', profile: 'short', options: ['--aws-static'], endpoint: false },
    { name: 'shorter by a rounding: variables', profile: 'rounded', options: [], endpoint: false },
  ])('$name', async ({ profile, options, endpoint }) => {
    broker.offer('rounded', CREDENTIALS.aws, { grant: 900, credential: 899 });
    const found = JSON.parse((await exec(profile, [...options, ...PRINT])).stdout) as Record<string, string>;
    expect('AWS_CONTAINER_CREDENTIALS_FULL_URI' in found).toBe(endpoint);
    expect('AWS_ACCESS_KEY_ID' in found).toBe(!endpoint);
    expect('AWS_CONFIG_FILE' in found).toBe(endpoint);
  });

  test.each(['--aws-endpoint', '--aws-static'])('%s is for AWS: anything else is given back', async (option) => {
    const ran = await exec('jwt', [option, ...node('console.log("ran")')]);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(new RegExp(`^writ: credential_unfit: ${option} is for credentials of type aws`));
    expect(states()).toEqual(['revoked']);
  });

  test('both at once are a mistake', async () => {
    const ran = await exec('short', ['--aws-endpoint', '--aws-static', ...PRINT]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(broker.requests).toHaveLength(0);
  });

  test('the answer is what SDKs read, with the credential’s own end', async () => {
    const ran = await exec('short', fetching('console.log(JSON.stringify(await read()))'));
    const body = {
      AccessKeyId: 'ASIAEXAMPLE',
      SecretAccessKey: SECRET,
      Token: `session-${SECRET}`,
      Expiration: '2026-11-23T12:01:00.000Z',
    };
    expect(JSON.parse(ran.stdout)).toEqual([200, body]);
  });

  const LIMITED = { status: 429, body: { code: 'too_many_requests', title: 'Too many' } };
  test.each([
    {
      name: 'it refuses',
      answer: { status: 409, body: { code: 'grant_not_active', title: 'Over' } },
      want: [403, 'grant_not_active'],
    },
    {
      name: 'it does not know us any more',
      answer: { status: 401, body: { code: 'evidence_expired', title: 'Old' } },
      want: [403, 'evidence_expired'],
    },
    { name: 'it is at its limit', answer: LIMITED, want: [503, 'too_many_requests'] },
    {
      name: 'it cannot now',
      answer: { status: 502, body: { code: 'provider_refused', title: 'No' } },
      want: [503, 'provider_refused'],
    },
    { name: 'it is gone', answer: { fault: 'reset' as const }, want: [503, 'unreachable'] },
  ])(
    'when the broker is asked for the next one and $name, the client is told, and stderr once',
    async ({ answer, want }) => {
      broker.next('POST /v1/grants/g000000000001/renew', answer);
      const running = exec('short', [
        '--verbose',
        ...fetching(`
        console.log('up');
        while (!require('fs').existsSync('${join(station.cwd, 'go')}')) await new Promise((r) => setTimeout(r, 5));
        const [status, { Code }] = await read(); await read();
        console.log(JSON.stringify([status, Code]))`),
      ]);
      await until(() => station.stdout().includes('up'));
      station.pass(61);
      station.write('go', '');
      const ran = await running;
      expect(JSON.parse(ran.stdout.split('\n')[1] ?? '')).toEqual(want);
      expect(ran.stderr.match(/no AWS credential of grant g000000000001: /g)).toHaveLength(1);
      expect(ran.stderr).not.toContain(SECRET);
      expect(states()).toEqual(['revoked']);
    },
  );

  const codeOf = (error: unknown) => String(((error as Error).cause as NodeJS.ErrnoException).code);
  test('the endpoint is gone when the grant is given back', async () => {
    let refused = '';
    broker.next('POST /v1/grants/g000000000001/revoke', {
      status: 200,
      body: broker.seed({ id: 'g000000000001', state: 'revoked' }),
      before: async () => {
        const [url = ''] = station.stdout().split('\n');
        refused = await fetch(url).then(String, codeOf);
      },
    });
    await exec('short', node('console.log(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI)'));
    expect(refused).toBe('ECONNREFUSED');
  });

  test('and with a command that cannot be started', async () => {
    expect(await exec('short', ['--', 'no-such-program-anywhere'])).toMatchObject({ code: 127 });
    expect(states()).toEqual(['revoked']);
  });
});

test('no output holds the credential, however it goes', async () => {
  for (const profile of Object.keys(CREDENTIALS)) {
    const ran = await exec(profile, ['--verbose', ...node('')]);
    expect(ran.stdout + ran.stderr).not.toContain(SECRET);
  }
  const broken = {
    ...streamOf(1),
    write: (_text: string, done: (error?: Error) => void) => (done(new Error('EPIPE')), false),
  };
  const ran = await exec('jwt', ['--verbose', ...node('')], {}, { stderr: broken });
  expect(ran.code).toBe(0);
});
