import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { providerKinds } from '../../src/providers/index.ts';
import { FINDING_KINDS as AWS } from '../../src/providers/aws/findings.ts';
import { FINDING_KINDS as POSTGRES } from '../../src/providers/postgres/findings.ts';
import { GUARD_SQL } from '../../src/providers/postgres/guard.ts';
import { FINDING_KINDS as VAULT } from '../../src/providers/vault/findings.ts';
import { blocksOf, codesOf, readPage, ROOT, sectionOf, sectionsOf } from './pages.ts';

/** One page a provider, with one set of headings; each finding and each refusal is on it, and nothing else is. */
const HEADINGS = [
  'What it gives',
  'Set-up',
  'Profile',
  'How it ends',
  'What it checks of its own set-up',
  'Limits',
  'When something goes wrong',
];
const kinds = providerKinds.map(({ kind }) => kind);

test('every kind has a page, and every page a kind', async () => {
  const pages = await readdir(join(ROOT, 'docs/providers'));
  expect(pages.sort()).toEqual(kinds.map((kind) => `${kind}.md`).sort());
});

describe.each(kinds)('%s', (kind) => {
  test('the headings are those of every provider, in their order', async () => {
    const [title, ...headings] = sectionsOf(await readPage(`docs/providers/${kind}.md`)).map(({ heading }) => heading);
    expect(title).toBe(`Provider \`${kind}\``);
    expect(headings).toEqual(HEADINGS);
  });

  test('every reason that its code gives for refusing is told apart', async () => {
    const page = await readPage(`docs/providers/${kind}.md`);
    const told = sectionOf(page, 'When something goes wrong').rows.flat().join(' ');
    const reasons = await reasonsOf(kind);
    expect(reasons.length).toBeGreaterThan(3);
    expect(reasons.filter((reason) => !told.includes(reason))).toEqual([]);
    const written = [...told.matchAll(/"finding": "([a-z_]+)"/g)].map((match) => match[1] ?? '');
    expect(written.filter((reason) => !reasons.includes(reason))).toEqual([]);
  });
});

/** `finding` among the facts of an error, which is always a literal. */
async function reasonsOf(kind: string): Promise<string[]> {
  const folder = join(ROOT, 'src/providers', kind);
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  const found = files.flatMap((text) => [...text.matchAll(/(?:finding: |refused\()'([a-z_]+)'/g)]);
  return [...new Set(found.map((match) => match[1] ?? ''))];
}

const findings = async (kind: string) => {
  const page = await readPage(`docs/providers/${kind}.md`);
  const { rows } = sectionOf(page, 'What it checks of its own set-up');
  return Object.fromEntries(rows.map(([code = '', severity]) => [codesOf(code)[0] ?? '', severity]));
};

test.each([
  ['aws', AWS],
  ['postgres', POSTGRES],
  ['vault', VAULT],
])('what the check of %s finds', async (kind, kindsOfFindings) => {
  const severities = Object.entries(kindsOfFindings).map(([code, { severity }]) => [code, severity]);
  expect(await findings(kind)).toEqual(Object.fromEntries(severities));
});

test('what the check of jwt finds', async () => {
  const source = await readFile(join(ROOT, 'src/providers/jwt/index.ts'), 'utf8');
  const found = [...source.matchAll(/severity: '(\w+)',\s+code: '(\w+)'/g)].map(([, severity, code]) => [
    code,
    severity,
  ]);
  expect(found.length).toBeGreaterThan(1);
  expect(await findings('jwt')).toEqual(Object.fromEntries(found));
});

test('the guard on the page is the one that the check looks for', async () => {
  const blocks = blocksOf(await readPage('docs/providers/postgres.md'));
  expect(blocks.map(({ text }) => text.trim())).toContain(GUARD_SQL);
});
