import { chmod, link, lstat, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';
import { canEnter, type ServerUser } from './server-user.ts';

/** Where the embedded default keeps what it needs between starts. */
export interface StateDirectory {
  /** The real path of `.writ`; only its owner may list it. Files in it are made with mode 0600, folders with 0700. */
  readonly path: string;
  /** Where the PostgreSQL servers live: a folder that their user can reach, in `path` if that is possible. */
  readonly servers: string;
}

const POINTER = 'servers-directory';
const OWNER_MARK = 'state-directory';

/**
 * Opens the state directory `path` (usually `.writ`, which may be a symbolic link), made if it is not there. When root runs
 * the servers as `user` and that account cannot reach it, the servers' folder is made in the system's temporary directory,
 * and a file in the state directory points there. Throws `state_unusable`.
 */
export async function openStateDirectory(path: string, user: ServerUser | undefined): Promise<StateDirectory> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const state = await realpath(path);
  const { uid } = await lstat(state);
  if (uid !== (process.getuid?.() ?? uid)) {
    throw new EmbeddedError('state_unusable', `${state} belongs to another user (uid ${uid}): start Writ as that user`);
  }
  await chmod(state, user ? 0o711 : 0o700); // who may pass through still cannot list or read
  return { path: state, servers: await serversDirectory(state, user) };
}

async function serversDirectory(state: string, user: ServerUser | undefined): Promise<string> {
  if (!user || (await canEnter(state, user))) {
    const inside = join(state, 'servers');
    await mkdir(inside, { recursive: true, mode: 0o711 });
    return inside;
  }
  await chmod(state, 0o700);
  const known = await readFile(join(state, POINTER), 'utf8').catch(() => undefined);
  if (known !== undefined) {
    if ((await isOurs(known, state)) && (await canEnter(known, user))) return known;
    await rm(join(state, POINTER), { force: true });
  }
  const made = await makeReachable('writ-', user);
  await writeFile(join(made, OWNER_MARK), state, { mode: 0o600 });
  if (await point(state, made)) return made;
  await rm(made, { recursive: true });
  return serversDirectory(state, user);
}

/** Writes the pointer, whole; `false` when another process has written one meanwhile. */
async function point(state: string, directory: string): Promise<boolean> {
  const draft = join(state, `${POINTER}.${process.pid}`);
  await writeFile(draft, directory, { mode: 0o600 });
  try {
    await link(draft, join(state, POINTER));
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
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
  return (await readFile(join(directory, OWNER_MARK), 'utf8').catch(() => '')) === state;
}

/** A new folder of mode 0711 in a temporary directory that `user` can reach. Throws `state_unusable`. */
export async function makeReachable(prefix: string, user: ServerUser | undefined): Promise<string> {
  for (const candidate of [tmpdir(), '/tmp', '/var/tmp']) {
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
