import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentialSource, WritError } from '../../src/client/index.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-source-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('the file wins and is read anew each time', async () => {
  const file = join(directory, 'token');
  await writeFile(file, 'first\n');
  const source = credentialSource({ WRIT_IDENTITY_TOKEN_FILE: file, WRIT_IDENTITY_TOKEN: 'other' });
  expect(await source()).toBe('first');
  await writeFile(file, 'second');
  expect(await source()).toBe('second');
});

test('the variable alone', async () => {
  expect(await credentialSource({ WRIT_IDENTITY_TOKEN: ' token\n' })()).toBe('token');
});

test.each([
  { name: 'nothing set', env: () => ({}) },
  { name: 'an empty variable', env: () => ({ WRIT_IDENTITY_TOKEN: '' }) },
  {
    name: 'a file that is not there, whatever the variable says',
    env: () => ({ WRIT_IDENTITY_TOKEN_FILE: join(directory, 'no'), WRIT_IDENTITY_TOKEN: 'x' }),
  },
  { name: 'an empty file', env: () => ({ WRIT_IDENTITY_TOKEN_FILE: join(directory, 'empty') }) },
])('missing: $name', async ({ env }) => {
  await writeFile(join(directory, 'empty'), '\n');
  const error: unknown = await credentialSource(env())().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(WritError);
  expect(error).toMatchObject({ code: 'identity_token_missing', status: 0 });
});
