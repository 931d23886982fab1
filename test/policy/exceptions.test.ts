import { makeCedarCompiler } from '../../src/policy/index.ts';
import type { PolicyRequest } from '../../src/policy/index.ts';
import { compile, request, schema } from './world.ts';

/** An exception sets aside the forbids that it names and that are marked for it; never another one, and never more. */
const ALLOW = '@id("all") permit (principal, action, resource);';
const SOFT = '@id("soft") @overridable("exception") forbid (principal, action, resource);';
const SOFTER = '@id("softer") @overridable forbid (principal, action, resource);';
const HARD = '@id("hard") forbid (principal, action, resource);';
const ASK = '@id("ask") @requires("approval") forbid (principal, action, resource) unless { context has approval };';
const SOFT_ASK =
  '@id("soft-ask") @overridable @requires("approval") forbid (principal, action, resource) unless { context has approval };';

const under = (...policies: string[]): PolicyRequest => ({ ...request(), exception: { id: 'x1', policies } });
const approved = (...policies: string[]): PolicyRequest => ({
  ...request({ context: { approval: { id: 'a1', by: [], people: [['approver']] } } }),
  exception: { id: 'x1', policies },
});

test.each<{ name: string; policies: string; asked: PolicyRequest; want: object }>([
  {
    name: 'without an exception it denies, and says that one could help',
    policies: `${ALLOW} ${SOFT}`,
    asked: request(),
    want: { outcome: 'deny', policies: ['soft'], overridable: ['soft'] },
  },
  {
    name: 'with one it is allowed, and says what was set aside',
    policies: `${ALLOW} ${SOFT}`,
    asked: under('soft'),
    want: { outcome: 'allow', policies: ['all'], overridden: ['soft'] },
  },
  {
    name: 'all that stand in the way have to be named',
    policies: `${ALLOW} ${SOFT} ${SOFTER}`,
    asked: under('soft'),
    want: { outcome: 'deny', policies: ['softer'], overridable: ['softer'] },
  },
  {
    name: 'and then are',
    policies: `${ALLOW} ${SOFT} ${SOFTER}`,
    asked: under('softer', 'soft'),
    want: { outcome: 'allow', overridden: ['soft', 'softer'] },
  },
  {
    name: 'one that is not marked stands, whatever is named',
    policies: `${ALLOW} ${SOFT} ${HARD}`,
    asked: under('soft', 'hard', 'all'),
    want: { outcome: 'deny', policies: ['hard'] },
  },
  {
    name: 'alone as well',
    policies: `${ALLOW} ${HARD}`,
    asked: under('hard'),
    want: { outcome: 'deny', policies: ['hard'] },
  },
  {
    name: 'it permits nothing by itself',
    policies: `${SOFT} @id("other") permit (principal in Trust::"other", action, resource);`,
    asked: under('soft'),
    want: { outcome: 'deny', policies: [] },
  },
  {
    name: 'an approval is still asked for',
    policies: `${ALLOW} ${SOFT} ${ASK}`,
    asked: under('soft', 'ask'),
    want: { outcome: 'approval', policies: ['ask'], overridden: ['soft'], approval: [{ role: 'approver', count: 1 }] },
  },
  {
    name: 'and given, it is allowed under both',
    policies: `${ALLOW} ${SOFT} ${ASK}`,
    asked: approved('soft'),
    want: { outcome: 'allow', policies: ['all'], overridden: ['soft'] },
  },
  {
    name: 'unless what asks for it is marked itself',
    policies: `${ALLOW} ${SOFT_ASK}`,
    asked: under('soft-ask'),
    want: { outcome: 'allow', overridden: ['soft-ask'] },
  },
  {
    name: 'which without an exception asks as any other',
    policies: `${ALLOW} ${SOFT_ASK}`,
    asked: under('soft'),
    want: { outcome: 'approval', policies: ['soft-ask'], overridable: ['soft-ask'] },
  },
  {
    name: 'where nothing stands in the way nothing is set aside',
    policies: `${ALLOW} @id("soft") @overridable forbid (principal in Trust::"other", action, resource);`,
    asked: under('soft'),
    want: { outcome: 'allow', policies: ['all'] },
  },
  {
    name: 'an error denies under an exception too',
    policies: `${ALLOW} ${SOFT} @id("errs") forbid (principal, action, resource) when { datetime("9999-12-31").offset(duration("9223372036854775807ms")) < context.now };`,
    asked: under('soft', 'errs'),
    want: { outcome: 'deny', errors: [{ policy: 'errs' }] },
  },
])('$name', ({ policies, asked, want }) => {
  const answer = compile(policies).decide(asked);
  expect(answer).toMatchObject(want);
  if (!('overridden' in want)) expect(answer).not.toHaveProperty('overridden');
  if (!('overridable' in want)) expect(answer).not.toHaveProperty('overridable');
});

test('the set says which of its policies may be overridden', () => {
  expect(compile(`${ALLOW} ${SOFTER} ${HARD} ${SOFT}`).overridable).toEqual(['soft', 'softer']);
});

test.each([
  ['@id("a") @overridable permit (principal, action, resource);', /a\.cedar:1 @overridable is for forbids/],
  [
    '@id("a")\n@overridable("always") forbid (principal, action, resource);',
    /a\.cedar:2 @overridable must be "exception"/,
  ],
  ['@id("a") @overridable("") forbid (principal, action, resource);', /@overridable must be "exception"/],
  ['@id("a") @override forbid (principal, action, resource);', /@override is not known/],
])('%s is a problem at load', (text, message) => {
  expect(() => compile(text)).toThrow(message);
});

test('sets with and without what may be overridden keep apart, however many are asked in turn', () => {
  const compiler = makeCedarCompiler();
  const sets = Array.from({ length: 8 }, (_, index) => {
    const text = `${ALLOW} @id("soft-${index}") @overridable forbid (principal, action, resource);`;
    return compiler.compile({ 'policies/a.cedar': text }, schema);
  });
  for (let round = 0; round < 3; round++) {
    for (const [index, set] of sets.entries()) {
      expect(set.decide(under(`soft-${index}`)).outcome).toBe('allow');
      expect(set.decide(under(`soft-${(index + 1) % 8}`)).outcome).toBe('deny');
    }
  }
});
