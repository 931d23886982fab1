import { parseQuestion, readCases } from '../../src/config/index.ts';
import type { Json } from '../../src/domain/json.ts';
import { problemsOf } from './problems.ts';
import { removeTrees, tree } from './tree.ts';

afterAll(removeTrees);

const PRINCIPAL = { trust: 'dev', id: 'a' };

test('cases, with what is left out filled in', async () => {
  const directory = await tree({
    'b.yaml':
      'cases: [{ name: second, request: { principal: { trust: t, id: i }, profile: p }, want: { outcome: deny } }]',
    'a.yaml': `cases:
  - name: first
    request:
      principal: { trust: t, id: i, groups: [g], attributes: { team: x } }
      action: create_task
      purpose: why
      ttl_seconds: 60
      on_behalf_of: alice
      task: { mode: observe, environment: e, implicit: false }
      approval: { id: a, by: [b] }
      now: 2026-01-31T12:00:00Z
    want: { outcome: allow, policies: [x], max_ttl: 15m }
`,
    '.hidden.yaml': 'x',
  });
  expect(await readCases(directory)).toEqual([
    {
      file: `${directory}/a.yaml`,
      line: 2,
      name: 'first',
      question: {
        principal: { trust: 't', id: 'i', groups: ['g'], attributes: { team: 'x' } },
        action: 'create_task',
        parameters: {},
        purpose: 'why',
        ttlSeconds: 60,
        onBehalfOf: 'alice',
        task: { mode: 'observe', environment: 'e', implicit: false },
        approval: { id: 'a', by: ['b'] },
        now: '2026-01-31T12:00:00Z',
      },
      want: { outcome: 'allow', policies: ['x'], maxTtlSeconds: 900 },
    },
    {
      file: `${directory}/b.yaml`,
      line: 1,
      name: 'second',
      question: {
        principal: { trust: 't', id: 'i', groups: [], attributes: {} },
        action: 'issue',
        profile: 'p',
        parameters: {},
        purpose: '',
        task: { mode: 'autonomous', implicit: true },
      },
      want: { outcome: 'deny' },
    },
  ]);
});

test('problems of every file at once, with their lines', async () => {
  const directory = await tree({
    'a.yaml': `cases:
  - name: one
    request: { principal: { trust: t, id: i } }
    want: { outcome: maybe, max_ttl: long }
  - name: two
    request: { principal: { trust: t, id: i }, profile: p }
    want: { outcome: deny }
  - name: two
    request: { principal: { trust: t, id: i }, profile: p, more: 1 }
    want: { outcome: deny }
  - name: two
    request: { principal: { trust: t, id: i }, profile: p }
    want: { outcome: deny }
`,
    'b.yaml': 'cases: []',
    'c.yaml': 'a: 1\na: 2',
    'd.txt': '',
  });
  const problems = (await problemsOf(() => readCases(directory))).map((problem) =>
    problem.replace(`${directory}/`, ''),
  );
  expect(problems).toEqual([
    'a.yaml:3 cases[0].request.profile is required with issue',
    'a.yaml:4 cases[0].want.outcome must be allow or deny or approval',
    'a.yaml:4 cases[0].want.max_ttl "long" is not a duration such as 90s, 15m, 1h or 30d',
    expect.stringMatching(/^a\.yaml:9 cases\[2\]\.request\.more is not known here/),
    'a.yaml:11 cases[3].name "two" is there twice',
    'b.yaml:1 cases needs at least 1 items',
    'c.yaml:2 Map keys must be unique',
    'd.txt is not a file of cases: those are called *.yaml',
  ]);
});

describe('a question that is not one', () => {
  test.each<{ value: Json; want: RegExp[] }>([
    { value: null, want: [/^q\.json must be a map of members/] },
    { value: { principal: PRINCIPAL }, want: [/profile is required with issue/] },
    {
      value: { principal: PRINCIPAL, action: 'create_task', profile: 'p' },
      want: [/profile is not asked for with create_task/],
    },
    {
      value: { profile: 'p', principal: { trust: 't' }, ttl: 5 },
      want: [/principal\.id is required/, /ttl is not known here/],
    },
    { value: { profile: 'p', principal: PRINCIPAL, parameters: { n: 5 } }, want: [/parameters\.n must be text/] },
    { value: { profile: 'p', principal: PRINCIPAL, ttl_seconds: 0 }, want: [/ttl_seconds needs at least 1/] },
    { value: { profile: 'p', principal: PRINCIPAL, now: 'today' }, want: [/now must be a time such as/] },
  ])('$value', async ({ value, want }) => {
    const problems = await problemsOf(() => parseQuestion(value, 'q.json'));
    expect(problems).toHaveLength(want.length);
    want.forEach((pattern, index) => expect(problems[index]).toMatch(pattern));
  });
});
