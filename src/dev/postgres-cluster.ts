import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Secret } from '../domain/secret.ts';
import type { Binaries } from './postgres-binaries.ts';
import { giveTo, type ServerUser } from './server-user.ts';

/** What is kept of a server between its runs. */
export interface Cluster {
  /** The folder of all the server's files; its user may pass through it. */
  readonly home: string;
  /** PostgreSQL's own data directory, which belongs to the user that it runs as. */
  readonly data: string;
  readonly log: string;
  readonly password: Secret<string>;
}

export const SUPERUSER = 'postgres';

/**
 * The cluster `name` under `directory`, made if it is not there. It is made under another name and moved into place as a
 * whole, so that one that was killed half-way is never taken for a cluster, and of two processes that make it at once the
 * second finds that of the first. `durable: false` leaves its files to the operating system's cache.
 */
export async function openCluster(options: {
  readonly name: string;
  readonly directory: string;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly durable: boolean;
}): Promise<Cluster> {
  const home = join(options.directory, options.name);
  if (!(await isDirectory(home))) await makeCluster(options, home);
  return {
    home,
    data: join(home, 'data'),
    log: join(home, 'log'),
    password: new Secret((await readFile(join(home, 'password'), 'utf8')).trim()),
  };
}

async function makeCluster(options: Parameters<typeof openCluster>[0], home: string): Promise<void> {
  const { directory, name, user, binaries, durable } = options;
  const draft = await mkdtemp(join(directory, `draft-${name}-`));
  try {
    await chmod(draft, 0o711);
    const data = join(draft, 'data');
    await mkdir(data, { mode: 0o700 });
    await giveTo(data, user);
    const password = randomBytes(24).toString('base64url');
    const passwordFile = join(draft, 'password');
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
    const passwordForServer = join(draft, 'password-for-initdb');
    await writeFile(passwordForServer, password, { mode: 0o600, flag: 'wx' });
    await giveTo(passwordForServer, user);

    const args = [
      ...['-D', data, '-U', SUPERUSER, '-A', 'scram-sha-256', '--pwfile', passwordForServer, '-E', 'UTF8'],
      ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions'],
      ...(durable ? [] : ['--no-sync']),
    ];
    await promisify(execFile)(binaries.initdb, args, { ...user, cwd: '/', env: SERVER_ENVIRONMENT });
    await rm(passwordForServer);
    await rename(draft, home);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await isDirectory(home))) throw error;
  }
}

/** None of ours: it may hold secrets, and anybody who becomes the server's user could read it. */
export const SERVER_ENVIRONMENT: NodeJS.ProcessEnv = { LC_ALL: 'C', TZ: 'UTC' };

/** Removes what processes left that died while they made something in `directory`. */
export async function sweepDrafts(directory: string, olderThanMs: number, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith('draft-')) continue;
    const path = join(directory, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => nowMs - mtimeMs,
      () => 0,
    );
    if (age > olderThanMs) await rm(path, { recursive: true, force: true });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
