import { readFile } from 'node:fs/promises';

/** docs/dependencies.md says of every dependency why it is there, and of none that is not. */
const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
type Manifest = Record<'dependencies' | 'optionalDependencies' | 'devDependencies', Record<string, string>>;

const manifest = JSON.parse(await read('package.json')) as Manifest;
const [production = '', development = ''] = (await read('docs/dependencies.md')).split(/^## .*$/m).slice(1);

/** The packages in the first column of a table. */
function packagesOf(section: string): string[] {
  const cells = section.split('\n').flatMap((line) => /^\| (`.*?) +\|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)).sort();
}

test('what production loads', () => {
  const optional = [...new Set(Object.keys(manifest.optionalDependencies).map((name) => name.replace(/\/.*/, '/*')))];
  expect(packagesOf(production)).toEqual([...Object.keys(manifest.dependencies), ...optional].sort());
});

test('what development needs', () => {
  const aliases = new Set(['@typescript/typescript6']); // named beside the name it is installed under
  const named = packagesOf(development).filter((name) => !aliases.has(name));
  expect(named).toEqual(Object.keys(manifest.devDependencies).sort());
});
