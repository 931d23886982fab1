import { parseTemplate } from '../../src/attesters/template.ts';

test.each([
  ['agent:{sub}', { sub: 'one' }, 'agent:one'],
  ['{sub}', { sub: 'one' }, 'one'],
  ['{a}/{b}!', { a: 'x', b: 'y' }, 'x/y!'],
  ['{/kubernetes.io/pod/name}', { '/kubernetes.io/pod/name': 'p' }, 'p'],
  ['{a}{', undefined, 'has a brace without its other half'],
  ['a}', undefined, 'has a brace without its other half'],
  ['{}', undefined, 'has a brace without its other half'],
  ['{{a}}', undefined, 'has a brace without its other half'],
  ['{a}{b}', undefined, 'needs text between two claims'],
  ['agent', undefined, 'names no {claim}'],
  ['', undefined, 'names no {claim}'],
])('%s of %p', (text, values: Record<string, string> | undefined, want) => {
  if (values === undefined) expect(() => parseTemplate(text)).toThrow(want);
  else expect(parseTemplate(text).render((claim) => values[claim])).toBe(want);
});

test('a missing value makes no text', () => {
  expect(parseTemplate('a:{b}').render(() => undefined)).toBeUndefined();
});

test('the caller learns what keeps a claim apart from the next', () => {
  const seen: [string, string | undefined][] = [];
  parseTemplate('x{a}::{b}/y/{c}z').render((claim, separator) => {
    seen.push([claim, separator]);
    return 'v';
  });
  expect(seen).toEqual([
    ['a', ':'],
    ['b', '/'],
    ['c', undefined],
  ]);
});
