import { readPage, sectionOf } from './pages.ts';

/** Each promise of the README names the tests that hold it. */
const { rows } = sectionOf(await readPage('README.md'), 'The promises, and the tests that hold them');

test('there are nine', () => {
  expect(rows).toHaveLength(9);
});

test.each(rows.map(([promise = '', held = '']) => ({ promise: promise.replace(/:.*/, ''), held })))(
  '$promise',
  async ({ held }) => {
    const files = [...held.matchAll(/\]\((test\/[\w/-]+\.test\.ts)\)/g)].map((match) => match[1] ?? '');
    expect(files).not.toEqual([]);
    expect(held.replaceAll(/\[[^\]]*\]\([^)]*\)/g, '').replaceAll(/[ ,]/g, '')).toBe('');
    for (const file of files) expect(await readPage(file)).toMatch(/^\s*(test|describe)[.(]/m);
  },
);
