import { mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRules, watchRules } from '../../src/config/index.ts';
import type { RulesWatch } from '../../src/config/index.ts';
import { makeLook } from '../../src/config/watch.ts';
import { put, removeTrees, tree } from './tree.ts';

const watches: RulesWatch[] = [];
afterEach(async () => Promise.all(watches.splice(0).map((watch) => watch.close())));
afterAll(removeTrees);

/** A watch whose changes can be awaited one by one. */
async function watched(directory: string) {
  const waiting: (() => void)[] = [];
  let changes = 0;
  const watch = await watchRules(
    directory,
    () => {
      changes += 1;
      waiting.shift()?.();
    },
    20,
  );
  watches.push(watch);
  return { watch, changes: () => changes, change: () => new Promise<void>((resolve) => void waiting.push(resolve)) };
}

test.each([
  { name: 'a file is written', act: (d: string) => writeFile(join(d, 'profiles/a.yaml'), 'changed') },
  { name: 'written again with as many bytes', act: (d: string) => writeFile(join(d, 'profiles/a.yaml'), 'n') },
  { name: 'added', act: (d: string) => put(d, 'policies/b.cedar', 'b') },
  { name: 'removed', act: (d: string) => rm(join(d, 'profiles/a.yaml')) },
  {
    name: 'replaced as editors do, its time kept',
    async act(d: string) {
      await writeFile(join(d, 'profiles/.a.yaml.new'), 'o');
      await utimes(join(d, 'profiles/.a.yaml.new'), 1, 1);
      await rename(join(d, 'profiles/.a.yaml.new'), join(d, 'profiles/a.yaml'));
    },
  },
  {
    name: 'replaced with its whole directory',
    async act(d: string) {
      await rename(join(d, 'profiles'), join(d, 'old'));
      await put(d, 'profiles/a.yaml', 'from elsewhere');
    },
  },
])('a change is seen when a file is $name', async ({ act }) => {
  const directory = await tree({ 'profiles/a.yaml': 'o' });
  const { change } = await watched(directory);
  const seen = change();
  await act(directory);
  await seen;
});

test('a directory that is not there yet, and comes, and goes, and comes back', async () => {
  const directory = join(await tree({}), 'rules');
  const { change } = await watched(directory);
  for (const round of ['first', 'second']) {
    const came = change();
    await put(directory, 'profiles/a.yaml', round);
    await came;
    expect(await readRules(directory)).toEqual({ 'profiles/a.yaml': round });
    const went = change();
    await rm(directory, { recursive: true });
    await went;
  }
});

test('changes are told once the files are still, and what tools leave behind is no change', async () => {
  const directory = await tree({ 'profiles/a.yaml': 'o' });
  const look = await makeLook(directory);
  const looks = async (act: () => Promise<unknown>) => {
    await act();
    return look();
  };
  expect([
    await looks(() => put(directory, 'profiles/.a.yaml.swp', 'x')),
    await looks(() => mkdir(join(directory, 'cases'))),
    await looks(() => put(directory, 'profiles/a.yaml', 'n1')),
    await looks(() => put(directory, 'profiles/a.yaml', 'n2')),
    await looks(() => put(directory, 'profiles/b.yaml', 'n')),
    await look(),
    await look(),
  ]).toEqual([false, false, false, false, false, true, false]);
});

test('a change that comes while the last one is applied is told afterwards, never beside it', async () => {
  const directory = await tree({ 'profiles/a.yaml': 'o' });
  let inside = 0;
  let most = 0;
  let rounds = 0;
  await new Promise<void>((done, failed) => {
    const apply = async () => {
      most = Math.max(most, ++inside);
      rounds += 1;
      if (rounds === 1) await put(directory, 'profiles/b.yaml', 'n');
      inside -= 1;
      if (rounds === 2) done();
    };
    watchRules(directory, apply, 20).then(async (watch) => {
      watches.push(watch);
      await put(directory, 'profiles/a.yaml', 'changed');
    }, failed);
  });
  expect([rounds, most]).toEqual([2, 1]);
});

test('nothing is told after it is closed', async () => {
  const directory = await tree({ 'profiles/a.yaml': 'o' });
  const { watch, changes } = await watched(directory);
  await writeFile(join(directory, 'profiles/a.yaml'), 'changed');
  await watch.close();
  const after = await watched(directory);
  const seen = after.change();
  await put(directory, 'profiles/b.yaml', 'n');
  await seen;
  expect(changes()).toBe(0);
});
