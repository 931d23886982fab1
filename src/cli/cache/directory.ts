import type { Stats } from 'node:fs';
import { lstat, mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

const OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * The user's own directory for what must not be read by others: `writ` in `XDG_RUNTIME_DIR`, which is a memory file system
 * of that user; where there is none, or it is another user's (as under `sudo -E`), `writ-<uid>` in the temporary directory.
 * It is made with mode 0700. What is there already must be a real directory, this user's and nobody else's to look into.
 * @throws CliError `cache_unusable`.
 */
export async function privateDirectory(env: Environment, uid: number | undefined): Promise<string> {
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime && isAbsolute(runtime) && (await isOwnRuntime(runtime, uid)))
    return ownDirectory(join(runtime, 'writ'), uid);
  const temporary = env['TMPDIR'] || tmpdir();
  const found = await stat(temporary).catch(() => undefined);
  if (!found || !keepsOthersOut(found, uid)) throw unusable(`${temporary} lets others replace what is in it`);
  return ownDirectory(join(temporary, uid === undefined ? 'writ' : `writ-${uid}`), uid);
}

export function unusable(fault: string): CliError {
  return new CliError('cache_unusable', `the cache of credentials cannot be used: ${fault}`, {
    exit: EXIT.failed,
    help: 'set XDG_RUNTIME_DIR to a private directory, or use --no-cache',
  });
}

/** https://specifications.freedesktop.org/basedir-spec/latest: owned by the user, who alone has access. */
async function isOwnRuntime(path: string, uid: number | undefined): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && isPrivate(found, uid);
}

async function ownDirectory(path: string, uid: number | undefined): Promise<string> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw unusable(`${path} cannot be made (${code})`);
  });
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw unusable(`${path} is no directory`);
  if (!isPrivate(found, uid)) throw unusable(`${path} is not this user's alone`);
  return path;
}

export function isPrivate(found: Stats, uid: number | undefined): boolean {
  return uid === undefined || (found.uid === uid && (found.mode & OTHERS) === 0);
}

/** Whether nobody but its owners can rename or remove what this user puts into a directory. */
function keepsOthersOut(found: Stats, uid: number | undefined): boolean {
  if (uid === undefined) return true;
  const owned = found.uid === uid || found.uid === 0;
  return owned && ((found.mode & WRITABLE_BY_OTHERS) === 0 || (found.mode & STICKY) !== 0);
}
