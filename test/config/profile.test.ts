import { readProfile } from '../../src/config/profile.ts';
import { formatProblem } from '../../src/domain/problem.ts';
import { providerKinds } from './kinds.ts';

const providers = [
  { name: 'main', kind: 'store', on: true },
  { name: 'tools', kind: 'jwt', on: false },
];

const HEAD = 'name: p\nprovider: main\nowner: o\nenvironment: e\neffect: read\n';
const TTL = 'ttl: { default: 5m, max: 1h, min: 10s }\n';
const STORE = 'store: { roles: [r] }\n';

function read(text: string, file = 'profiles/p.yaml') {
  const { profile, problems } = readProfile(file, text, providers, providerKinds);
  return { profile, problems: problems.map(formatProblem) };
}

test('a profile as it is meant', () => {
  const parameters = 'parameters: { month: { pattern: "[0-9]{2}" }, note: { pattern: ".{0,9}", optional: true } }\n';
  expect(read(`${HEAD}${TTL}${parameters}store: { roles: ["r-{{parameters.month}}"] }`)).toEqual({
    problems: [],
    profile: {
      name: 'p',
      provider: 'main',
      owner: 'o',
      environment: 'e',
      effect: 'read',
      ttl: { default: 300, max: 3600, min: 10 },
      parameters: {
        month: { pattern: '[0-9]{2}', optional: false },
        note: { pattern: '.{0,9}', optional: true },
      },
      section: { roles: ['r-{{parameters.month}}'], limit: 5 },
    },
  });
});

test('a shortest life that is left out is a second', () => {
  expect(read(`${HEAD}ttl: { default: 5m, max: 1h }\n${STORE}`).profile?.ttl.min).toBe(1);
});

test('a provider that is off has its profiles checked all the same', () => {
  const tools = HEAD.replace('main', 'tools') + TTL;
  expect(read(`${tools}jwt: { audience: a }`).profile?.section).toEqual({ audience: 'a', claims: {} });
  expect(read(`${tools}jwt: {}`).problems).toEqual(['profiles/p.yaml:7 jwt.audience is required']);
});

describe('a problem says where it is and what would be right', () => {
  test.each([
    { text: '', want: ['1 must be a map of members'] },
    { text: `${HEAD}${TTL}${STORE}extra: 1`, want: [/^8 extra is not known here; known are name, provider, owner/] },
    { text: `${HEAD}${TTL}`, want: ['1 needs the section store: which credential its provider is to make'] },
    {
      text: `${HEAD}${TTL}${STORE}jwt: { audience: a }`,
      want: ['8 jwt is not for this profile: its provider is of kind store'],
    },
    { text: `${HEAD}${TTL}store: { roles: [] }`, want: ['7 store.roles needs at least 1 items'] },
    {
      text: `${HEAD}${TTL}store: { roles: [r], role: r }`,
      want: ['7 store.role is not known here; known are roles, limit'],
    },
    {
      text: `${HEAD.replace('main', 'other')}${TTL}${STORE}`,
      want: ['2 provider "other" is not a provider of writ.yaml; known are main, tools'],
    },
    { text: `${HEAD.replace('name: p', 'name: q')}${TTL}${STORE}`, want: ['1 name "q" must be the name of the file'] },
    { text: `${HEAD.replace('name: p', 'name: ../p')}${TTL}${STORE}`, want: [/^1 name "\.\.\/p" is not a name/] },
    { text: `${HEAD.replace('owner: o', 'owner: "a b"')}${TTL}${STORE}`, want: [/^3 owner "a b" is not a label/] },
    {
      text: `${HEAD.replace('read', 'admin')}${TTL}${STORE}`,
      want: ['5 effect must be read or write or delete or purchase'],
    },
    { text: `${HEAD}${STORE}`, want: ['1 ttl is required'] },
    { text: `${HEAD}ttl: { default: 5m }\n${STORE}`, want: ['6 ttl.max is required'] },
    {
      text: `${HEAD}ttl: { default: 5m, max: 1x }\n${STORE}`,
      want: ['6 ttl.max "1x" is not a duration such as 90s, 15m, 1h or 30d'],
    },
    { text: `${HEAD}ttl: { default: 300, max: 1h }\n${STORE}`, want: ['6 ttl.default must be text'] },
    { text: `${HEAD}ttl: { default: 2h, max: 1h }\n${STORE}`, want: ['6 ttl.default "2h" is longer than ttl.max'] },
    {
      text: `${HEAD}ttl: { default: 1s, max: 1h, min: 10s }\n${STORE}`,
      want: ['6 ttl.default "1s" is shorter than ttl.min'],
    },
    { text: `${HEAD}ttl:\n  default: 5m\n  max: 31d\n${STORE}`, want: ['8 ttl.max "31d" is longer than 30d'] },
    {
      text: `${HEAD}${TTL}${STORE}parameters: { Month: { pattern: a } }`,
      want: [/^8 parameters\.Month "Month" is not a name of a parameter/],
    },
    {
      text: `${HEAD}${TTL}${STORE}parameters: { m: { patern: a } }`,
      want: ['8 parameters.m.pattern is required', /^8 parameters\.m\.patern is not known/],
    },
    {
      text: `${HEAD}${TTL}${STORE}parameters:\n  m: { pattern: "(a+)+" }`,
      want: [/^9 parameters\.m\.pattern "\(a\+\)\+" could take too long/],
    },
    {
      text: `${HEAD}${TTL}${STORE}parameters: { m: { pattern: "(" } }`,
      want: [/^8 parameters\.m\.pattern "\(" is not a regular expression/],
    },
    { text: `${HEAD}${TTL}${STORE}ttl: {}`, want: ['8 Map keys must be unique'] },
    {
      text: `${HEAD.replace('main', 'tools')}${TTL}jwt: { audience: reserved }`,
      want: ['7 jwt.audience is the broker’s own'],
    },
  ])('$text', ({ text, want }) => {
    const { problems, profile } = read(text);
    expect(profile).toBeUndefined();
    expect(problems).toHaveLength(want.length);
    want.forEach((expected, index) => {
      const problem = problems[index]?.replace('profiles/p.yaml:', '');
      if (typeof expected === 'string') expect(problem).toBe(expected);
      else expect(problem).toMatch(expected);
    });
  });

  test('all at once', () => {
    const text =
      'name: P\nprovider: main\nowner: ""\neffect: x\nttl: { default: 1h, max: 5m }\nstore: { roles: [7] }\nmore: 1';
    expect(
      read(text)
        .problems.map((problem) => problem.split(' ')[1])
        .sort(),
    ).toEqual(['name', 'owner', 'environment', 'effect', 'ttl.default', 'store.roles[0]', 'more'].sort());
  });
});

describe('templates', () => {
  const PARAMETERS = 'parameters: { m: { pattern: "a" }, o: { pattern: "a", optional: true } }\n';
  test.each([
    { role: '{{parameters.m}}', want: undefined },
    { role: 'a-{{parameters.m}}-{{parameters.m}}-}}', want: undefined },
    { role: '${aws:userid} $x {m}', want: undefined },
    { role: '{{parameters.x}}', want: /roles\[0\] has \{\{parameters\.x\}\}, but the profile declares no parameter x/ },
    { role: '{{parameters.o}}', want: /which is optional/ },
    { role: '{{ parameters.m }}', want: /not of the form/ },
    { role: '{{parameter.m}}', want: /not of the form/ },
    { role: '{{parameters.constructor}}', want: /declares no parameter constructor/ },
    { role: '{{task.id}}', want: /not of the form/ },
    { role: '{{parameters.m', want: /\{\{ without its \}\}/ },
    { role: '{{{parameters.m}}}', want: /not of the form/ },
  ])('$role', ({ role, want }) => {
    const { problems } = read(`${HEAD}${TTL}${PARAMETERS}store: { roles: ["${role}"] }`);
    if (want) expect(problems).toEqual([expect.stringMatching(want)]);
    else expect(problems).toEqual([]);
  });

  test('stand in values, not in names', () => {
    const { problems } = read(
      `${HEAD.replace('main', 'tools')}${TTL}${PARAMETERS}jwt: { audience: a, claims: { "{{parameters.m}}": x } }`,
    );
    expect(problems).toEqual([expect.stringMatching(/names are not/)]);
  });
});
