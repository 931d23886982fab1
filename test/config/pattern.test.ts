import { MAX_WAYS, patternFault } from '../../src/config/pattern.ts';
import { MAX_PARAMETER_CHARS, anchored } from '../../src/domain/parameters.ts';

describe('a pattern that is taken', () => {
  test.each([
    '',
    '\\d{4}-\\d{2}',
    '[a-z0-9][a-z0-9-]{0,62}',
    'EUR|USD',
    '(?:EUR|USD)(?:-[0-9]{1,3})?',
    '(?:[a-z]{1,20}\\.){1,3}[a-z]{2,6}',
    '[^\\]{}]{1,100}',
    '\\u{1F600}\\p{L}+\\x41\\u0041\\cA\\/',
    '.+',
    'a{2,}?b',
    '()*',
  ])('%s', (pattern) => {
    expect(patternFault(pattern)).toBeUndefined();
  });
});

describe('a pattern that is refused', () => {
  test.each([
    '(a+)+',
    '(?:a*)*',
    '(a|a)*',
    '(a|ab)*b',
    '(?:a?){40}',
    '.*.*.*x',
    '(.*)(.*)(.*)',
    '[a-z]{1,100}[a-z]{1,100}[a-z]{1,100}',
    // memory and assertions
    '(a)\\1',
    '(?<n>a)\\k<n>',
    '(?=a)a',
    '(?<!b)a',
    '\\ba',
    // anchored as a whole already
    '^a|b$',
    'a$',
    // not regular expressions
    '(',
    '[',
    '\\',
    'a{2',
    '\\-',
    '*',
    // too long
    'a'.repeat(501),
  ])('%s', (pattern) => {
    expect(patternFault(pattern)).toBeDefined();
  });
});

/** What makes a backtracking engine try the most: everything fits until the very end. */
test('the slowest patterns that are taken are quick on hostile values', () => {
  const slow = ['.{0,45}.{0,45}.{0,45}x', '(?:.|.){15}x', '(?:.|.|.|.){8}x', '.*.*x', '(?:.?){16}x', '(?:.{1,6}){6}x'];
  const values = Array.from({ length: MAX_PARAMETER_CHARS + 1 }, (_, length) => 'a'.repeat(length));
  for (const pattern of slow) {
    expect([pattern, patternFault(pattern)]).toEqual([pattern, undefined]);
    const matcher = anchored(pattern);
    const began = process.cpuUsage();
    for (const value of values) matcher.test(value);
    const { user } = process.cpuUsage(began);
    // 257 values in 5 s of CPU at the most is 20 ms each: a hundred times what it takes here, nothing beside exponential.
    expect(user).toBeLessThan(5_000_000);
  }
  expect(MAX_WAYS).toBe(100_000);
});
