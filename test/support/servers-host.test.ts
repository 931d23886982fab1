import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { HOST_FILE, removeDeadRuns } from './runs.ts';
import type { TestServers } from './servers.ts';
import { until } from './waiting.ts';

const RUN = `
  const { default: setUp } = await import(${JSON.stringify(new URL('global-setup.js', import.meta.url).href)});
  await setUp();
  console.log(process.env['WRIT_TEST_SERVERS']);
  setInterval(() => {}, 60_000);
`;

interface Run {
  readonly process: ChildProcess;
  readonly servers: TestServers;
}

/** What jest does before the first test, in a process that can be killed. */
async function startRun(): Promise<Run> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', RUN], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { process: child, servers: JSON.parse(line) as TestServers };
}

async function answers(url: string): Promise<boolean> {
  const socket = createConnection(Number(new URL(url).port), '127.0.0.1');
  return once(socket, 'connect').then(
    () => Boolean(socket.destroy()),
    () => false,
  );
}

const isThere = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function nothingIsLeft({ directory, ledger, target }: TestServers): Promise<void> {
  await until(async () => !(await isThere(directory)));
  expect([await answers(ledger), await answers(target)]).toEqual([false, false]);
}

test('a run that is killed takes its servers with it', async () => {
  const run = await startRun();
  expect([await answers(run.servers.ledger), await answers(run.servers.target)]).toEqual([true, true]);
  run.process.kill('SIGKILL');
  await nothingIsLeft(run.servers);
});

test('what a killed host leaves is removed by the next run, and not the servers of a living one', async () => {
  const [dead, living] = await Promise.all([startRun(), startRun()]);
  process.kill(Number(await readFile(join(dead.servers.directory, HOST_FILE), 'utf8')), 'SIGKILL');
  await until(async () => {
    await removeDeadRuns(Date.now());
    return !(await isThere(dead.servers.directory));
  });
  await nothingIsLeft(dead.servers);
  expect(await answers(living.servers.ledger)).toBe(true);
  dead.process.kill('SIGKILL');
  living.process.kill('SIGKILL');
  await nothingIsLeft(living.servers);
});
