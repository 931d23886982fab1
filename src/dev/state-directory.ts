import { randomUUID } from 'node:crypto';
import { access, chmod, constants, link, lstat, mkdir, mkdtemp } from 'node:fs/promises';
import { readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { codeOf, EmbeddedError } from './embedded-error.ts';
import { canEnter, type ServerUser } from './server-user.ts';

/** Where the embedded default keeps what it needs between starts. */
export interface StateDirectory {
  /** The real path of `.writ`. What is put there is made with mode 0600, folders with 0700. */
  readonly path: string;
  /** Where the PostgreSQL servers live: a folder that their user can reach, in `path` if that is possible. */
  readonly servers: string;
}

const POINTER = 'servers-directory';
const MARK = 'state-directory';

/**
 * Opens the state directory `path` (usually `.writ`, which may be a symbolic link), made if it is not there. What is there
 * keeps its mode. When root runs the servers as `user`, and that account cannot reach it, the servers' folder is made in a
 * temporary directory, and a file in the state directory points to it. Throws `state_unusable`.
 */
export async function openStateDirectory(
  path: string,
  user: ServerUser | undefined,
  temporary: readonly string[] = temporaryDirectories(),
): Promise<StateDirectory> {
  const state = await makeState(path, user).catch((cause: unknown) => {
    throw new EmbeddedError('state_unusable', `the state directory ${path} cannot be written to`, { cause });
  });
  return { path: state, servers: await serversDirectory(state, user, temporary) };
}

async function makeState(path: string, user: ServerUser | undefined): Promise<string> {
  const target = await readlink(path).then(
    (to) => resolve(dirname(path), to),
    () => path,
  );
  const made = await mkdir(target, { recursive: true, mode: 0o700 });
  const state = await realpath(target);
  // Who may pass through a folder still cannot list it.
  if (made && user && (await canEnter(dirname(state), user))) await chmod(state, 0o711);
  await access(state, constants.W_OK | constants.X_OK);
  return state;
}

async function serversDirectory(
  state: string,
  user: ServerUser | undefined,
  temporary: readonly string[],
): Promise<string> {
  if (!user) return ownFolder(join(state, 'servers'), 0o700);
  const known = await readFile(join(state, POINTER), 'utf8').catch(() => undefined);
  if (known !== undefined) {
    if ((await isOurs(known, state)) && (await canEnter(known, user))) return known;
    await rm(join(state, POINTER), { force: true });
  }
  if (await canEnter(state, user)) return ownFolder(join(state, 'servers'), 0o711);

  const made = await makeReachable('writ-', user, temporary);
  await writeFile(join(made, MARK), state, { mode: 0o600 });
  if (await point(state, made)) return made;
  await rm(made, { recursive: true });
  return serversDirectory(state, user, temporary);
}

async function ownFolder(path: string, mode: number): Promise<string> {
  await mkdir(path, { recursive: true });
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) {
    const help = 'start Writ as that user, or let another state directory be made';
    throw new EmbeddedError('state_unusable', `${path} belongs to another user (uid ${found.uid}): ${help}`);
  }
  await chmod(path, mode);
  return path;
}

/** Writes the pointer, whole; `false` when another process has written one meanwhile. */
async function point(state: string, directory: string): Promise<boolean> {
  const draft = join(state, `${POINTER}.${randomUUID()}`);
  await writeFile(draft, directory, { mode: 0o600 });
  try {
    await link(draft, join(state, POINTER));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * Anybody may put things into a temporary directory: what the pointer names counts only if it is a real folder that is
 * ours, that nobody else can write to, and that says itself that it belongs to this state directory (and not to the one
 * that this is a copy of).
 */
async function isOurs(directory: string, state: string): Promise<boolean> {
  const found = await lstat(directory).catch(() => undefined);
  if (!found?.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) return false;
  return (await readFile(join(directory, MARK), 'utf8').catch(() => '')) === state;
}

/** Where a folder may be made that other accounts can reach, in order of preference. */
export function temporaryDirectories(): readonly string[] {
  return [...new Set([tmpdir(), '/tmp', '/var/tmp'])];
}

/** A new folder of mode 0711 in the first temporary directory that `user` can reach. Throws `state_unusable`. */
export async function makeReachable(
  prefix: string,
  user: ServerUser | undefined,
  temporary: readonly string[],
): Promise<string> {
  for (const candidate of temporary) {
    const parent = await realpath(candidate).catch(() => undefined);
    if (parent === undefined || (user && !(await canEnter(parent, user)))) continue;
    const directory = await mkdtemp(join(parent, prefix));
    await chmod(directory, 0o711);
    return directory;
  }
  throw new EmbeddedError(
    'state_unusable',
    'no temporary directory can be reached by the account that runs PostgreSQL',
  );
}
