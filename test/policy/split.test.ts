import { lineOfAnnotation, lineOfByte, splitPolicies } from '../../src/policy/split.ts';

test.each([
  { text: '', want: [] },
  { text: '\n // only a comment;\n', want: [] },
  {
    text: 'a;b;\nc',
    want: [
      ['a;', 1],
      ['b;', 1],
      ['\nc', 1],
    ],
  },
  {
    text: 'a ";" b;\n\nc "\\";" d;',
    want: [
      ['a ";" b;', 1],
      ['\n\nc "\\";" d;', 1],
    ],
  },
  {
    text: '// ;"\na;\n// "\nb;',
    want: [
      ['// ;"\na;', 1],
      ['\n// "\nb;', 2],
    ],
  },
  {
    text: '"//"; x',
    want: [
      ['"//";', 1],
      [' x', 1],
    ],
  },
  {
    text: 'a; "not finished; \n b',
    want: [
      ['a;', 1],
      [' "not finished; \n b', 1],
    ],
  },
])('$text', ({ text, want }) => {
  const parts = splitPolicies(text);
  expect(parts.map((part) => [part.text, part.line])).toEqual(want);
  for (const part of parts) expect(part.bare).toHaveLength(part.text.length);
});

test('a place is counted in bytes, not in characters', () => {
  const [policy] = splitPolicies('// éééé\nplace\n\n\n\n;');
  if (!policy) throw new Error('no policy');
  expect(lineOfByte(policy, Buffer.byteLength('// éééé\npla'))).toBe(2);
});

test('places: bytes and annotations', () => {
  const [, policy] = splitPolicies('x;\n// é @id("no")\n@id("ü")\n  @ max_ttl("@requires")\npermit;');
  if (!policy) throw new Error('no policy');
  const byteOf = (text: string) => Buffer.byteLength(policy.text.slice(0, policy.text.indexOf(text)));
  expect(lineOfByte(policy, byteOf('permit'))).toBe(5);
  expect(lineOfByte(policy, 0)).toBe(1);
  expect(lineOfAnnotation(policy)).toBe(3);
  expect(lineOfAnnotation(policy, 'id')).toBe(3);
  expect(lineOfAnnotation(policy, 'max_ttl')).toBe(4);
});
