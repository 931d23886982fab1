import { chown, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';

/** An account's numbers, as `child_process` takes them. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Whom a server runs as: PostgreSQL refuses root, so root runs it as `nobody`; anybody else as themselves (`undefined`).
 * Throws `no_server_user`.
 */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = await readFile('/etc/passwd', 'utf8');
  const [, , uid, gid] = accounts.match(/^nobody:.*$/m)?.[0].split(':') ?? [];
  if (uid === undefined || gid === undefined) {
    throw new EmbeddedError(
      'no_server_user',
      'PostgreSQL does not run as root, and there is no account "nobody" to run it as: start Writ as another user',
    );
  }
  return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }; // macOS writes nobody as -2
}

/** Whether that account may pass through `directory` and all above it; modes decide, `directory` is a real path. */
export async function canEnter(directory: string, user: ServerUser): Promise<boolean> {
  const { uid, gid, mode } = await stat(directory);
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
  if (((mode >> shift) & 0o1) === 0) return false;
  const parent = dirname(directory);
  return parent === directory || canEnter(parent, user);
}

/** Gives a file or folder to whom the server runs as. */
export async function giveTo(path: string, user: ServerUser | undefined): Promise<void> {
  if (user) await chown(path, user.uid, user.gid);
}
