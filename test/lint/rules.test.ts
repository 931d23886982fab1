import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';

/** What the style forbids is an error in the configuration that `npm run lint` uses, types included. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const eslint = new ESLint({ cwd: root, overrideConfigFile: join(root, '.config/eslint.js') });

/**
 * The rules that speak about `code` when it stands in `file`; the file must exist for the types to be known. A § is taken
 * out first: it stands in words that a search for such words should not find here.
 */
async function rulesAgainst(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code.replaceAll('§', ''), { filePath: join(root, file) });
  if (!result || result.fatalErrorCount > 0) throw new Error(`not linted: ${file}`);
  return [...new Set(result.messages.map((message) => message.ruleId ?? 'directive'))].sort();
}

const SRC = 'src/domain/clock.ts';
const TEST = 'test/lint/rules.test.ts';

test.each([
  ['any', SRC, 'export const x = (y: a§ny) => [y];', '@typescript-eslint/no-explicit-any'],
  [
    'an any that came from elsewhere',
    SRC,
    "export const x: string = JSON.parse('1');",
    '@typescript-eslint/no-unsafe-assignment',
  ],
  ['a cast through unknown', SRC, "export const x = 'a' as unk§nown as number;", 'no-restricted-syntax'],
  [
    'a floating promise',
    SRC,
    'declare const f: () => Promise<void>;\nexport const x = () => {\n  f();\n};',
    '@typescript-eslint/no-floating-promises',
  ],
  [
    'a promise as a condition',
    SRC,
    'declare const f: Promise<boolean>;\nexport const x = () => (f ? 1 : 2);',
    '@typescript-eslint/no-misused-promises',
  ],
  ['an unused name', SRC, 'const x = 1;', '@typescript-eslint/no-unused-vars'],
  ['an unused import', SRC, "import type { Json } from './json.ts';", '@typescript-eslint/no-unused-vars'],
  [
    'a switch with a hole',
    SRC,
    "declare const k: 'a' | 'b';\nswitch (k) {\n  case 'a':\n    break;\n}",
    '@typescript-eslint/switch-exhaustiveness-check',
  ],
  [
    'a hole behind a default',
    SRC,
    "declare const k: 'a' | 'b';\nswitch (k) {\n  case 'a':\n    break;\n  default:\n}",
    '@typescript-eslint/switch-exhaustiveness-check',
  ],
  [
    'a value that is only a type',
    SRC,
    "import { Json } from './json.ts';\nexport type X = Json;",
    '@typescript-eslint/consistent-type-imports',
  ],
  [
    'a non-null assertion',
    SRC,
    'declare const m: Map<string, number>;\nexport const x = m.get("a")!;',
    '@typescript-eslint/no-non-null-assertion',
  ],
  ['a thrown string', SRC, "throw 'x';", '@typescript-eslint/only-throw-error'],
  [
    'a silenced line of types',
    SRC,
    '// @ts-§expect-error because of this and that\nexport const x = 1;',
    '@typescript-eslint/ban-ts-comment',
  ],
  [
    'a reference by path',
    SRC,
    '/// <reference path="../ledger/ledger.ts" />\nexport const x = 1;',
    '@typescript-eslint/triple-slash-reference',
  ],
  ['console', SRC, "console.log('x');", 'no-console'],
  ['== ', SRC, 'declare const a: string;\nexport const x = a == "1";', 'eqeqeq'],
  ['unfinished work', SRC, '// TO§DO later\nexport const x = 1;', 'no-warning-comments'],
  ['the environment', SRC, 'export const x = process.env;', 'no-restricted-syntax'],
  ['the environment by text', SRC, "export const x = process['env'];", 'no-restricted-syntax'],
  ['the environment by globalThis', SRC, 'export const x = globalThis.process.env;', 'no-restricted-syntax'],
  ['the environment taken apart', SRC, 'const { env } = process;\nexport const x = env;', 'no-restricted-syntax'],
  ['a forbidden arrow', SRC, "import '../ledger/ledger.ts';", 'writ/import-rooms'],
  ['a skipped test', TEST, "test.§skip('x', () => undefined);", 'no-restricted-syntax'],
  ['a test alone', TEST, "describe.§only('x', () => undefined);", 'no-restricted-syntax'],
  ['a test alone, as a table', TEST, "it.§only.each([1])('x', () => undefined);", 'no-restricted-syntax'],
  ['a test alone, by text', TEST, "test['§only']('x', () => undefined);", 'no-restricted-syntax'],
  [
    'a test alone among concurrent ones',
    TEST,
    "test.concurrent.§only('x', async () => undefined);",
    'no-restricted-syntax',
  ],
  ['a promised test', TEST, "test.§todo('x');", 'no-restricted-syntax'],
  ['a test that ought to fail', TEST, "test.failing('x', () => undefined);", 'no-restricted-syntax'],
  ['xit', TEST, "x§it('x', () => undefined);", 'no-restricted-syntax'],
  ['a mocked module', TEST, "jest.§mock('pg');", 'no-restricted-syntax'],
  ['a mocked ES module', TEST, "jest.unstable_mockModule('pg', () => ({}));", 'no-restricted-syntax'],
])('%s is an error', async (_name, file, code, rule) => {
  expect(await rulesAgainst(file, code)).toContain(rule);
});

test('nothing is switched off from inside a file', async () => {
  const code = '/* eslint-§disable */\nexport const x = (y: a§ny) => [y];';
  expect(await rulesAgainst(SRC, code)).toEqual(
    expect.arrayContaining(['@typescript-eslint/no-explicit-any', 'directive']),
  );
});

test.each([
  ['the environment in a test', TEST, 'export const x = process.env;'],
  ['an exhaustive switch', SRC, "declare const k: 'a' | 'b';\nswitch (k) {\n  case 'a':\n  case 'b':\n}"],
  ['a number in a template', SRC, 'export const x = (n: number) => `${n}`;'],
  ['a rest that leaves a member out', SRC, 'export const x = ({ a, ...rest }: { a: 1; b: 2 }) => rest;'],
])('%s is fine', async (_name, file, code) => {
  expect(await rulesAgainst(file, code)).toEqual([]);
});

test.each([
  ['src/main.ts', ['no-restricted-syntax', 'process.env'], false],
  ['src/config/load.ts', ['no-restricted-syntax', 'process.env'], false],
  ['src/http/app.ts', ['no-restricted-syntax', 'process.env'], true],
  ['src/cli/exec.ts', ['no-console'], false],
  ['src/main.ts', ['no-console'], true],
] as const)('%s: %j is forbidden: %s', async (file, [rule, about], want) => {
  const config: { rules: Record<string, [number, ...unknown[]]> } = await eslint.calculateConfigForFile(
    join(root, file),
  );
  const [level = 0, ...options] = config.rules[rule] ?? [];
  const speaks = about === undefined || JSON.stringify(options).includes('environment');
  expect(level === 2 && speaks).toBe(want);
});
