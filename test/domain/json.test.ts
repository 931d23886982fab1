import { canonicalJson, isJsonObject } from '../../src/domain/json.ts';
import type { Json } from '../../src/domain/json.ts';
import { canonicalise } from '../ledger/canonical.ts';

test.each<[string, Json, string]>([
  [
    'members by UTF-16 code units',
    { b: 1, a: 2, '\ue000': 3, '😀': 4, '10': 5, '9': 6 },
    '{"10":5,"9":6,"a":2,"b":1,"😀":4,"\ue000":3}',
  ],
  [
    'members inside members',
    { b: { d: 1, c: [{ z: 1, y: 2 }] }, a: null },
    '{"a":null,"b":{"c":[{"y":2,"z":1}],"d":1}}',
  ],
  ['an order that counts', [3, 1, 2], '[3,1,2]'],
  [
    'what is escaped, and only that',
    '"\\/\b\f\n\r\t\u0001\u007f\u2028é',
    '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u007f\u2028é"',
  ],
  ['nothing', {}, '{}'],
  ['a member of every object', { constructor: 1, toString: 2 }, '{"constructor":1,"toString":2}'],
])('canonical: %s', (_, value, text) => {
  expect(canonicalJson(value)).toBe(text);
  expect(canonicalise(value)).toBe(text); // what the ledger's events are held against agrees
});

test.each<[Json | undefined, boolean]>([
  [{}, true],
  [[], false],
  [null, false],
  ['{}', false],
  [undefined, false],
])('whether %j is an object', (value, want) => {
  expect(isJsonObject(value)).toBe(want);
});
