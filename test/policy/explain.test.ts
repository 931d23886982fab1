import type { PolicyCase, PolicyQuestion } from '../../src/domain/question.ts';
import {
  caseProblems,
  explain,
  explanationJson,
  generateSchema,
  makeCedarCompiler,
  testPolicies,
} from '../../src/policy/index.ts';
import type { ExplainedRules, Explanation } from '../../src/policy/index.ts';
import { profile } from './world.ts';

const profiles = new Map([
  ['invoices', profile()],
  [
    'refund',
    profile({ name: 'refund', effect: 'purchase', parameters: { order: { pattern: '[0-9]+', optional: false } } }),
  ],
  ['spare', profile({ name: 'spare', provider: 'off' })],
]);

const POLICIES = `
@id("read") @max_ttl("15m") @control("X:1") permit (principal in Trust::"mesh", action == Action::"issue", resource) when { context.task.purpose != "" };
@id("morning") permit (principal, action == Action::"renew", resource) when { context.now.toTime() < duration("12h") };
@id("tasks") permit (principal, action == Action::"create_task", resource) when { resource.environment == "test" };
@id("ask") @requires("approval") forbid (principal, action == Action::"issue", resource) when { resource.effect == "purchase" } unless { context has approval };
`;

const rules: ExplainedRules = {
  profiles,
  policies: makeCedarCompiler().compile({ 'policies/a.cedar': POLICIES }, generateSchema(profiles.values())),
  off: new Set(['off']),
};

const now = new Date('2026-11-23T13:00:00.500Z');
const question = (changes: Partial<PolicyQuestion> = {}): PolicyQuestion => ({
  principal: { trust: 'mesh', id: 'a', groups: [], attributes: {} },
  action: 'issue',
  profile: 'invoices',
  parameters: {},
  purpose: 'why',
  task: { mode: 'autonomous', implicit: true },
  ...changes,
});

const MORNING = '2026-11-23T09:00:00Z';
const SUPERVISED = { mode: 'supervised', implicit: false } as const;

describe('what would be decided', () => {
  test.each<{ name: string; asked: Partial<PolicyQuestion>; want: object }>([
    {
      name: 'allowed, and for how long',
      asked: {},
      want: { outcome: 'allow', answer: { policies: ['read'] }, ttl: { seconds: 600, decidedBy: 'profile_default' } },
    },
    {
      name: 'capped by a policy',
      asked: { ttlSeconds: 7200 },
      want: { outcome: 'allow', ttl: { seconds: 900, decidedBy: 'policy:read' } },
    },
    {
      name: 'on a task that only observes',
      asked: { task: { mode: 'observe', implicit: false } },
      want: { outcome: 'deny', code: 'task_observes', facts: { would: 'allow' } },
    },
    {
      name: 'of more than reading, under supervision',
      asked: { action: 'renew', profile: 'refund', parameters: { order: '1' }, now: MORNING, task: SUPERVISED },
      want: { outcome: 'approval', code: 'approval_required', answer: { outcome: 'allow' } },
    },
    {
      name: 'the same, once somebody has approved',
      asked: {
        ...{ action: 'renew', profile: 'refund', parameters: { order: '1' }, now: MORNING, task: SUPERVISED },
        approval: { id: 'a1', by: ['https://sso.example alice'] },
      },
      want: { outcome: 'allow' },
    },
    {
      name: 'below the minimum',
      asked: { ttlSeconds: 5 },
      want: { outcome: 'deny', code: 'ttl_below_minimum', facts: { minimum: 10 }, answer: { outcome: 'allow' } },
    },
    {
      name: 'denied',
      asked: { purpose: '' },
      want: { outcome: 'deny', code: 'policy_denied', answer: { policies: [] } },
    },
    {
      name: 'on approval',
      asked: { profile: 'refund', parameters: { order: '1' } },
      want: { outcome: 'approval', code: 'approval_required', answer: { policies: ['ask'] }, ttl: { seconds: 600 } },
    },
    {
      name: 'with it',
      asked: { profile: 'refund', parameters: { order: '1' }, approval: { id: 'x', by: [] } },
      want: { outcome: 'allow', answer: { policies: ['read'] } },
    },
    { name: 'an unknown profile', asked: { profile: 'nope' }, want: { outcome: 'deny', code: 'unknown_profile' } },
    { name: 'one that is off', asked: { profile: 'spare' }, want: { outcome: 'deny', code: 'profile_off' } },
    {
      name: 'wrong parameters',
      asked: { profile: 'refund', parameters: { x: '1' } },
      want: { outcome: 'deny', code: 'invalid_request', faults: [{ parameter: 'order' }, { parameter: 'x' }] },
    },
    {
      name: 'at the time that is asked about',
      asked: { action: 'renew', now: '2026-11-23T11:59:59Z' },
      want: { outcome: 'allow' },
    },
    {
      name: 'else at the time of asking',
      asked: { action: 'renew' },
      want: { outcome: 'deny', request: { context: { now: '2026-11-23T13:00:00Z' } } },
    },
    {
      name: 'a task',
      asked: { action: 'create_task', task: { mode: 'observe', environment: 'test', implicit: false } },
      want: { outcome: 'allow', answer: { policies: ['tasks'] } },
    },
  ])('$name', ({ asked, want }) => {
    expect(explain(rules, question(asked), now)).toMatchObject(want);
  });

  test('what a provider would be asked follows only where something would be given', () => {
    const given = explain(rules, question({ profile: 'refund', parameters: { order: '1' } }), now);
    expect(given.granted).toEqual({ profile: profiles.get('refund'), parameters: { order: '1' } });
    for (const asked of [{ purpose: '' }, { profile: 'nope' }, { ttlSeconds: 5 }, { profile: 'spare' }]) {
      expect(explain(rules, question(asked), now)).not.toHaveProperty('granted');
    }
  });

  test('the environment is the profile’s unless the task has another', () => {
    const environment = (explanation: Explanation) => explanation.request?.context.task.environment;
    expect(environment(explain(rules, question(), now))).toBe('production');
    const task = { mode: 'observe', environment: 'test', implicit: false } as const;
    expect(environment(explain(rules, question({ task }), now))).toBe('test');
  });

  test('as JSON', () => {
    expect(explanationJson(explain(rules, question({ ttlSeconds: 7200 }), now))).toEqual({
      outcome: 'allow',
      policies: ['read'],
      controls: ['X:1'],
      errors: [],
      max_ttl: { policy: 'read', seconds: 900 },
      ttl: { seconds: 900, decided_by: 'policy:read' },
    });
    expect(explanationJson(explain(rules, question({ profile: 'refund' }), now))).toEqual({
      outcome: 'deny',
      code: 'invalid_request',
      parameters: [{ parameter: 'order', problem: 'missing' }],
      policies: [],
      controls: [],
      errors: [],
    });
  });
});

describe('cases', () => {
  const one = (want: PolicyCase['want'], asked: Partial<PolicyQuestion> = {}): PolicyCase => ({
    file: 'cases/a.yaml',
    line: 7,
    name: 'it',
    question: question(asked),
    want,
  });
  test.each<{ name: string; wanted: PolicyCase; differences: unknown[] }>([
    { name: 'as wanted', wanted: one({ outcome: 'allow', policies: ['read'], maxTtlSeconds: 900 }), differences: [] },
    { name: 'the outcome', wanted: one({ outcome: 'deny' }), differences: ['the outcome is allow, not deny'] },
    {
      name: 'and why',
      wanted: one({ outcome: 'allow' }, { profile: 'nope' }),
      differences: ['the outcome is deny (unknown_profile), not allow'],
    },
    {
      name: 'the policies',
      wanted: one({ outcome: 'allow', policies: ['b', 'a'] }),
      differences: ['decided by read, not by a, b'],
    },
    {
      name: 'none',
      wanted: one({ outcome: 'deny', policies: ['ask'] }, { purpose: '' }),
      differences: ['decided by no policy, not by ask'],
    },
    {
      name: 'the cap',
      wanted: one({ outcome: 'allow', maxTtlSeconds: 60 }),
      differences: ["the policies' max_ttl is 15m (read), not 1m"],
    },
    {
      name: 'no cap',
      wanted: one({ outcome: 'allow', maxTtlSeconds: 60 }, { action: 'renew', now: '2026-11-23T01:00:00Z' }),
      differences: ["the policies' max_ttl is no cap, not 1m"],
    },
    {
      name: 'everything at once',
      wanted: one({ outcome: 'deny', policies: [], maxTtlSeconds: 60 }),
      differences: ['the outcome is allow, not deny', 'decided by read, not by no policy', expect.any(String)],
    },
  ])('$name', ({ wanted, differences }) => {
    const results = testPolicies(rules, [wanted], now);
    expect(results).toMatchObject([{ passed: differences.length === 0, differences }]);
    expect(caseProblems(results)).toEqual(
      results[0]?.differences.map((difference) => ({ file: 'cases/a.yaml', line: 7, message: `it: ${difference}` })),
    );
  });

  test('a policy that errs fails a case even where a deny is wanted', () => {
    const broken =
      '@id("errs") forbid (principal, action == Action::"issue", resource) when { datetime("9999-12-31").offset(duration("9223372036854775807ms")) < context.now };';
    const policies = makeCedarCompiler().compile({ 'policies/a.cedar': broken }, generateSchema(profiles.values()));
    const [result] = testPolicies({ ...rules, policies }, [one({ outcome: 'deny' })], now);
    expect(result).toMatchObject({ passed: false, differences: [expect.stringMatching(/^errs failed: /)] });
  });
});
