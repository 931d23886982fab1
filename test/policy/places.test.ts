import { makePlaces } from '../../src/policy/places.ts';
import { makeSliced } from '../../src/policy/slices.ts';
import type { Sliced, Texts } from '../../src/policy/slices.ts';

/** A Cedar that says what it holds: the texts by the name under which they were parsed last. */
function world(count: number) {
  const parsed = new Map<string, Texts>();
  const refused = new Set<Texts>();
  const places = makePlaces<Sliced, Texts>(count, {}, (name, texts) => {
    if (refused.has(texts)) return { type: 'failure', errors: [{ message: 'no' }] } as never;
    parsed.set(name, texts);
    return { type: 'success' };
  });
  return {
    places,
    parsed,
    refused,
    policies: () => [...parsed.values()].flatMap((texts) => Object.keys(texts)).length,
  };
}

/** Rules of which each is about a resource of its own, but for a few about all of them. */
const generation = (n: number, size = 40) =>
  makeSliced(
    Array.from({ length: size }, (_, at) => ({
      id: `g${n}p${at}`,
      source: { text: `g${n}p${at}` },
      ...(at > 3 && { resource: `Profile::r${at}` }),
    })),
  );
const about = (at: number) => ({ type: 'Profile', id: `r${at}` });

test('what is held does not grow with the generations: a set that has lost its place leaves nothing behind', () => {
  const { places, parsed, policies } = world(2);
  let names = 0;
  for (let n = 0; n < 60; n++) {
    const set = generation(n);
    const asked = Array.from({ length: 36 }, (_, at) => set.about(about(at + 4)));
    for (const texts of [set.whole, ...asked, ...asked]) expect(parsed.get(places.nameFor(set, texts))).toBe(texts);
    if (n === 1) names = parsed.size;
    // whole, and twice as many in slices, of either
    expect(policies()).toBeLessThanOrEqual(2 * 3 * 40);
  }
  expect(parsed.size).toBe(names);
});

test('a set that is asked again has its place again, and what is asked keeps its own', () => {
  const { places, parsed } = world(2);
  const sets = [0, 1, 2].map((n) => generation(n));
  for (const n of [0, 1, 0, 2, 0, 1, 2, 2, 0]) {
    const set = sets[n];
    if (!set) throw new Error('there are three');
    const texts = set.about(about(7));
    expect(parsed.get(places.nameFor(set, texts))).toBe(texts);
    expect(parsed.get(places.nameFor(set, set.whole))).toBe(set.whole);
  }
});

test('what Cedar does not take has no name, and its place is used again', () => {
  const { places, parsed, refused } = world(1);
  const set = generation(0);
  refused.add(set.whole);
  for (let n = 0; n < 3; n++) expect(() => places.nameFor(set, set.whole)).toThrow('no');
  refused.clear();
  expect(parsed.get(places.nameFor(set, set.whole))).toBe(set.whole);
  expect(parsed.size).toBe(1);
});
