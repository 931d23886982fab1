import { capabilitiesOn, fillRule, parsePolicy } from './acl.ts';

/** The fake answers "can this token do that" as Vault's documentation says: what is tested against it rests on this. */
const on = (policy: string, path: string) => capabilitiesOn(parsePolicy(policy), path).join();

test.each([
  ['an exact path', 'path "a/b" { capabilities = ["read"] }', 'a/b', 'read'],
  ['nothing else', 'path "a/b" { capabilities = ["read"] }', 'a/b/c', 'deny'],
  ['not the beginning of it', 'path "a/b" { capabilities = ["read"] }', 'a', 'deny'],
  ['a glob at the end', 'path "a/*" { capabilities = ["read"] }', 'a/b/c', 'read'],
  ['a glob in a name', 'path "a/writ-m*" { capabilities = ["delete"] }', 'a/writ-m1', 'delete'],
  ['and not before it', 'path "a/writ-m*" { capabilities = ["delete"] }', 'a/other', 'deny'],
  ['one segment', 'path "a/+/c" { capabilities = ["read"] }', 'a/b/c', 'read'],
  ['and not two', 'path "a/+/c" { capabilities = ["read"] }', 'a/b/b/c', 'deny'],
  ['deny beats what else is said of the path', 'path "a" { capabilities = ["read", "deny"] }', 'a', 'deny'],
])('%s: %s on %s is %s', (_name, policy, path, want) => {
  expect(on(policy, path)).toBe(want);
});

test.each([
  ['exact before a glob', ['a/*', 'a/b'], 'a/b', 'a/b'],
  ['the longer glob', ['a/*', 'a/b/*'], 'a/b/c', 'a/b/*'],
  ['the later wildcard', ['a/+/c', 'a/b/*'], 'a/b/c', 'a/b/*'],
  ['fewer segments that are open', ['+/+/c', '+/b/c'], 'a/b/c', '+/b/c'],
])('which of two counts: %s', (_name, patterns, path, want) => {
  const rules = patterns.map((pattern) => ({ path: pattern, capabilities: [pattern] }));
  for (const order of [rules, rules.toReversed()]) expect(capabilitiesOn(order, path)).toEqual([want]);
});

test('two policies on one path add up, and deny in one denies', () => {
  const both = 'path "a" { capabilities = ["read"] }\npath "a" { capabilities = ["update"] }';
  expect(on(both, 'a')).toBe('read,update');
  expect(on(`${both}\npath "a" { capabilities = ["deny"] }`, 'a')).toBe('deny');
});

test('a template is filled, or its rule does not count', () => {
  const [rule] = parsePolicy('path "s/{{identity.entity.metadata.month}}/*" { capabilities = ["read"] }');
  if (!rule) throw new Error('no rule');
  expect(fillRule(rule, () => '2026-10')?.path).toBe('s/2026-10/*');
  expect(fillRule(rule, () => undefined)).toBeUndefined();
});

test.each(['path "a', 'path "a" { capabilities = [', 'path a { capabilities = ["read"] }', 'x', 'path "a" {} x'])(
  'no policy: %s',
  (text) => {
    expect(() => parsePolicy(text)).toThrow('failed to parse policy');
  },
);
