// Reads `{ types, cases: [{ file, code }] }` as JSON, writes the rules that speak about each case, in the order of the cases.
// A process of its own: the linter and the compiler in it are several times slower inside jest.
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const { types, cases } = JSON.parse(await text(process.stdin));
const root = fileURLToPath(new URL('../..', import.meta.url));
const untyped = [
  tseslint.configs.disableTypeChecked,
  { languageOptions: { parserOptions: { projectService: false } } },
];
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: `${root}.config/eslint.js`,
  overrideConfig: types ? [] : untyped,
});

const spoken = [];
for (const { file, code } of cases) {
  const [result] = await eslint.lintText(code, { filePath: `${root}${file}` });
  const fatal = result?.messages.find((message) => message.fatal);
  if (!result || fatal) throw new Error(`${file} was not linted: ${fatal?.message ?? 'it is ignored'}`);
  spoken.push(result.messages.map((message) => message.ruleId ?? 'directive'));
}
process.stdout.write(JSON.stringify(spoken));
