import { MAX_ARGUMENTS_CHARS, MAX_ARGUMENTS_DEPTH, readArguments, redact } from '../../src/domain/arguments.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';

const deep = (levels: number): JsonObject => {
  let value: Json = 1;
  for (let level = 0; level < levels; level++) value = { a: value };
  return value as JsonObject;
};

test('arguments within the bounds, as canonical text', () => {
  const given = { b: [1, 2.5, -0, 1e21, null, true], a: { 'ü"': 'x\n' } };
  expect(readArguments(JSON.parse(JSON.stringify(given)) as JsonObject)).toMatchObject({
    ok: false,
    fault: { path: '/b/3', problem: 'number_not_exact' },
  });
  expect(readArguments({ b: [1, 2.5, 0, null, true], a: { 'ü"': 'x\n' } })).toEqual({
    ok: true,
    text: '{"a":{"ü\\"":"x\\n"},"b":[1,2.5,0,null,true]}',
  });
  expect(readArguments(deep(MAX_ARGUMENTS_DEPTH))).toMatchObject({ ok: true });
});

describe('what is outside of them, and where', () => {
  test.each<{ name: string; json: string; path: string; problem: string }>([
    { name: 'infinite', json: '{"a": 1e400}', path: '/a', problem: 'number_not_exact' },
    { name: 'minus infinite', json: '{"a": [0, -1e400]}', path: '/a/1', problem: 'number_not_exact' },
    { name: 'beyond 2^53', json: '{"a": 9007199254740993}', path: '/a', problem: 'number_not_exact' },
    { name: 'U+0000', json: '{"a/b~": "\\u0000"}', path: '/a~1b~0', problem: 'text_not_kept' },
    { name: 'half a character', json: '{"a": "\\ud800"}', path: '/a', problem: 'text_not_kept' },
    { name: 'one as a name', json: '{"a": {"\\ud800": 1}}', path: '/a', problem: 'text_not_kept' },
    {
      name: 'too deep',
      json: JSON.stringify(deep(MAX_ARGUMENTS_DEPTH + 1)),
      path: '/a'.repeat(MAX_ARGUMENTS_DEPTH),
      problem: 'too_deep',
    },
    { name: 'too large', json: `{"a": "${'x'.repeat(MAX_ARGUMENTS_CHARS)}"}`, path: '', problem: 'too_large' },
  ])('$name', ({ json, path, problem }) => {
    expect(readArguments(JSON.parse(json) as JsonObject)).toEqual({ ok: false, fault: { path, problem } });
  });

  test('far too deep is refused without following it', () => {
    const text = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect(readArguments(JSON.parse(text) as JsonObject)).toMatchObject({ ok: false, fault: { problem: 'too_deep' } });
  });
});

describe('redaction', () => {
  const given = {
    card: { number: '4111', name: 'Ada' },
    items: [
      { secret: 1, n: 1 },
      { secret: 2, n: 2 },
    ],
    note: 'hi',
    'a/b': 1,
  };
  test.each<{ pointers: string[]; want: object }>([
    { pointers: [], want: given },
    { pointers: ['/note'], want: { ...given, note: '[redacted]' } },
    { pointers: ['/card/number'], want: { ...given, card: { number: '[redacted]', name: 'Ada' } } },
    { pointers: ['/card', '/card/number'], want: { ...given, card: '[redacted]' } },
    {
      pointers: ['/items/*/secret'],
      want: {
        ...given,
        items: [
          { secret: '[redacted]', n: 1 },
          { secret: '[redacted]', n: 2 },
        ],
      },
    },
    { pointers: ['/items/1'], want: { ...given, items: [{ secret: 1, n: 1 }, '[redacted]'] } },
    { pointers: ['/a~1b'], want: { ...given, 'a/b': '[redacted]' } },
    { pointers: ['/*'], want: { card: '[redacted]', items: '[redacted]', note: '[redacted]', 'a/b': '[redacted]' } },
    { pointers: ['/nothing', '/note/deeper'], want: given },
  ])('$pointers', ({ pointers, want }) => {
    const before = JSON.stringify(given);
    expect(redact(given, pointers)).toEqual(want);
    expect(JSON.stringify(given)).toBe(before);
  });
});
