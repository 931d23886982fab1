import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPostmaster, signalPostmaster } from '../../src/dev/postmaster.ts';
import { temporaryDirectories } from '../../src/dev/state-directory.ts';

/** A test run's folder in the temporary directory, and the file in it with the process id of its host. */
export const RUN_PREFIX = 'writ-test-';
export const HOST_FILE = 'host';

const YOUNG_MS = 600_000;

/** Removes the folders of runs whose host was killed, and ends their servers; those of other users are left alone. */
export async function removeDeadRuns(nowMs: number): Promise<void> {
  for (const parent of temporaryDirectories()) {
    for (const name of await readdir(parent).catch(() => [])) {
      const run = join(parent, name);
      if (name.startsWith(RUN_PREFIX) && (await isDead(run, nowMs))) await removeRun(run);
    }
  }
}

async function isDead(run: string, nowMs: number): Promise<boolean> {
  const found = await stat(run).catch(() => undefined);
  if (!found || found.uid !== process.getuid?.()) return false;
  const host = Number(await readFile(join(run, HOST_FILE), 'utf8').catch(() => ''));
  return host > 0 ? !isAlive(host) : nowMs - found.mtimeMs > YOUNG_MS;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Ends every server under the folder, those that single tests started there included, and removes it. */
export async function removeRun(run: string): Promise<void> {
  await endServers(run);
  await rm(run, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

async function endServers(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === 'postmaster.pid')) return endServer(directory);
  if (entries.some(({ name }) => name === 'PG_VERSION')) return;
  for (const entry of entries) if (entry.isDirectory()) await endServers(join(directory, entry.name));
}

/** Without a checkpoint, and also one that a test has stopped with SIGSTOP. */
async function endServer(data: string): Promise<void> {
  for (const signals of [['SIGQUIT', 'SIGCONT'], ['SIGKILL']] as const) {
    for (let tries = 0; tries < 100; tries++) {
      const running = await findPostmaster(data, '');
      if (!running) return;
      if (tries === 0) for (const signal of signals) signalPostmaster(running.pid, signal);
      await sleep(50);
    }
  }
}
