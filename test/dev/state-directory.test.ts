import { chmod, chown, cp, mkdir, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmbeddedErrorCode } from '../../src/dev/embedded-error.ts';
import { canEnter, type ServerUser } from '../../src/dev/server-user.ts';
import { makeReachable, openStateDirectory } from '../../src/dev/state-directory.ts';
import { testServers } from '../support/servers.ts';

/** An account that is not ours: only modes are looked at, no process runs as it. */
const SOMEBODY: ServerUser = { uid: 54_321, gid: 54_321 };
const isRoot = process.getuid?.() === 0;

let directory: string;
let temporary: string;
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const open = (path: string, user: ServerUser | undefined = SOMEBODY) => openStateDirectory(path, user, [temporary]);

beforeEach(async () => {
  directory = await makeReachable('state-', SOMEBODY, [testServers().directory]);
  temporary = join(directory, 'tmp');
  await mkdir(temporary);
});
afterEach(() => rm(directory, { recursive: true }));

describe('where the servers live', () => {
  test('without root: inside, and closed to all others', async () => {
    const path = join(directory, '.writ');
    expect(await openStateDirectory(path, undefined)).toEqual({ path, servers: join(path, 'servers') });
    expect([await modeOf(path), await modeOf(join(path, 'servers'))]).toEqual([0o700, 0o700]);
  });

  test('root, where the account can reach it: inside, to pass through and not to list', async () => {
    const path = join(directory, '.writ');
    expect(await open(path)).toEqual({ path, servers: join(path, 'servers') });
    expect([await modeOf(path), await modeOf(join(path, 'servers'))]).toEqual([0o711, 0o711]);
    expect(await canEnter(join(path, 'servers'), SOMEBODY)).toBe(true);
    expect(await readdir(temporary)).toEqual([]);
  });

  test.each([
    { closed: 'the clone', at: '..' },
    { closed: 'the state directory, which was there before', at: '.' },
  ])('root, where $closed is closed to the account: in a temporary directory, the same each time', async ({ at }) => {
    const path = join(directory, 'clone', '.writ');
    await mkdir(path, { recursive: true });
    await chmod(join(path, at), 0o700);
    const { servers } = await open(path);
    expect(servers).toMatch(new RegExp(`^${temporary}/writ-`));
    expect(await modeOf(servers)).toBe(0o711);
    expect(await readFile(join(path, 'servers-directory'), 'utf8')).toBe(servers);
    expect(await modeOf(join(path, 'servers-directory'))).toBe(0o600);
    expect(await modeOf(join(path, at))).toBe(0o700);
    expect((await open(path)).servers).toBe(servers);

    await chmod(join(path, at), 0o755); // and it does not move when the way is free later
    expect((await open(path)).servers).toBe(servers);
  });

  test('where a symbolic link points, there or not yet', async () => {
    const link = join(directory, '.writ');
    await symlink('elsewhere/state', link);
    const first = await open(link);
    expect(first.path).toBe(join(directory, 'elsewhere/state'));
    expect(await open(link)).toEqual(first);
  });

  test('no directory is left open where ours can be reached by nobody', async () => {
    await chmod(temporary, 0o700);
    await mkdir(join(directory, '.writ'), { mode: 0o700 });
    await expect(open(join(directory, '.writ'))).rejects.toMatchObject({ code: unusable });
  });
});

describe('a pointer is followed only to what is ours', () => {
  const closed = async (name: string) => {
    const path = join(directory, name);
    await mkdir(path, { mode: 0o700 });
    return path;
  };

  test('of two processes that make it at once both get the same', async () => {
    const path = await closed('.writ');
    const found = await Promise.all([open(path), open(path), open(path)]);
    expect(new Set(found.map(({ servers }) => servers)).size).toBe(1);
    expect(await readdir(temporary)).toHaveLength(1);
    expect(await readdir(path)).toEqual(['servers-directory']);
  });

  test('a copy of the clone gets its own', async () => {
    const path = await closed('.writ');
    const { servers } = await open(path);
    await cp(path, join(directory, 'copy'), { recursive: true });
    expect((await open(join(directory, 'copy'))).servers).not.toBe(servers);
    expect((await open(path)).servers).toBe(servers);
  });

  test.each<{ name: string; spoil: (servers: string) => Promise<void> }>([
    { name: 'is gone', spoil: (servers) => rm(servers, { recursive: true }) },
    { name: 'others can write to', spoil: (servers) => chmod(servers, 0o733) },
    { name: 'a group can write to', spoil: (servers) => chmod(servers, 0o731) },
    { name: 'the account cannot reach', spoil: (servers) => chmod(servers, 0o700) },
    { name: 'has no mark of ours', spoil: (servers) => rm(join(servers, 'state-directory')) },
    {
      name: 'is a symbolic link',
      spoil: async (servers) => {
        await cp(servers, `${servers}-real`, { recursive: true });
        await chmod(`${servers}-real`, 0o711);
        await rm(servers, { recursive: true });
        await symlink(`${servers}-real`, servers);
      },
    },
    {
      name: 'is a file',
      spoil: async (servers) => {
        await rm(servers, { recursive: true });
        await writeFile(servers, '');
      },
    },
    ...(isRoot
      ? [{ name: 'is of another account', spoil: (servers: string) => chown(servers, SOMEBODY.uid, SOMEBODY.gid) }]
      : []),
  ])('a folder that $name is left alone', async ({ spoil }) => {
    const path = await closed('.writ');
    const { servers } = await open(path);
    await spoil(servers);
    const before = await stat(servers).catch(() => undefined);
    const again = await open(path);
    expect(again.servers).not.toBe(servers);
    expect((await open(path)).servers).toBe(again.servers);
    expect((await stat(servers).catch(() => undefined))?.ino).toBe(before?.ino);
  });
});

describe('what is not usable', () => {
  test('a folder of servers that is a link, or of somebody else', async () => {
    const path = await realpath(directory);
    await symlink(temporary, join(path, 'servers'));
    await expect(openStateDirectory(path, undefined)).rejects.toMatchObject({ code: unusable });
    if (!isRoot) return;
    await rm(join(path, 'servers'));
    await mkdir(join(path, 'servers'));
    await chown(join(path, 'servers'), SOMEBODY.uid, SOMEBODY.gid);
    await expect(openStateDirectory(path, undefined)).rejects.toMatchObject({ code: unusable });
  });

  test('a file in its place', async () => {
    await writeFile(join(directory, '.writ'), '');
    await expect(open(join(directory, '.writ'))).rejects.toMatchObject({ code: unusable });
  });
});

const unusable: EmbeddedErrorCode = 'state_unusable';
