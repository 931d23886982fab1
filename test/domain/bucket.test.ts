import { makeBuckets } from '../../src/domain/bucket.ts';

const SECOND = 1_000;
const take = (buckets: ReturnType<typeof makeBuckets>, times: number, nowMs: number, key = 'a') =>
  Array.from({ length: times }, () => buckets.take(key, nowMs)).filter(Boolean).length;

test('so many at once, then as they come back', () => {
  const buckets = makeBuckets({ capacity: 5, perSecond: 2 });
  expect(take(buckets, 9, 0)).toBe(5);
  expect(take(buckets, 9, 0.4 * SECOND)).toBe(0);
  expect(take(buckets, 9, 1 * SECOND)).toBe(2);
  expect(take(buckets, 9, 3_600 * SECOND)).toBe(5); // never more than it holds
});

test('each key has its own', () => {
  const buckets = makeBuckets({ capacity: 1, perSecond: 1 });
  expect([take(buckets, 2, 0, 'a'), take(buckets, 2, 0, 'b')]).toEqual([1, 1]);
});

test('looking takes nothing', () => {
  const buckets = makeBuckets({ capacity: 1, perSecond: 1 });
  expect([buckets.has('a', 0), buckets.has('a', 0), buckets.take('a', 0), buckets.has('a', 0)]).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test('a clock that goes back gives nothing and takes nothing', () => {
  const buckets = makeBuckets({ capacity: 2, perSecond: 1 });
  expect(take(buckets, 1, 10 * SECOND)).toBe(1);
  expect(take(buckets, 5, 0)).toBe(1);
});

test('a flood of keys does not fill the memory: the longest unused is forgotten, what is in use is not', () => {
  const buckets = makeBuckets({ capacity: 1, perSecond: 0.000_1 });
  buckets.take('first', 0);
  buckets.take('used', 0);
  for (let n = 0; n < 50_000; n++) {
    buckets.take(`k${n}`, n);
    if (n % 1_000 === 0) buckets.take('used', n);
  }
  expect([buckets.has('first', 50_000), buckets.has('used', 50_000)]).toEqual([true, false]);
});
