import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  SCHEMA_FILE,
  compileRules,
  freshSchema,
  readRules,
  rulesHash,
  rulesText,
  writeSchema,
} from '../../src/config/index.ts';
import type { RulesDeps } from '../../src/config/index.ts';
import { ProblemsError } from '../../src/domain/problem.ts';
import { providerKinds } from './kinds.ts';
import { problemsOf } from './problems.ts';
import { removeTrees, tree } from './tree.ts';

afterAll(removeTrees);

interface Compiled {
  readonly files: readonly string[];
  readonly schema: string;
}

/** A policy language in which the schema names the profiles, and a policy is wrong when it says so. */
const deps: RulesDeps<Compiled> = {
  providers: [
    { name: 'main', kind: 'store', on: true },
    { name: 'tools', kind: 'jwt', on: false },
  ],
  providerKinds,
  policyCompiler: {
    generateSchema: (profiles, tools) => `// schema\n${[...profiles, ...tools].map(({ name }) => name).join('\n')}\n`,
    toolFaults: ({ mapping }) =>
      Object.entries(mapping).flatMap(([name, { cel }]) =>
        cel === 'wrong' ? [{ path: ['mapping', name, 'cel'], message: '{value} is wrong' }] : [],
      ),
    compile(files, schema) {
      const wrong = Object.entries(files).filter(([, text]) => text === 'wrong' || !schema.includes(text));
      if (wrong.length > 0) throw new ProblemsError(wrong.map(([file]) => ({ file, line: 1, message: 'is wrong' })));
      return { files: Object.keys(files), schema };
    },
  },
};

const profile = (name: string) =>
  `name: ${name}\nprovider: main\nowner: o\nenvironment: e\neffect: read\nttl: { default: 5m, max: 1h }\nstore: { roles: [r] }\n`;

const good = {
  'policies/p.cedar': 'one',
  [SCHEMA_FILE]: '// schema\none\n',
  'profiles/one.yaml': profile('one'),
};

test('a generation that is right', () => {
  const rules = compileRules(good, deps);
  expect(rules).toMatchObject({
    text: rulesText(good),
    hash: rulesHash(rulesText(good)),
    policies: { files: ['policies/p.cedar'], schema: '// schema\none\n' },
  });
  expect([...rules.profiles.keys()]).toEqual(['one']);
  expect([...rules.off]).toEqual(['tools']);
});

test('its hash is that of its files alone', () => {
  const elsewhere = { ...deps, providers: [{ name: 'main', kind: 'store', on: false }] };
  expect(compileRules(good, elsewhere).hash).toBe(compileRules(good, deps).hash);
});

describe('problems', () => {
  test.each([
    {
      name: 'drift, at the first line that differs',
      files: { ...good, [SCHEMA_FILE]: '// schema\ntwo\n' },
      want: [/^policies\/schema\.cedarschema:2 has drifted.*writ check --write-schema/],
    },
    {
      name: 'drift at the end',
      files: { ...good, [SCHEMA_FILE]: '// schema\none' },
      want: [/^policies\/schema\.cedarschema:3 has drifted/],
    },
    {
      name: 'no schema',
      files: { 'policies/p.cedar': 'one', 'profiles/one.yaml': profile('one') },
      want: [/^policies\/schema\.cedarschema is missing/],
    },
    {
      name: 'a policy is held against what follows from the profiles, not against a schema that has drifted',
      files: { ...good, 'policies/p.cedar': 'two', [SCHEMA_FILE]: '// schema\ntwo\n' },
      want: [/^policies\/p\.cedar:1 is wrong/, /schema\.cedarschema:2 has drifted/],
    },
    {
      name: 'a profile’s problem is not reported again by policies and schema',
      files: { ...good, 'profiles/one.yaml': profile('one').replace('read', 'x') },
      want: [/^profiles\/one\.yaml:5 effect must be/],
    },
    {
      name: 'of every file at once',
      files: { ...good, 'policies/p.cedar': 'wrong', 'profiles/one.yaml': profile('two'), 'tools/t.yaml': 'x' },
      want: [/^policies\/p\.cedar:1/, /^profiles\/one\.yaml:1 name "two"/, /^tools\/t\.yaml:1 must be a map/],
    },
  ])('$name', async ({ files, want }) => {
    const problems = await problemsOf(() => compileRules(files, deps));
    expect(problems).toHaveLength(want.length);
    want.forEach((pattern, index) => expect(problems[index]).toMatch(pattern));
  });
});

test('the schema is written anew', async () => {
  const directory = await tree({ ...good, [SCHEMA_FILE]: 'old' });
  await writeSchema(directory, freshSchema(await readRules(directory), deps));
  expect(await readFile(join(directory, SCHEMA_FILE), 'utf8')).toBe('// schema\none\n');
  expect(Object.keys(await readRules(directory))).toEqual(Object.keys(good));
  expect(compileRules(await readRules(directory), deps).hash).toBe(compileRules(good, deps).hash);
});

test('but not from profiles that are wrong', async () => {
  const problems = await problemsOf(() => freshSchema({ 'profiles/one.yaml': 'x' }, deps));
  expect(problems[0]).toMatch(/^profiles\/one\.yaml:1/);
});
