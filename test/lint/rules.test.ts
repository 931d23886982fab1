import { lint } from './lint.ts';

/** What the style forbids is an error in the configuration that `npm run lint` uses, types included. */
const SRC = 'src/domain/clock.ts';
const TEST = 'test/lint/rules.test.ts';

const error = (name: string, file: string, rule: string, code: string) => ({ name, file, rule, code });
const ts = (rule: string) => `@typescript-eslint/${rule}`;

const errors = [
  error('any', SRC, ts('no-explicit-any'), 'export const x = (y: a§ny) => [y];'),
  error('any from elsewhere', SRC, ts('no-unsafe-assignment'), "export const x: string = JSON.parse('1');"),
  error('a cast through unknown', SRC, 'no-restricted-syntax', "export const x = 'a' as unk§nown as number;"),
  error(
    'a floating promise',
    SRC,
    ts('no-floating-promises'),
    'declare const f: () => Promise<void>;\nexport const x = () => {\n  f();\n};',
  ),
  error(
    'a promise as a condition',
    SRC,
    ts('no-misused-promises'),
    'declare const f: Promise<boolean>;\nexport const x = () => (f ? 1 : 2);',
  ),
  error('an unused name', SRC, ts('no-unused-vars'), 'const x = 1;'),
  error('an unused import', SRC, ts('no-unused-vars'), "import type { Json } from './json.ts';"),
  error(
    'a switch with a hole',
    SRC,
    ts('switch-exhaustiveness-check'),
    "declare const k: 'a' | 'b';\nswitch (k) {\n  case 'a':\n    break;\n}",
  ),
  error(
    'a hole behind a default',
    SRC,
    ts('switch-exhaustiveness-check'),
    "declare const k: 'a' | 'b';\nswitch (k) {\n  case 'a':\n    break;\n  default:\n}",
  ),
  error(
    'a value that is only a type',
    SRC,
    ts('consistent-type-imports'),
    "import { Json } from './json.ts';\nexport type X = Json;",
  ),
  error(
    'a non-null assertion',
    SRC,
    ts('no-non-null-assertion'),
    "declare const m: Map<string, number>;\nexport const x = m.get('a')!;",
  ),
  error('a thrown string', SRC, ts('only-throw-error'), "throw 'x';"),
  error(
    'a silenced line of types',
    SRC,
    ts('ban-ts-comment'),
    '// @ts-§expect-error because of this and that\nexport const x = 1;',
  ),
  error(
    'a reference by path',
    SRC,
    ts('triple-slash-reference'),
    '/// <reference path="../ledger/index.ts" />\nexport const x = 1;',
  ),
  error('console', SRC, 'no-console', "console.log('x');"),
  error('==', SRC, 'eqeqeq', "declare const a: string;\nexport const x = a == '1';"),
  error('unfinished work', SRC, 'no-warning-comments', '// TO§DO later\nexport const x = 1;'),
  error('the environment', SRC, 'no-restricted-syntax', 'export const x = process.env;'),
  error('the environment by text', SRC, 'no-restricted-syntax', "export const x = process['env'];"),
  error('the environment by globalThis', SRC, 'no-restricted-syntax', 'export const x = globalThis.process.env;'),
  error('the environment taken apart', SRC, 'no-restricted-syntax', 'const { env } = process;\nexport const x = env;'),
  error('a forbidden arrow', SRC, 'writ/import-rooms', "import '../ledger/index.ts';"),
  error('a skipped test', TEST, 'no-restricted-syntax', "test.§skip('x', () => undefined);"),
  error('a test alone', TEST, 'no-restricted-syntax', "describe.§only('x', () => undefined);"),
  error('a table of tests alone', TEST, 'no-restricted-syntax', "it.§only.each([1])('x', () => undefined);"),
  error('a test alone, by text', TEST, 'no-restricted-syntax', "test['§only']('x', () => undefined);"),
  error('a concurrent test alone', TEST, 'no-restricted-syntax', "test.concurrent.§only('x', async () => undefined);"),
  error('a promised test', TEST, 'no-restricted-syntax', "test.§todo('x');"),
  error('a test that ought to fail', TEST, 'no-restricted-syntax', "test.§failing('x', () => undefined);"),
  error('xit', TEST, 'no-restricted-syntax', "x§it('x', () => undefined);"),
  error('a mocked module', TEST, 'no-restricted-syntax', "jest.§mock('pg');"),
  error('a mocked ES module', TEST, 'no-restricted-syntax', "jest.unstable_§mockModule('pg', () => ({}));"),
  error('what a comment switches off', SRC, 'eqeqeq', '/* eslint-§disable */\nexport const x = (a: 1) => a == 1;'),
  error('the comment itself', SRC, 'directive', '/* eslint-§disable */\nexport const x = 1;'),
];

const fine = [
  { name: 'the environment in a test', file: TEST, code: 'export const x = process.env;' },
  {
    name: 'an exhaustive switch',
    file: SRC,
    code: "declare const k: 'a' | 'b';\nswitch (k) {\n  case 'a':\n  case 'b':\n}",
  },
  { name: 'a number in a template', file: SRC, code: 'export const x = (n: number) => `${n}`;' },
  {
    name: 'a rest that leaves a member out',
    file: SRC,
    code: 'export const x = ({ a, ...rest }: { a: 1; b: 2 }) => rest;',
  },
];

describe('with types', () => {
  const linted = lint<{ name: string; file: string; code: string; rule?: string }>([...errors, ...fine], {
    types: true,
  });

  test.each(linted.flatMap(({ name, rule, rules }) => (rule === undefined ? [] : [{ name, rule, rules }])))(
    '$name is an error',
    ({ rule, rules }) => expect(rules).toContain(rule),
  );

  test.each(linted.filter(({ rule }) => rule === undefined))('$name is fine', ({ rules }) => expect(rules).toEqual([]));
});

describe('by place', () => {
  const env = 'export const x = process.env;';
  const log = "console.log('x');";
  const sources = [
    { file: 'src/main.ts', code: env, want: [] },
    { file: 'src/config/load.ts', code: env, want: [] },
    { file: 'src/http/app.ts', code: env, want: ['no-restricted-syntax'] },
    { file: 'src/dev/server.ts', code: env, want: ['no-restricted-syntax'] },
    { file: 'src/broker.ts', code: env, want: ['no-restricted-syntax'] },
    { file: 'src/cli/exec.ts', code: log, want: [] },
    { file: 'src/main.ts', code: log, want: ['no-console'] },
    { file: 'src/http/app.ts', code: log, want: ['no-console'] },
    { file: 'test/bench/main.ts', code: log, want: [] },
    { file: 'test/http/app.test.ts', code: log, want: ['no-console'] },
  ];
  test.each(lint(sources, { types: false }))('$file: $code', ({ rules, want }) => expect(rules).toEqual(want));
});
