import type { PolicyRequest } from '../../src/policy/index.ts';
import { APPROVAL, compile, request } from './world.ts';

const ALLOW = '@id("all") permit (principal, action, resource);';

interface Row {
  readonly name: string;
  readonly policies: string;
  readonly request?: PolicyRequest;
  readonly want: object;
}

function rows(table: readonly Row[]): void {
  test.each(table)('$name', ({ policies, request: asked = request(), want }) => {
    expect(compile(policies).decide(asked)).toMatchObject(want);
  });
}

describe('deny is the default, and forbids win', () => {
  rows([
    { name: 'no policy at all', policies: '', want: { outcome: 'deny', policies: [], controls: [], errors: [] } },
    {
      name: 'one that does not apply',
      policies: '@id("a") permit (principal in Trust::"other", action, resource);',
      want: { outcome: 'deny', policies: [] },
    },
    { name: 'one that applies', policies: ALLOW, want: { outcome: 'allow', policies: ['all'] } },
    {
      name: 'a forbid beside it',
      policies: `${ALLOW} @id("no") forbid (principal, action, resource);`,
      want: { outcome: 'deny', policies: ['no'] },
    },
    {
      name: 'all that decide are named, sorted',
      policies: `@id("b") permit (principal, action, resource); ${ALLOW} @id("a") permit (principal, action, resource); @id("c") permit (principal in Trust::"other", action, resource);`,
      want: { outcome: 'allow', policies: ['a', 'all', 'b'] },
    },
  ]);
});

describe('the smallest @max_ttl of all permits caps the life', () => {
  rows([
    { name: 'none', policies: ALLOW, want: { outcome: 'allow' } },
    {
      name: 'several',
      policies: `${ALLOW} @id("long") @max_ttl("1h") permit (principal, action, resource); @id("short") @max_ttl("15m") permit (principal, action, resource); @id("not-this") @max_ttl("1s") permit (principal in Trust::"other", action, resource);`,
      want: { outcome: 'allow', policies: ['all', 'long', 'short'], maxTtl: { policy: 'short', seconds: 900 } },
    },
    {
      name: 'the same: the first by name, so that the answer is always the same',
      policies:
        '@id("b") @max_ttl("60s") permit (principal, action, resource); @id("a") @max_ttl("1m") permit (principal, action, resource);',
      want: { maxTtl: { policy: 'a', seconds: 60 } },
    },
  ]);

  test('and none is named where nothing is given', () => {
    const set = compile(
      '@id("a") @max_ttl("1m") permit (principal, action, resource); @id("no") forbid (principal, action, resource);',
    );
    expect(set.decide(request())).not.toHaveProperty('maxTtl');
    expect(compile(ALLOW).decide(request())).not.toHaveProperty('maxTtl');
  });
});

describe('an error in any policy is a deny', () => {
  // Strict validation cannot see an overflow: it is the one error that a validated policy can have.
  const OVERFLOW = 'datetime("9999-12-31").offset(duration("9223372036854775807ms")) < context.now';
  rows([
    {
      name: 'an erring forbid, which Cedar skips',
      policies: `${ALLOW} @id("errs") forbid (principal, action, resource) when { ${OVERFLOW} };`,
      want: { outcome: 'deny', policies: [], errors: [{ policy: 'errs', message: expect.any(String) }] },
    },
    {
      name: 'an erring permit beside one that applies',
      policies: `${ALLOW} @id("errs") permit (principal, action, resource) when { ${OVERFLOW} };`,
      want: { outcome: 'deny', policies: [], errors: [{ policy: 'errs' }] },
    },
    {
      name: 'beside a forbid that applies, which is named',
      policies: `@id("no") forbid (principal, action, resource); @id("errs") permit (principal, action, resource) when { ${OVERFLOW} };`,
      want: { outcome: 'deny', policies: ['no'], errors: [{ policy: 'errs' }] },
    },
    {
      name: 'one that errs once there is an approval',
      policies: `${ALLOW} @id("ask") @requires("approval") forbid (principal, action, resource) unless { context has approval }; @id("errs") forbid (principal, action, resource) when { context has approval && ${OVERFLOW} };`,
      want: { outcome: 'deny', policies: ['ask'], errors: [{ policy: 'errs' }] },
    },
  ]);
});

describe('a request that does not fit the schema is a deny', () => {
  rows([
    {
      name: 'a parameter that no profile has',
      policies: ALLOW,
      request: request({ context: { parameters: { year: '2026' } } }),
      want: { outcome: 'deny' },
    },
    {
      name: 'a time that is none',
      policies: ALLOW,
      request: request({ context: { now: 'now' } }),
      want: { outcome: 'deny' },
    },
    {
      name: 'a task that is a profile',
      policies: ALLOW,
      request: { ...request(), action: 'create_task' },
      want: { outcome: 'deny' },
    },
    {
      name: 'a life that is no whole number',
      policies: ALLOW,
      request: request({ context: { requestedTtl: 1.5 } }),
      want: { outcome: 'deny' },
    },
  ]);

  test('with an error that says so', () => {
    const { errors } = compile(ALLOW).decide(request({ context: { parameters: { year: '2026' } } }));
    expect(errors).toEqual([{ policy: '', message: expect.stringContaining('year') }]);
  });
});

describe('approval', () => {
  const FORBID =
    '@id("ask") @requires("approval") @control("X:1") forbid (principal, action, resource) unless { context has approval };';
  const PERMIT = '@id("may") @requires("approval") @max_ttl("5m") permit (principal, action, resource);';
  rows([
    {
      name: 'a forbid that only an approval lifts',
      policies: `${ALLOW} ${FORBID}`,
      want: { outcome: 'approval', policies: ['ask'], controls: ['X:1'], errors: [] },
    },
    {
      name: 'and lifted',
      policies: `${ALLOW} ${FORBID}`,
      request: request({ context: { approval: APPROVAL } }),
      want: { outcome: 'allow', policies: ['all'] },
    },
    {
      name: 'is not asked for where nothing permits it anyway',
      policies: FORBID,
      want: { outcome: 'deny', policies: ['ask'] },
    },
    {
      name: 'nor where another forbid stands',
      policies: `${ALLOW} ${FORBID} @id("no") forbid (principal, action, resource);`,
      want: { outcome: 'deny', policies: ['ask', 'no'] },
    },
    {
      name: 'nor where another forbid would stand then',
      policies: `${ALLOW} ${FORBID} @id("never") forbid (principal, action, resource) when { context has approval };`,
      want: { outcome: 'deny', policies: ['ask'] },
    },
    {
      name: 'nor where the forbid does not look at it',
      policies: `${ALLOW} @id("ask") @requires("approval") forbid (principal, action, resource);`,
      want: { outcome: 'deny', policies: ['ask'] },
    },
    {
      name: 'an approval that is not the right one does not make a deny another question',
      policies: `${ALLOW} @id("ask") @requires("approval") forbid (principal, action, resource) unless { context has approval && context.approval.by.contains("bob") };`,
      request: request({ context: { approval: APPROVAL } }),
      want: { outcome: 'deny', policies: ['ask'] },
    },
    {
      name: 'a permit that is given on approval',
      policies: PERMIT,
      want: { outcome: 'approval', policies: ['may'], maxTtl: { policy: 'may', seconds: 300 } },
    },
    {
      name: 'and given',
      policies: PERMIT,
      request: request({ context: { approval: APPROVAL } }),
      want: { outcome: 'allow', policies: ['may'], maxTtl: { policy: 'may', seconds: 300 } },
    },
    {
      name: 'obligations are the union: one such permit among others is enough',
      policies: `${ALLOW} ${PERMIT}`,
      want: { outcome: 'approval', policies: ['all', 'may'] },
    },
    {
      name: 'a permit on approval that would be forbidden then',
      policies: `${PERMIT} @id("never") forbid (principal, action, resource) when { context has approval };`,
      want: { outcome: 'deny', policies: ['never'] },
    },
    {
      name: 'the cap is that of the permits that would give it',
      policies: `${ALLOW} ${FORBID} @id("approved") @max_ttl("1m") permit (principal, action, resource) when { context has approval };`,
      want: { outcome: 'approval', policies: ['ask'], maxTtl: { policy: 'approved', seconds: 60 } },
    },
  ]);
});

test('controls are those of the deciding policies, once each, sorted', () => {
  const set = compile(
    '@id("a") @control("NIST-AI-RMF:GOVERN 1.6, X:2") permit (principal, action, resource); @id("b") @control("X:2,A:1") permit (principal, action, resource); @id("c") @control("Y:1") permit (principal in Trust::"other", action, resource);',
  );
  expect(set.decide(request()).controls).toEqual(['A:1', 'NIST-AI-RMF:GOVERN 1.6', 'X:2']);
});

describe('who is meant', () => {
  const mesh = '@id("p") permit (principal in Trust::"mesh", action, resource);';
  const leads = '@id("p") permit (principal in Group::"corp/leads", action, resource);';
  const agent = '@id("p") permit (principal == Workload::"mesh/spiffe://prod.example/agent", action, resource);';
  rows([
    { name: 'a workload of the trust entry', policies: mesh, want: { outcome: 'allow' } },
    {
      name: 'one of another',
      policies: mesh,
      request: request({ principal: { trust: 'mesh2' } }),
      want: { outcome: 'deny' },
    },
    {
      name: 'a group that is called like a trust entry is none',
      policies: mesh,
      request: request({ principal: { trust: 'corp', groups: ['mesh', 'Trust::"mesh"'] } }),
      want: { outcome: 'deny' },
    },
    {
      name: 'a member of the group',
      policies: leads,
      request: request({ principal: { trust: 'corp', groups: ['others', 'leads'] } }),
      want: { outcome: 'allow' },
    },
    {
      name: 'the same group of another trust entry',
      policies: leads,
      request: request({ principal: { trust: 'mesh', groups: ['leads', 'corp/leads'] } }),
      want: { outcome: 'deny' },
    },
    { name: 'a workload by name', policies: agent, want: { outcome: 'allow' } },
    {
      name: 'that name in another trust entry',
      policies: agent,
      request: request({ principal: { trust: 'corp' } }),
      want: { outcome: 'deny' },
    },
    {
      name: 'a trust entry and an id that read the same together',
      policies: agent,
      request: request({ principal: { trust: 'mes', id: 'h/spiffe://prod.example/agent' } }),
      want: { outcome: 'deny' },
    },
    {
      name: 'by its id, wherever it comes from',
      policies:
        '@id("p") permit (principal, action, resource) when { principal.id like "spiffe://prod.example/*" && principal.trust == "mesh" };',
      want: { outcome: 'allow' },
    },
    {
      name: 'by an attribute',
      policies:
        '@id("p") permit (principal, action, resource) when { principal.hasTag("team") && principal.getTag("team") == "x" };',
      request: request({ principal: { attributes: { team: 'x' } } }),
      want: { outcome: 'allow' },
    },
    {
      name: 'an attribute called like a member is not that member',
      policies: '@id("p") permit (principal, action, resource) when { principal.trust == "corp" };',
      request: request({ principal: { attributes: { trust: 'corp', id: 'x' } } }),
      want: { outcome: 'deny' },
    },
  ]);
});

describe('what is asked', () => {
  const when = (condition: string) =>
    `@id("p") permit (principal, action == Action::"issue", resource) when { ${condition} };`;
  rows([
    { name: 'the action', policies: when('true'), request: request({ action: 'renew' }), want: { outcome: 'deny' } },
    {
      name: 'the profile by name',
      policies: '@id("p") permit (principal, action, resource == Profile::"invoices");',
      want: { outcome: 'allow' },
    },
    {
      name: 'all of the profile',
      policies: when(
        'resource.name == "invoices" && resource.provider == "main" && resource.owner == "payments" && resource.environment == "production" && resource.effect == "read"',
      ),
      want: { outcome: 'allow' },
    },
    {
      name: 'all of the task',
      policies: when(
        'context.task.purpose == "why" && context.task.mode == "autonomous" && context.task.environment == "production" && context.task.implicit',
      ),
      want: { outcome: 'allow' },
    },
    {
      name: 'a parameter',
      policies: when('context.parameters has month && context.parameters.month == "11"'),
      request: request({ context: { parameters: { month: '11' } } }),
      want: { outcome: 'allow' },
    },
    { name: 'how long', policies: when('context.requested_ttl <= duration("10m")'), want: { outcome: 'allow' } },
    {
      name: 'and not longer',
      policies: when('context.requested_ttl <= duration("10m")'),
      request: request({ context: { requestedTtl: 601 } }),
      want: { outcome: 'deny' },
    },
    { name: 'when', policies: when('context.now.toTime() == duration("12h")'), want: { outcome: 'allow' } },
    {
      name: 'on whose behalf',
      policies: when('context has on_behalf_of && context.on_behalf_of == "alice"'),
      request: request({ context: { onBehalfOf: 'alice' }, task: { implicit: false } }),
      want: { outcome: 'allow' },
    },
    {
      name: 'by whose approval',
      policies: when(
        'context has approval && context.approval.id == "a1" && context.approval.by.contains("https://sso.example alice")',
      ),
      request: request({ context: { approval: APPROVAL } }),
      want: { outcome: 'allow' },
    },
    {
      name: 'a task that is to be created',
      policies:
        '@id("p") permit (principal, action == Action::"create_task", resource) when { resource.mode == "observe" && resource.environment == "test" && resource.purpose == "why" };',
      request: {
        action: 'create_task',
        principal: { trust: 'mesh', id: 'x', groups: [], attributes: {} },
        context: {
          task: { purpose: 'why', mode: 'observe', environment: 'test', implicit: false },
          parameters: {},
          requestedTtl: 60,
          now: '2026-11-23T12:00:00Z',
        },
      },
      want: { outcome: 'allow' },
    },
  ]);
});
