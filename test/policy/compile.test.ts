import { formatProblem, ProblemsError } from '../../src/domain/problem.ts';
import { generateSchema, makeCedarCompiler, policyTexts } from '../../src/policy/index.ts';
import { profile, schema } from './world.ts';

function problems(files: Readonly<Record<string, string>>, against: string = schema): string[] {
  try {
    makeCedarCompiler().compile(files, against);
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

const of = (text: string) => problems({ 'policies/a.cedar': text });
const SCOPE = '(principal, action == Action::"issue", resource)';

describe('a problem says where it is and what would be right', () => {
  test.each([
    // as text
    {
      text: '@id("a")\npermit (principal, action resource);',
      want: [/a\.cedar:2 unexpected token `resource` \(expected/],
    },
    {
      text: `// é ü 漢字 \u{1F600}\n\n@id("é") // ; not the end\npermit ${SCOPE} when { "x;" == ; };`,
      want: [/a\.cedar:4 unexpected token `;`/, /a\.cedar:4 unexpected/],
    },
    { text: `@id("a") permit ${SCOPE}`, want: [/a\.cedar:1 unexpected end of input/] },
    {
      text: `@id("a") permit ${SCOPE};\n@id("b") permit (principal == ?principal, action, resource);`,
      want: [/a\.cedar:2 expected a static policy, got a template/],
    },
    // annotations
    { text: `permit ${SCOPE};`, want: ['a.cedar:1 needs an @id("...") of its own'] },
    { text: `@id("a")\n@id("b") permit ${SCOPE};`, want: [/a\.cedar:2 duplicate annotation: @id/] },
    { text: `@id("a b") permit ${SCOPE};`, want: [/a\.cedar:1 @id "a b" must be letters, digits/] },
    { text: `@id permit ${SCOPE};`, want: [/a\.cedar:1 @id "" must be/] },
    { text: `@id("${'a'.repeat(65)}") permit ${SCOPE};`, want: [/must be letters.*at most 64/] },
    {
      text: `@id("a") permit ${SCOPE};\n\n@id("a")\npermit ${SCOPE};`,
      want: ['a.cedar:3 @id "a" is taken by policies/a.cedar:1'],
    },
    {
      text: `@id("a")\n@max_ttl("15") permit ${SCOPE};`,
      want: ['a.cedar:2 @max_ttl must be a duration such as 90s, 15m or 1h'],
    },
    { text: `@id("a")\n@max_ttl permit ${SCOPE};`, want: [/a\.cedar:2 @max_ttl must be a duration/] },
    {
      text: `@id("a") @max_ttl("15m") forbid ${SCOPE};`,
      want: ['a.cedar:1 @max_ttl is for permits: a forbid gives nothing'],
    },
    { text: `@id("a")\n\n@requires("mfa") permit ${SCOPE};`, want: [/a\.cedar:3 @requires must be "approval"/] },
    { text: `@id("a") @requires permit ${SCOPE};`, want: [/@requires must be "approval"/] },
    { text: `@id("a") @on_behalf_of("any") permit ${SCOPE};`, want: [/@on_behalf_of must be "named"/] },
    { text: `@id("a") @on_behalf_of permit ${SCOPE};`, want: [/@on_behalf_of must be "named"/] },
    { text: `@id("a") @on_behalf_of("named") forbid ${SCOPE};`, want: [/@on_behalf_of is for permits/] },
    { text: `@id("a") @control("GOVERN 1.6") permit ${SCOPE};`, want: [/a\.cedar:1 @control must be FRAMEWORK:ID/] },
    { text: `@id("a") @control("A:1,") permit ${SCOPE};`, want: [/@control must be FRAMEWORK:ID/] },
    { text: `@id("a") @control permit ${SCOPE};`, want: [/@control must be FRAMEWORK:ID/] },
    {
      text: `@id("a")\n@maxttl("15m")\n@note permit ${SCOPE};`,
      want: [/a\.cedar:2 @maxttl is not known; known are @id, @max_ttl/, /a\.cedar:3 @note is not known/],
    },
    // against the schema
    {
      text: `@id("a") permit ${SCOPE}\nwhen { resource.team == "x" };`,
      want: [/a\.cedar:2 attribute `team` on entity type `Profile` not found/],
    },
    {
      text: `// é\n@id("a")\npermit ${SCOPE}\nwhen {\n  context.parameters.month == "1" };`,
      want: [/a\.cedar:5 unable to guarantee safety of access to optional attribute/],
    },
    {
      text: `@id("a") permit ${SCOPE} when { context.parameters has year };`,
      want: [/a\.cedar:1 policy is impossible/],
    },
    {
      text: `@id("a") permit (principal, action == Action::"read", resource);`,
      want: [/a\.cedar:1 unrecognized action `Action::"read"`/],
    },
    {
      text: `@id("a") permit ${SCOPE} when { principal.getTag("team") == "x" };`,
      want: [/unable to guarantee safety of access to tag/],
    },
    { text: `@id("a") permit ${SCOPE} when { resource.effect };`, want: [/a\.cedar:1 unexpected type/] },
    {
      text: `@id("a") permit ${SCOPE} when { context.requested_ttl < duration("5 minutes") };`,
      want: [/failed to parse as a duration/],
    },
    {
      text: `@id("a") permit (principal in Group::"x", action == Action::"issue", resource is Task);`,
      want: [/unable to find an applicable action/, /policy is impossible/],
    },
    { text: `// why\n\n@id("a")\nforbid ${SCOPE} when { false };`, want: [/a\.cedar:3 policy is impossible/] },
    {
      text: `@id("a") forbid ${SCOPE} when { principal.id == "аdmin" };`,
      want: [/contains mixed scripts|confusable/i],
    },
    {
      text: `@id("a") forbid (principal, action, resource) when { resource.owner == "x" };`,
      want: [/attribute `owner` on entity type `Task` not found/],
    },
  ])('$text', ({ text, want }) => {
    const found = of(text).map((problem) => problem.replaceAll('policies/', ''));
    expect(found).toHaveLength(want.length);
    want.forEach((expected, index) => {
      if (typeof expected === 'string') expect(found[index]).toBe(expected.replaceAll('policies/', ''));
      else expect(found[index]).toMatch(expected);
    });
  });

  test('of every file at once, ids being one set', () => {
    const found = problems({
      'policies/a.cedar': `@id("a") permit ${SCOPE};\npermit ${SCOPE};`,
      'policies/b.cedar': `@id("b") @max_ttl("x") permit ${SCOPE};\n@id("a") permit ${SCOPE};\n@id("c") permit ${SCOPE} when { resource.no == "x" };`,
      'policies/c.cedar': 'nonsense',
    });
    expect(found.map((problem) => problem.split(' ')[0])).toEqual([
      'policies/a.cedar:2',
      'policies/b.cedar:1',
      'policies/c.cedar:1',
      'policies/b.cedar:2',
      'policies/b.cedar:3',
    ]);
  });

  test('of the schema, in its own file', () => {
    expect(problems({}, 'entity A;\nentity {')).toEqual([expect.stringMatching(/^policies\/schema\.cedarschema:2 /)]);
  });
});

test('policies with all that is allowed in them compile, under their own ids', () => {
  const set = makeCedarCompiler().compile(
    {
      'policies/b.cedar': `@id("b.1_x-Y") @max_ttl("90s") @requires("approval") @control("NIST-AI-RMF:GOVERN 1.6, CSA:L6") permit ${SCOPE};`,
      'policies/a.cedar':
        `// one; two "three\n@id("a;//") // "\n`.replace('a;//', 'a') +
        `permit ${SCOPE} when { "; // \\" ;" != "" };\n// the end;`,
      'policies/empty.cedar': '// nothing yet\n',
    },
    schema,
  );
  expect(set.ids).toEqual(['a', 'b.1_x-Y']);
});

test('the texts of a file’s policies, as far as they can be read', () => {
  const texts = policyTexts(`// first\n@id("a") permit ${SCOPE};\nnonsense;\n@id("b") forbid ${SCOPE};`);
  expect([...texts]).toEqual([
    ['a', `// first\n@id("a") permit ${SCOPE};`],
    ['b', `@id("b") forbid ${SCOPE};`],
  ]);
});

describe('the schema that follows from the profiles', () => {
  const parameters = (...names: string[]) =>
    Object.fromEntries(names.map((name) => [name, { pattern: 'a', optional: false }]));

  test('has each parameter of each profile once, sorted, optional, whatever it is called', () => {
    const text = generateSchema([
      profile({ parameters: parameters('zone', 'month') }),
      profile({ name: 'other', parameters: parameters('month', 'in', 'if') }),
    ]);
    expect(/type Parameters = (\{[^}]*\});/.exec(text)?.[1]).toBe(
      '{\n  "if"?: String,\n  "in"?: String,\n  "month"?: String,\n  "zone"?: String,\n}',
    );
    expect(
      problems({ 'policies/a.cedar': `@id("a") permit ${SCOPE} when { context.parameters has "in" };` }, text),
    ).toEqual([]);
  });

  test('does not depend on the order of the profiles, nor on anything but their parameters', () => {
    const [one, two] = [profile({ parameters: parameters('a') }), profile({ name: 'b', parameters: parameters('b') })];
    expect(generateSchema([one, two])).toBe(generateSchema([two, { ...one, owner: 'else' }]));
  });

  test('is one that Cedar takes, also without any', () => {
    expect(problems({ 'policies/a.cedar': `@id("a") permit ${SCOPE};` }, generateSchema([]))).toEqual([]);
  });
});
