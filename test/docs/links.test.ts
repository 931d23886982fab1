import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { allPages, codesOf, proseOf, readPage, ROOT, sectionsOf } from './pages.ts';

/** What a page points to is there: files, headings of other pages, and paths of this repository in the text. */
interface Pointer {
  readonly page: string;
  readonly target: string;
}

const pages = await allPages();
const texts = new Map(await Promise.all(pages.map(async (page) => [page, await readPage(page)] as const)));

function linksOf(page: string): Pointer[] {
  const found = proseOf(texts.get(page) ?? '').matchAll(/\]\(([^)\s]+)\)/g);
  return [...found].map((match) => ({ page, target: match[1] ?? '' }));
}

/** As GitHub makes them: lower case, without punctuation, with dashes. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const exists = (path: string) =>
  access(join(ROOT, path)).then(
    () => true,
    () => false,
  );

const relative = pages.flatMap(linksOf).filter(({ target }) => !/^[a-z]+:/.test(target));

test('every relative link leads to a file', async () => {
  expect(relative.length).toBeGreaterThan(30);
  const missing = [];
  for (const { page, target } of relative) {
    const [path = ''] = target.split('#');
    if (path !== '' && !(await exists(join(dirname(page), path)))) missing.push(`${page}: ${target}`);
  }
  expect(missing).toEqual([]);
});

test('every link to a heading leads to one', async () => {
  const anchored = relative.filter(({ target }) => target.includes('#'));
  expect(anchored.length).toBeGreaterThan(10);
  const missing = [];
  for (const { page, target } of anchored) {
    const [path = '', anchor] = target.split('#');
    const other = path === '' ? page : join(dirname(page), path);
    const headings = sectionsOf(texts.get(other) ?? '').map(({ heading }) => anchorOf(heading));
    if (!headings.includes(anchor ?? '')) missing.push(`${page}: ${target}`);
  }
  expect(missing).toEqual([]);
});

test('other links are https', () => {
  const others = pages.flatMap(linksOf).filter(({ target }) => /^[a-z]+:/.test(target));
  expect(others.filter(({ target }) => !target.startsWith('https://'))).toEqual([]);
});

test('paths of this repository in the text exist', async () => {
  const missing = [];
  let seen = 0;
  for (const [page, text] of texts) {
    const paths = codesOf(proseOf(text)).filter((code) =>
      /^(src|test|docs|prisma|\.config|\.ci)\/[\w./-]*$/.test(code),
    );
    seen += paths.length;
    for (const path of paths) if (!(await exists(path))) missing.push(`${page}: ${path}`);
  }
  expect(seen).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

test('every page of docs/ can be reached from the README, or from an index that it leads to', () => {
  const pointedTo = (page: string) => linksOf(page).map(({ target }) => join(dirname(page), target));
  const first = pointedTo('README.md');
  const indexes = first.filter((page) => page.endsWith('/README.md'));
  const reached = new Set([...first, ...indexes.flatMap(pointedTo)]);
  expect(pages.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([]);
});
