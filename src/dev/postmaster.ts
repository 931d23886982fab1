import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { codeOf, EmbeddedError } from './embedded-error.ts';

/** What `postmaster.pid` says of the server of a data directory: line 1 its process, line 4 its port. */
export interface Postmaster {
  readonly pid: number;
  /** 0 until the server has written it. */
  readonly port: number;
  /** Whether the process runs these very binaries, and not those of before an update. */
  readonly current: boolean;
}

const POLL_MS = 20;
const NO_PID = '2147483646'; // above every system's limit

/**
 * The living server of `data`, or `undefined`. A process that merely got the number of a dead server does not count: the
 * command line must be that of a server of this very directory (a zombie has none).
 */
export async function findPostmaster(data: string, postgres: string): Promise<Postmaster | undefined> {
  const lines = (await readText(join(data, 'postmaster.pid'))).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  const command = await commandLine(pid);
  if (!isServerOf(data, command)) return undefined;
  return { pid, port: Number(lines[3] ?? 0) || 0, current: command.startsWith(`${postgres} `) };
}

/**
 * Makes a `postmaster.pid` that no living server owns harmless: PostgreSQL refuses to start while any process of the same
 * account has the number in line 1. The rest stays, because by line 7 it tells whether children of a dead server live on.
 */
export async function disownPidFile(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const lines = (await readText(file)).split('\n');
  if (lines.length > 1) await writeFile(file, [NO_PID, ...lines.slice(1)].join('\n'));
}

/**
 * Ends a server: politely first (SIGINT, "fast": clients are cut, a checkpoint is written), then at once (SIGQUIT, which
 * the next start recovers from). What was committed survives both. Throws `did_not_stop`.
 */
export async function stopPostmaster(data: string, pid: number): Promise<void> {
  const steps = [
    { signal: 'SIGINT', waitMs: 15_000 },
    { signal: 'SIGQUIT', waitMs: 10_000 },
  ] as const;
  for (const { signal, waitMs } of steps) {
    if (await serves(pid, data)) signalPostmaster(pid, signal);
    if (await gone(data, pid, waitMs)) return;
  }
  throw new EmbeddedError('did_not_stop', `the PostgreSQL server with process id ${pid} does not stop`);
}

/** A server that has ended meanwhile is no error. */
export function signalPostmaster(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

async function gone(data: string, pid: number, waitMs: number): Promise<boolean> {
  for (let waited = 0; waited < waitMs; waited += POLL_MS) {
    if (!(await serves(pid, data))) return true;
    await sleep(POLL_MS);
  }
  return false;
}

async function serves(pid: number, data: string): Promise<boolean> {
  return isServerOf(data, await commandLine(pid));
}

function isServerOf(data: string, command: string): boolean {
  return `${command} `.includes(` -D ${data} `);
}

/** The command line of a process, empty when there is none. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') return (await readText(`/proc/${pid}/cmdline`)).replaceAll('\0', ' ');
  const [command, ...args] =
    process.platform === 'win32'
      ? [
          'powershell',
          '-NoProfile',
          '-Command',
          `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`,
        ]
      : ['ps', '-ww', '-o', 'command=', '-p', String(pid)];
  return promisify(execFile)(command, args).then(
    ({ stdout }) => stdout,
    () => '',
  );
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
