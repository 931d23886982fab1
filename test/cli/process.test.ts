import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deferred } from '../support/deferred.ts';
import { startFakeBroker, OPERATOR_TOKENS, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS } from './harness.ts';

/** The command line as people meet it: a real process, real signals, pipes that somebody closes. */
const project = fileURLToPath(new URL('../..', import.meta.url));

let broker: FakeBroker;
beforeEach(async () => {
  broker = await startFakeBroker(() => new Date());
  broker.offer('jwt', CREDENTIALS.jwt);
});
afterEach(() => broker.close());

function writ(argv: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--import', './.config/ts-loader.js', 'test/cli/writ-process.ts', ...argv],
    {
      cwd: project,
      env: { PATH: process.env['PATH'], WRIT_URL: broker.url, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const out = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
  const ended = once(child, 'close').then(([code]: unknown[]) => ({ code, ...out }));
  return { child, out, ended };
}

const exec = (script: string) =>
  writ(['exec', '--profile', 'jwt', '--', process.execPath, '-e', script], { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN });
const upIn = async (running: ReturnType<typeof writ>) => {
  while (!running.out.stdout.includes('up')) await once(running.child.stdout, 'data');
};

test('stdin, stdout and stderr are the command’s own', async () => {
  const running = exec(
    `process.stdin.on('data', (d) => process.stdout.write(d)); console.error('e'); process.on('exit', () => process.exitCode = 6)`,
  );
  running.child.stdin.end('through and through');
  expect(await running.ended).toEqual({ code: 6, stdout: 'through and through', stderr: 'e\n' });
  expect([...broker.grants.values()]).toMatchObject([{ state: 'revoked' }]);
});

test('SIGTERM reaches the command, the grant is given back, and the exit code says so', async () => {
  const running = exec(`setInterval(() => {}, 1000); console.log('up')`);
  await upIn(running);
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 143, stderr: '' });
  expect([...broker.grants.values()]).toMatchObject([{ state: 'revoked' }]);
});

test('SIGTERM twice ends a command that ignores it', async () => {
  const running = exec(
    `process.on('SIGTERM', () => console.log('no')); setInterval(() => {}, 1000); console.log('up')`,
  );
  await upIn(running);
  running.child.kill('SIGTERM');
  while (!running.out.stdout.includes('no')) await once(running.child.stdout, 'data');
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 137 });
  expect([...broker.grants.values()]).toMatchObject([{ state: 'revoked' }]);
});

test('a reader that goes away ends a list quietly', async () => {
  for (let i = 0; i < 40; i += 1) broker.seed({ id: `g${String(i).padStart(12, '0')}` });
  const running = writ(['grants', '--json'], { WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security });
  running.child.stdout.destroy();
  expect(await running.ended).toMatchObject({ code: 1, stderr: '' });
});

test('a credential that nobody reads is given back', async () => {
  const running = writ(['credential', '--profile', 'jwt', '--format', 'json'], { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN });
  running.child.stdout.destroy();
  expect(await running.ended).toMatchObject({ code: 1, stderr: '' });
  expect([...broker.grants.values()]).toMatchObject([{ state: 'revoked' }]);
});

describe('with the cache', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'writ-cache-'))));
  afterEach(() => rmSync(directory, { recursive: true }));
  const credential = () =>
    writ(['credential', '--profile', 'jwt', '--format', 'json', '--cache'], {
      WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN,
      XDG_RUNTIME_DIR: directory,
    });

  test('a credential that nobody reads is kept for whoever comes next', async () => {
    const running = credential();
    running.child.stdout.destroy();
    expect(await running.ended).toMatchObject({ code: 1, stderr: '' });
    expect([...broker.grants.values()]).toMatchObject([{ state: 'active' }]);
    expect(await credential().ended).toMatchObject({ code: 0, stderr: '' });
    expect(broker.requests).toHaveLength(1);
  });

  test('one that is killed while the broker works: the next goes on at once, with the same request', async () => {
    const asked = deferred<void>();
    broker.next('POST /v1/grants', { fault: 'hang', before: async () => asked.resolve() });
    const killed = credential();
    await asked.promise;
    killed.child.kill('SIGKILL');
    await killed.ended;
    const start = Date.now();
    expect(await credential().ended).toMatchObject({ code: 0, stderr: '' });
    expect(Date.now() - start).toBeLessThan(20_000);
    const keys = broker.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([expect.any(String), keys[0]]);
    expect(readdirSync(join(directory, 'writ'))).toHaveLength(1);
  });
});
