import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AwsCredential } from '../../src/client/index.ts';
import { startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker, Lives } from '../support/fake-broker.ts';
import { startStsEndpoint } from './sts-endpoint.ts';
import type { StsEndpoint } from './sts-endpoint.ts';

/**
 * Writ and the AWS SDK as they meet: the SDK's default chain in a process of its own, a real `writ`, and an STS that checks
 * signatures and takes nothing that has ended. The SDK fetches anew what ends within five minutes: credentials of a minute are
 * asked for again and again.
 */
const project = fileURLToPath(new URL('../..', import.meta.url));
const NODE = [process.execPath, '--no-warnings', '--import', './.config/ts-loader.js'];
const WRIT = [...NODE, 'test/cli/writ-process.ts'];
const CALLER = [...NODE, 'test/cli/aws-caller.ts'];

let directory: string;
let broker: FakeBroker;
let sts: StsEndpoint;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'writ-sdk-'));
  broker = await startFakeBroker(() => new Date());
  sts = await startStsEndpoint();
});
afterEach(async () => {
  await Promise.all([broker.close(), sts.close()]);
  rmSync(directory, { recursive: true });
});

function offer(profile: string, lives: Lives): void {
  const make = (mint: number): AwsCredential => {
    const until = new Date(Date.now() + (lives.credential ?? lives.grant) * 1000);
    const secrets = { secret_access_key: `secret/${mint}+`, session_token: `session/${mint}==` };
    const made = {
      type: 'aws',
      access_key_id: `ASIA${mint}`,
      ...secrets,
      region: 'eu-west-1',
      expiration: until.toISOString(),
    } as const;
    sts.admit(made, until);
    return made;
  };
  broker.offer(profile, make, lives);
}

/** Each starts with nothing of AWS but what it is given. */
async function run(argv: readonly string[], env: Readonly<Record<string, string>>) {
  const home = {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    XDG_RUNTIME_DIR: directory,
    AWS_ENDPOINT_URL_STS: sts.url,
  };
  const [command = '', ...args] = argv;
  const child = spawn(command, args, {
    cwd: project,
    env: { ...home, WRIT_URL: broker.url, WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
  const [code] = (await once(child, 'close')) as unknown[];
  return { code, stderr: out.stderr, told: out.stdout.split('\n').slice(0, -1) };
}

/** A program whose configuration names `writ credential`; each call of that leaves a line. */
function throughProcess(profile: string, calls: number, pause: number, ...options: string[]) {
  const [config, script, log] = ['config', 'helper', 'helper.log'].map((name) =>
    join(directory, `${profile}.${name}`),
  ) as [string, string, string];
  const words = [...WRIT, 'credential', '--profile', profile, '--format', 'aws-process', ...options].map(
    (word) => `'${word}'`,
  );
  writeFileSync(script, `echo called >> '${log}'\nexec ${words.join(' ')}\n`);
  writeFileSync(config, `[default]\nregion = eu-west-1\ncredential_process = /bin/sh '${script}'\n`);
  const env = { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
  const helped = () => readFileSync(log, 'utf8').split('\n').length - 1;
  return run([...CALLER, String(calls), String(pause)], env).then((ran) => ({ ...ran, helped: helped() }));
}
const throughExec = (profile: string, calls: number, pause: number, ...options: string[]) =>
  run([...WRIT, 'exec', '--profile', profile, ...options, '--', ...CALLER, String(calls), String(pause)], {});

/** What a profile has cost. */
function costOf(profile: string) {
  const grants = [...broker.grants.values()].filter((grant) => grant.profile === profile);
  const renewals = broker.requests.filter(({ path }) => grants.some(({ id }) => path === `/v1/grants/${id}/renew`));
  return { issuances: grants.length, renewals: renewals.length, states: grants.map(({ state }) => state) };
}

describe('credentials that outlast the program', () => {
  test('credential_process: asked for again and again, issued once', async () => {
    offer('minute', { grant: 900, credential: 60 });
    const { told, code, stderr, helped } = await throughProcess('minute', 5, 1_200);
    expect({ told, code, stderr }).toEqual({ told: Array(5).fill('ASIA1'), code: 0, stderr: '' });
    expect(helped).toBeGreaterThanOrEqual(4);
    expect(costOf('minute')).toEqual({ issuances: 1, renewals: 0, states: ['active'] });
  });

  test('without the cache each of these is a grant', async () => {
    offer('minute', { grant: 900, credential: 60 });
    const { helped } = await throughProcess('minute', 3, 1_200, '--no-cache');
    expect(helped).toBeGreaterThanOrEqual(2);
    expect(costOf('minute')).toMatchObject({ issuances: helped });
  });

  test('exec, through its endpoint, and over when the command is', async () => {
    offer('minute', { grant: 900, credential: 60 });
    expect(await throughExec('minute', 5, 50)).toEqual({ told: Array(5).fill('ASIA1'), code: 0, stderr: '' });
    expect(costOf('minute')).toEqual({ issuances: 1, renewals: 0, states: ['revoked'] });
  });

  test.each([[], ['--aws-endpoint']])('exec, where they last as long as the grant %s', async (...options: string[]) => {
    offer('whole', { grant: 900 });
    expect(await throughExec('whole', 2, 50, ...options)).toEqual({ told: ['ASIA1', 'ASIA1'], code: 0, stderr: '' });
    expect(costOf('whole')).toEqual({ issuances: 1, renewals: 0, states: ['revoked'] });
  });

  test('standing credentials in the user’s own files are not what exec’s command finds', async () => {
    offer('minute', { grant: 900, credential: 60 });
    const standing = '[default]\naws_access_key_id = AKIASTANDING\naws_secret_access_key = standing\n';
    mkdirSync(join(directory, '.aws'));
    writeFileSync(join(directory, '.aws', 'credentials'), standing);
    const ran = await run([...WRIT, 'exec', '--profile', 'minute', '--', ...CALLER], {});
    expect(ran).toEqual({ told: ['ASIA1'], code: 0, stderr: '' });
  });
});

/** 6 seconds, used for 13: renewed after 4 and after 8 at the latest. Side by side, since they mostly wait. */
test('credentials that end while the program runs: one grant, renewed', async () => {
  offer('process', { grant: 300, credential: 6 });
  offer('endpoint', { grant: 300, credential: 6 });
  const [helper, endpoint] = await Promise.all([throughProcess('process', 27, 500), throughExec('endpoint', 27, 500)]);
  for (const { told, code, stderr } of [helper, endpoint]) {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(told).toHaveLength(27);
    expect(told.filter((key) => !key.startsWith('ASIA'))).toEqual([]);
    expect(new Set(told).size).toBeGreaterThanOrEqual(3);
  }
  for (const profile of ['process', 'endpoint']) {
    const { issuances, renewals } = costOf(profile);
    expect(issuances).toBe(1);
    expect(renewals).toBeGreaterThanOrEqual(2);
    expect(renewals).toBeLessThanOrEqual(5);
  }
  expect(costOf('endpoint').states).toEqual(['revoked']);
});

test('a grant that ends: the program gets no credential, and no other grant is made', async () => {
  offer('brief', { grant: 3, credential: 3 });
  const { told } = await throughExec('brief', 2, 3_500, '--aws-endpoint');
  expect(told).toEqual(['ASIA1', 'CredentialsProviderError']);
  expect(costOf('brief')).toMatchObject({ issuances: 1, renewals: 0 });
});

test('many at once that want the same make one issuance', async () => {
  offer('minute', { grant: 900, credential: 60 });
  const argv = [...WRIT, 'credential', '--profile', 'minute', '--format', 'json', '--cache'];
  const all = await Promise.all(Array.from({ length: 8 }, () => run(argv, {})));
  expect(all.map(({ code, stderr }) => `${String(code)}${stderr}`)).toEqual(Array(8).fill('0'));
  expect(new Set(all.map(({ told }) => told.join())).size).toBe(1);
  expect(costOf('minute')).toEqual({ issuances: 1, renewals: 0, states: ['active'] });
});
