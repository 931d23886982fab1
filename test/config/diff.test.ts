import { diffRules } from '../../src/config/index.ts';
import { canonicalJson } from '../../src/domain/json.ts';

/** Policies written `id=text`, a line each. */
const policiesOf = (text: string) =>
  new Map(text.split('\n').map((line): [string, string] => [line.split('=')[0] ?? '', line]));

const before = {
  'policies/a.cedar': 'one=1\ntwo=2',
  'policies/schema.cedarschema': 's',
  'profiles/gone.yaml': 'name: gone',
  'profiles/p.yaml': 'name: p\nttl: { default: 5m, max: 1h }\nroles: [a, b]\n',
};

test.each([
  { name: 'nothing', after: before, want: { added: [], removed: [], changed: [], summary: [] } },
  {
    name: 'members of a profile',
    after: { ...before, 'profiles/p.yaml': 'name: p\nttl: { default: 5m, max: 2h }\nroles: [a]\nowner: "o"\n' },
    want: {
      added: [],
      removed: [],
      changed: ['profiles/p.yaml'],
      summary: [
        'profile p: owner set to "o"',
        'profile p: roles ["a","b"] -> ["a"]',
        'profile p: ttl.max "1h" -> "2h"',
      ],
    },
  },
  {
    name: 'a comment',
    after: { ...before, 'profiles/p.yaml': `# why\n${before['profiles/p.yaml']}` },
    want: { added: [], removed: [], changed: ['profiles/p.yaml'], summary: ['profile p: comments or layout'] },
  },
  {
    name: 'files and policies',
    after: {
      'policies/a.cedar': 'two=changed',
      'policies/b.cedar': 'three=3',
      'policies/schema.cedarschema': 's2',
      'profiles/new.yaml': 'name: new',
      'profiles/p.yaml': before['profiles/p.yaml'],
    },
    want: {
      added: ['policies/b.cedar', 'profiles/new.yaml'],
      removed: ['profiles/gone.yaml'],
      changed: ['policies/a.cedar', 'policies/schema.cedarschema'],
      summary: [
        'profile gone: removed',
        'profile new: new',
        'policy one: removed',
        'policy three: new',
        'policy two: changed',
      ],
    },
  },
  {
    name: 'a policy that moves to another file',
    after: { ...before, 'policies/a.cedar': 'one=1', 'policies/b.cedar': 'two=2' },
    want: { added: ['policies/b.cedar'], removed: [], changed: ['policies/a.cedar'], summary: [] },
  },
])('what changes: $name', ({ after, want }) => {
  const difference = diffRules(before, after, policiesOf);
  expect(difference).toEqual(want);
  expect(JSON.parse(canonicalJson(difference))).toEqual(want);
});

test('from nothing everything is new', () => {
  const { added, summary } = diffRules(undefined, before, policiesOf);
  expect(added).toEqual(Object.keys(before));
  expect(summary).toContain('profile p: new');
});

test('a long difference is cut, and says so', () => {
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`profiles/p${index}.yaml`, '']));
  const { summary } = diffRules({}, many, policiesOf);
  expect(summary).toHaveLength(201);
  expect(summary.at(-1)).toBe('and 50 more');
});
