import { compileRules, diffRules, freshSchema, SCHEMA_FILE } from '../../src/config/index.ts';
import type { RuleFiles, RulesDeps } from '../../src/config/index.ts';
import { makeCedarCompiler } from '../../src/policy/index.ts';
import type { PolicySet } from '../../src/policy/index.ts';
import { providerKinds } from './kinds.ts';
import { problemsOf } from './problems.ts';

const deps: RulesDeps<PolicySet> = {
  providers: [{ name: 'main', kind: 'store', on: true }],
  providerKinds,
  policyCompiler: makeCedarCompiler(),
};
const PROFILE = `name: one\nprovider: main\nowner: o\nenvironment: e\neffect: read\nttl: { default: 5m, max: 1h }\nstore: { roles: [r] }\n`;

const tool = (...lines: string[]) => ['owner: o', 'environment: e', 'effect: read', ...lines, ''].join('\n');
const ARGUMENTS = 'arguments: { type: object, properties: { n: { type: integer }, s: { type: string } } }';
const named = (name: string, ...more: string[]) => tool(`name: "${name}"`, ARGUMENTS, ...more);

function rulesOf(files: RuleFiles) {
  const all = { 'profiles/one.yaml': PROFILE, ...files };
  return compileRules({ ...all, [SCHEMA_FILE]: freshSchema(all, deps) }, deps);
}

const problems = (files: RuleFiles) => problemsOf(() => compileRules({ 'profiles/one.yaml': PROFILE, ...files }, deps));

test('a tool with all that it may have', () => {
  const text = named(
    'refund.*',
    'audience: "https://tools.example"',
    'profiles: [one]',
    'mapping: { n: { type: Long, cel: arguments.n }, s: { type: String, cel: arguments.s, when: has(arguments.s) } }',
    'limits: { n: { max: 5, above: approval } }',
    'record: { arguments: redacted, redact: [/s, /a/*/b] }',
    'report: true',
  );
  const { policies } = rulesOf({ 'tools/any.yaml': text });
  expect(policies.tools.tools).toEqual([
    {
      name: 'refund.*',
      owner: 'o',
      environment: 'e',
      effect: 'read',
      audience: 'https://tools.example',
      profiles: ['one'],
      arguments: { type: 'object', properties: { n: { type: 'integer' }, s: { type: 'string' } } },
      mapping: {
        n: { type: 'Long', cel: 'arguments.n' },
        s: { type: 'String', cel: 'arguments.s', when: 'has(arguments.s)' },
      },
      limits: { n: { max: 5, above: 'approval' } },
      record: { arguments: 'redacted', redact: ['/s', '/a/*/b'] },
      report: true,
    },
  ]);
});

test('and with no more than it must have', () => {
  const { policies } = rulesOf({ 'tools/x.yaml': tool('name: x', 'arguments: { type: object }') });
  expect(policies.tools.tools).toMatchObject([
    { mapping: {}, limits: {}, record: { arguments: 'none', redact: [] }, report: false },
  ]);
  expect(policies.tools.tools[0]).not.toHaveProperty('profiles');
});

describe('problems, each with its file and line', () => {
  test.each<{ name: string; files: RuleFiles; want: RegExp[] }>([
    {
      name: 'everything of a file at once',
      files: {
        'tools/x.yaml': tool(
          'name: "two words"',
          'effect: refund',
          'arguments: []',
          'mapping: { N: { type: Long, cel: "1" }, a: { type: Float, cel: "" } }',
          'limits: { a: { max: 1.5, above: ask } }',
          'colour: red',
        ).replace('effect: read\n', ''),
      },
      want: [
        /x\.yaml:3 name "two words" is not the name of a tool/,
        /x\.yaml:4 effect must be read or write/,
        /x\.yaml:5 arguments must be a JSON Schema/,
        /x\.yaml:6 mapping\.N "N" is not a name of a mapping/,
        /x\.yaml:6 mapping\.a\.type must be String or Long/,
        /x\.yaml:6 mapping\.a\.cel needs at least 1/,
        /x\.yaml:7 limits\.a\.max must be a whole number/,
        /x\.yaml:7 limits\.a\.above must be deny or approval/,
        /x\.yaml:8 colour is not known here; known are name, owner/,
      ],
    },
    {
      name: 'inside its schema and its expressions, at their own lines',
      files: {
        'tools/x.yaml': tool(
          'name: x',
          'arguments:',
          '  type: object',
          '  properties:',
          '    a: { type: string, format: email }',
          'mapping:',
          '  b:',
          '    type: String',
          '    cel: arguments.c',
        ),
      },
      want: [
        /x\.yaml:8 arguments\.properties\.a\.format is not checked here/,
        /x\.yaml:12 mapping\.b\.cel reads arguments\.c, which the schema does not know/,
      ],
    },
    {
      name: 'what is recorded',
      files: {
        'tools/a.yaml': named('a', 'record: { arguments: all, redact: [/n] }'),
        'tools/b.yaml': named('b', 'record: { arguments: redacted }'),
        'tools/c.yaml': named('c', 'record: { redact: [n, "/~2"] }'),
      },
      want: [
        /a\.yaml:6 record\.redact is for arguments that are redacted or not kept/,
        /b\.yaml:6 record\.redact is required where arguments are redacted/,
        /c\.yaml:6 record\.redact\[0\] "n" is not a JSON pointer/,
        /c\.yaml:6 record\.redact\[1\] "\/~2" is not a JSON pointer/,
      ],
    },
    {
      name: 'two of one name, and patterns that cover the same',
      files: {
        'tools/a.yaml': named('x.y'),
        'tools/b.yaml': named('x.*'), // the exact one counts before it
        'tools/c.yaml': named('x.y'),
        'tools/d.yaml': named('x.a*'),
      },
      want: [
        /c\.yaml:4 name "x\.y" covers what "x\.y" of tools\/a\.yaml covers/,
        /d\.yaml:4 name "x\.a\*" covers what "x\.\*" of tools\/b\.yaml covers/,
      ],
    },
    {
      name: 'one mapped name with two types',
      files: {
        'tools/a.yaml': named('a', 'mapping: { v: { type: Long, cel: arguments.n } }'),
        'tools/b.yaml': named('b', 'mapping: { v: { type: String, cel: arguments.s } }'),
      },
      want: [/b\.yaml:6 mapping\.v\.type is Long in tools\/a\.yaml, not String/],
    },
    {
      name: 'a profile that is not there',
      files: { 'tools/a.yaml': named('a', 'profiles: [one, two]') },
      want: [/a\.yaml:6 profiles\[1\] "two" is not a profile of these rules/],
    },
    {
      name: 'but not of one that has a problem of its own',
      files: {
        'tools/a.yaml': named('a', 'profiles: [two]'),
        'profiles/two.yaml': PROFILE.replace('name: one', 'name: two').replace('effect: read', 'effect: x'),
      },
      want: [/profiles\/two\.yaml:5 effect must be/],
    },
    {
      name: 'a policy on what no tool maps',
      files: {
        'tools/a.yaml': named('a', 'mapping: { n: { type: Long, cel: arguments.n } }'),
        'policies/p.cedar': `@id("p") permit (principal, action == Action::"call", resource) when { context.arguments has m };`,
      },
      want: [/p\.cedar:1 policy is impossible/],
    },
    {
      name: 'or on what it maps as something else',
      files: {
        'tools/a.yaml': named('a', 'mapping: { n: { type: Long, cel: arguments.n } }'),
        'policies/p.cedar': `@id("p") permit (principal, action == Action::"call", resource) when { context.arguments has n && context.arguments.n == "5" };`,
      },
      want: [/p\.cedar:1 the types (Long and String|String and Long) are not compatible/],
    },
  ])('$name', async ({ files, want }) => {
    const found = (await problems(files)).filter((problem) => !problem.startsWith(SCHEMA_FILE));
    expect(found).toHaveLength(want.length);
    want.forEach((pattern, index) => expect(found[index]).toMatch(pattern));
  });
});

test('what tools map becomes optional members of the schema, each once', () => {
  const files = {
    'tools/a.yaml': named(
      'a',
      'mapping: { v: { type: Long, cel: arguments.n }, s: { type: SetOfString, cel: "[arguments.s]" } }',
    ),
    'tools/b.yaml': named('b', 'mapping: { v: { type: Long, cel: arguments.n }, k: { type: Bool, cel: "true" } }'),
  };
  const text = freshSchema(files, deps);
  expect(/type Arguments = (\{[^}]*\});/.exec(text)?.[1]).toBe(
    '{\n  "k"?: Bool,\n  "s"?: Set<String>,\n  "v"?: Long,\n}',
  );
});

test('a generation that another version has checked loads here with the schema file that it has', async () => {
  const files = { 'profiles/one.yaml': PROFILE, [SCHEMA_FILE]: '// of another version\n' };
  expect(await problemsOf(() => compileRules(files, deps))).toEqual([expect.stringMatching(/has drifted/)]);
  expect([...compileRules(files, { ...deps, applied: true }).profiles.keys()]).toEqual(['one']);
});

test('a change of a tool, for people', () => {
  const before = { 'tools/a.yaml': named('a', 'report: true'), 'tools/old.yaml': named('old') };
  const after = { 'tools/a.yaml': named('a', 'report: false'), 'tools/new.yaml': named('new') };
  expect(diffRules(before, after, () => new Map()).summary).toEqual([
    'tool a: report true -> false',
    'tool new: new',
    'tool old: removed',
  ]);
});
