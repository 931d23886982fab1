import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';
import type { Binaries } from './postgres-binaries.ts';
import { SERVER_ENVIRONMENT, type Cluster } from './postgres-cluster.ts';
import type { ServerUser } from './server-user.ts';

export const HOST = '127.0.0.1';
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

export interface Launch {
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  /** Default: that of last time if it is free, else one that the operating system gives. */
  readonly port?: number;
  /** Server settings, as on PostgreSQL's command line. */
  readonly settings?: Readonly<Record<string, string>>;
  /** `false` for what is thrown away: commits do not wait for the disk. */
  readonly durable: boolean;
}

export interface Launched {
  readonly pid: number;
  exited(): boolean;
}

/**
 * Starts the server's process and does not wait for more: loopback only, no Unix socket, a process group of its own, so
 * that Ctrl-C reaches us and not it. Its messages go to the cluster's log.
 */
export async function launch(cluster: Cluster, options: Launch): Promise<Launched> {
  const settings = {
    listen_addresses: HOST,
    port: String(options.port ?? (await choosePort(cluster))),
    unix_socket_directories: '',
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...options.settings,
  };
  const args = ['-D', cluster.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const log = await openLog(cluster);
  try {
    const child = spawn(options.binaries.postgres, args, {
      ...options.user,
      cwd: '/',
      detached: true,
      env: SERVER_ENVIRONMENT,
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn');
    child.unref();
    if (child.pid === undefined) throw new EmbeddedError('did_not_start', 'PostgreSQL has no process');
    return { pid: child.pid, exited: () => child.exitCode !== null || child.signalCode !== null };
  } finally {
    await log.close();
  }
}

/** The last thing that the server complained of, for a person. */
export async function lastComplaint(cluster: Cluster): Promise<string> {
  const lines = (await readFile(cluster.log, 'utf8').catch(() => '')).split('\n');
  return lines.findLast((line) => /\b(FATAL|PANIC|ERROR)\b/.test(line)) ?? '';
}

async function openLog(cluster: Cluster): Promise<FileHandle> {
  const log = await open(cluster.log, 'a', 0o600);
  if ((await log.stat()).size > LOG_LIMIT_BYTES) await log.truncate();
  return log;
}

async function choosePort(cluster: Cluster): Promise<number> {
  const last = Number(await readFile(join(cluster.home, 'port'), 'utf8').catch(() => ''));
  return (Number.isInteger(last) && last > 0 && (await freePort(last))) || (await freePort(0)) || 0;
}

/** `port` itself, or for 0 any, if it can be listened on now; `undefined` if not. */
async function freePort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, HOST);
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address ? address.port : undefined;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
