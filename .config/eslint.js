/** The linter: strict and type-aware, with what the style forbids. Nothing can be switched off from inside a file. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import rooms from './import-rooms.js';

const PROCESS_ENV = [
  'MemberExpression[object.name="process"][property.name="env"]',
  'MemberExpression[object.name="process"][property.value="env"]',
  'MemberExpression[object.property.name="process"][property.name="env"]',
  'VariableDeclarator[init.name="process"]',
].map((selector) => ({ selector, message: 'Only src/main.ts and src/config read the environment.' }));

const STYLE = [
  {
    selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword',
    message: '`as unknown as` hides a doubt: check the value, or type its source.',
  },
];

const SWITCH = 'property.name=/^(skip|only|todo|failing)$/';
const TESTS = [
  ...[
    `MemberExpression[object.name=/^(it|test|describe)$/][${SWITCH}]`,
    'MemberExpression[object.name=/^(it|test|describe)$/][property.value=/^(skip|only|todo|failing)$/]',
    `MemberExpression[object.property.name="concurrent"][${SWITCH}]`,
    'CallExpression[callee.name=/^(xit|xtest|xdescribe|fit|fdescribe)$/]',
    'MemberExpression[object.name=/^(xit|xtest|xdescribe|fit|fdescribe)$/]',
  ].map((selector) => ({ selector, message: 'A test runs, always: none is skipped, narrowed or promised.' })),
  {
    selector:
      'MemberExpression[object.name="jest"][property.name=/^(mock|doMock|unstable_mockModule|setMock|createMockFromModule|replaceProperty)$/]',
    message: 'Fakes speak the wire: no module is mocked.',
  },
];

export default defineConfig(
  { ignores: ['src/generated/**', 'dist/**', 'coverage/**', '.writ/**'] },
  {
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-eval': 'error',
      'no-new-func': 'error',
      'no-self-compare': 'error',
      'no-unreachable-loop': ['error', { ignore: ['ForOfStatement'] }], // the first of a set is taken with one
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'], location: 'start' }],
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['.config/*.ts'] },
        tsconfigRootDir: fileURLToPath(new URL('..', import.meta.url)),
      },
    },
    rules: {
      '@typescript-eslint/ban-ts-comment': [
        'error',
        { 'ts-expect-error': true, 'ts-ignore': true, 'ts-nocheck': true },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // `void | Promise<void>` is how a callback says that it may be async.
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // What is handed about here are records of closures: nothing has a `this` to lose.
      '@typescript-eslint/unbound-method': 'off',
      // A port's method is async whether or not one implementation has something to wait for.
      '@typescript-eslint/require-await': 'off',
      'no-restricted-syntax': ['error', ...PROCESS_ENV, ...STYLE],
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { writ: rooms },
    rules: { 'writ/import-rooms': 'error', 'no-console': 'error' },
  },
  { files: ['src/main.ts', 'src/config/**/*.ts'], rules: { 'no-restricted-syntax': ['error', ...STYLE] } },
  { files: ['src/cli/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...STYLE, ...TESTS],
      'no-console': 'error',
      // Matchers such as `expect.any(String)` are typed so; what is read from such a value is still judged.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      // `String(credential['url'])`: JSON that this very test knows to be a string.
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
  { files: ['test/bench/**/*.ts', 'test/live/**/*.ts'], rules: { 'no-console': 'off' } },
  { files: ['.config/*.ts'], rules: { 'no-restricted-syntax': ['error', ...STYLE] } },
);
