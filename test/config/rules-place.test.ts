import { relative } from 'node:path';
import { readRulesPlace } from '../../src/config/index.ts';
import { problemsOf } from './problems.ts';
import { removeTrees, tree } from './tree.ts';

afterAll(removeTrees);

const text = `database: { url: "\${NOT_SET}" }
nonsense: true
providers:
  main: { kind: store, url: "\${NOT_SET}" }
  spare: { kind: store, when: "\${SPARE:-}" }
  needed: { kind: jwt, when: "\${NOT_SET}" }
  broken: 7
rules: "\${RULES:-rules}"
`;

test('where the rules lie and which providers there are, whatever else is missing or wrong', async () => {
  const directory = await tree({ 'writ.yaml': text });
  expect(await readRulesPlace(directory, {})).toEqual({
    rulesDirectory: `${directory}/rules`,
    providers: [
      { name: 'main', kind: 'store', on: true },
      { name: 'spare', kind: 'store', on: false },
      { name: 'needed', kind: 'jwt', on: true },
    ],
  });
  expect(await readRulesPlace(directory, { RULES: '/elsewhere', SPARE: 'x' })).toMatchObject({
    rulesDirectory: '/elsewhere',
    providers: [{}, { name: 'spare', on: true }, {}],
  });
});

test('is relative where the directory is', async () => {
  const directory = await tree({ 'writ.yaml': '' });
  const near = relative(process.cwd(), directory);
  expect((await readRulesPlace(near, {})).rulesDirectory).toBe(near);
});

test('a file that is not YAML is a problem', async () => {
  const directory = await tree({ 'writ.yaml': 'a: [' });
  expect(await problemsOf(() => readRulesPlace(directory, {}))).not.toEqual([]);
});
