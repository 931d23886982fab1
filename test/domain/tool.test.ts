import { covers, overlap } from '../../src/domain/tool.ts';

describe('whether a name covers that of a call', () => {
  test.each([
    { pattern: 'refund', name: 'refund', want: true },
    { pattern: 'refund', name: 'refunds', want: false },
    { pattern: 'refund', name: '', want: false },
    { pattern: 'mcp.*', name: 'mcp.search', want: true },
    { pattern: 'mcp.*', name: 'mcp.', want: true },
    { pattern: 'mcp.*', name: 'mcp', want: false },
    { pattern: 'mcp.*', name: 'xmcp.search', want: false },
    { pattern: '*.read', name: 'a.b.read', want: true },
    { pattern: '*.read', name: 'a.reader', want: false },
    { pattern: 'a*b*c', name: 'a-b-c', want: true },
    { pattern: 'a*b*c', name: 'abc', want: true },
    { pattern: 'a*b*c', name: 'ac', want: false },
    { pattern: 'a*bc*c', name: 'abc', want: false },
    { pattern: 'a*a', name: 'a', want: false },
    { pattern: '*', name: 'anything', want: true },
    { pattern: 'a.c', name: 'abc', want: false }, // a dot is a dot
  ])('$pattern of $name: $want', ({ pattern, name, want }) => {
    expect(covers(pattern, name)).toBe(want);
  });
});

describe('whether two names cover one in common', () => {
  test.each([
    { one: 'a', other: 'a', want: true },
    { one: 'a', other: 'b', want: false },
    { one: 'a*', other: 'ab', want: true },
    { one: 'a*', other: 'b*', want: false },
    { one: 'a*', other: '*b', want: true },
    { one: 'mcp.*', other: 'mcp.github.*', want: true },
    { one: 'mcp.*', other: 'mcp2.*', want: false },
    { one: '*a*', other: '*b*', want: true },
    { one: 'a*c', other: 'ab*d', want: false },
    { one: '*', other: '', want: true },
  ])('$one and $other: $want', ({ one, other, want }) => {
    expect([overlap(one, other), overlap(other, one)]).toEqual([want, want]);
  });

  test('is what covering says, for many random ones', () => {
    const random = (alphabet: string, length: number) =>
      Array.from({ length }, () => alphabet[Math.floor(Math.random() * alphabet.length)]).join('');
    for (let n = 0; n < 2_000; n++) {
      const [one, other, name] = [random('ab*', 4), random('ab*', 4), random('ab', 5)];
      if (covers(one, name) && covers(other, name))
        expect([one, other, overlap(one, other)]).toEqual([one, other, true]);
    }
  });
});
