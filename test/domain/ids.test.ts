import { randomBytes } from 'node:crypto';
import { inPieces, makeIds, parseId } from '../../src/domain/ids.ts';
import type { Ids } from '../../src/domain/ids.ts';

const KINDS = ['grant', 'mint', 'task', 'decision', 'order'] as const satisfies readonly (keyof Ids)[];
const AT = Date.parse('2026-11-23T12:00:00Z');

test.each(KINDS)('a %s’s id is read back as that kind and as no other', (kind) => {
  const id = makeIds(randomBytes, () => AT)[kind]();
  expect(KINDS.filter((each) => parseId(each, id) === id)).toEqual([kind]);
});

test('a grant’s is short enough for a session tag; the others begin with the time', () => {
  const zero = (bytes: number) => new Uint8Array(bytes);
  const ids = makeIds(zero, () => AT);
  expect(KINDS.map((kind) => ids[kind]().length)).toEqual([13, 22, 22, 22, 22]);
  expect(ids.grant()).toBe('g000000000000');
  const times = [0, 1, 31, 32, AT, AT + 1, 2 ** 45 - 1].map((ms) => makeIds(zero, () => ms).mint());
  expect([...times].sort()).toEqual(times);
  expect(new Set(times).size).toBe(times.length);
});

test('random bytes of any value make characters of the alphabet', () => {
  for (let byte = 0; byte < 256; byte++) {
    const ids = makeIds(
      (bytes) => new Uint8Array(bytes).fill(byte),
      () => AT,
    );
    for (const kind of KINDS) expect(parseId(kind, ids[kind]())).toBeDefined();
  }
});

test('pieces of what is random have each byte once, whatever their sizes', () => {
  let asked = 0;
  const take = inPieces((bytes) => {
    asked += 1;
    return new Uint8Array(bytes);
  });
  const sizes = [12, 1, 0, 500, 700, 12, 5_000, 12];
  const taken = sizes.map(take);
  expect(taken.map(({ length }) => length)).toEqual(sizes);
  // a byte that two pieces share would be written by both
  for (const piece of taken) for (const at of piece.keys()) piece[at] = (piece[at] ?? 0) + 1;
  expect(taken.every((piece) => piece.every((byte) => byte === 1))).toBe(true);
  expect(asked).toBeLessThan(sizes.length);
});

test.each([
  ['nothing', ''],
  ['another letter', 'x000000000000'],
  ['too short', 'g00000000000'],
  ['too long', 'g0000000000000'],
  ['a letter that is left out', 'g00000000000l'],
  ['upper case', 'g00000000000A'],
  ['a line end', 'g000000000000\n'],
  ['a quote', "g00000000000'"],
])('is no id: %s', (_, text) => {
  for (const kind of KINDS) expect(parseId(kind, text)).toBeUndefined();
});
