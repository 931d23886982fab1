import type { KeySet } from '../../../src/attesters/keys/key-set.ts';
import { makeKeySource, type KeyDocument, type SourceLimits } from '../../../src/attesters/keys/source.ts';
import { Fault } from '../../../src/domain/errors.ts';

const LIMITS: SourceLimits = { fresh: 300, floor: 30, ceiling: 3_600, retry: 5, unknownKey: 10, outage: 7_200 };

/** A source whose place publishes one key by name, with a clock that is moved. */
function makePlace(limits = LIMITS) {
  const made = new Map<string, KeySet['keys'][number]>();
  const key = (kid: string) => {
    const known = made.get(kid) ?? { kid, algorithms: [], cryptoKey: () => Promise.reject(new Error('unused')) };
    made.set(kid, known);
    return known;
  };
  let seconds = 1_000_000;
  const place = {
    document: { text: 'key-1' } as KeyDocument,
    reads: 0,
    broken: false,
    /** Set to hold answers back. */
    gate: undefined as Promise<void> | undefined,
    key,
    now: () => new Date(seconds * 1_000),
    advance: (by: number) => (seconds += by),
    names: async () => (await source.keys(place.now())).map(({ kid }) => kid).join(),
    outcome: () => place.names().catch((error: unknown) => (error instanceof Fault ? error.code : String(error))),
    settle: async () => new Promise((resolve) => setImmediate(resolve)),
  };
  const source = makeKeySource({
    limits,
    read: async () => {
      place.reads += 1;
      await place.gate;
      if (place.broken) throw new Error('503');
      return place.document;
    },
    parse: async (text) => {
      if (text === 'garbage') throw new Error('not a JWK set');
      return { keys: text.split(',').filter(Boolean).map(key), refused: [], refreshSeconds: undefined };
    },
  });
  return { place, source };
}

test('one fetch at a time, whoever asks', async () => {
  const { place, source } = makePlace();
  const all = await Promise.all(Array.from({ length: 50 }, () => source.keys(place.now())));
  expect(all.every(([key]) => key === place.key('key-1'))).toBe(true);
  expect(place.reads).toBe(1);
});

test.each([
  ['nothing said', undefined, 300],
  ['a minute', 60, 60],
  ['below the floor', 1, 30],
  ['above the ceiling', 1_000_000, 3_600],
])('kept as long as the source says, within floor and ceiling: %s', async (_what, freshSeconds, kept) => {
  const { place, source } = makePlace();
  place.document = { text: 'key-1', freshSeconds };
  await place.names();
  place.advance(kept);
  await place.names();
  await place.settle();
  expect(place.reads).toBe(1);
  place.advance(1);
  await place.names();
  await place.settle();
  expect(place.reads).toBe(2);
  expect(source.status(place.now()).keysAgeSeconds).toBe(0);
});

test('a set that is due is refreshed behind the caller; one long unused is waited for', async () => {
  const { place } = makePlace();
  await place.names();
  place.document = { text: 'key-2' };
  place.advance(301);
  expect(await place.names()).toBe('key-1');
  await place.settle();
  expect(await place.names()).toBe('key-2');

  place.document = { text: 'key-3' };
  place.advance(601);
  expect(await place.names()).toBe('key-3');
});

test('an outage is ridden out without waiting, up to its bound; then it is a fault; then it heals', async () => {
  const { place, source } = makePlace();
  await place.names();
  place.broken = true;
  place.advance(301);
  await place.names();
  await place.settle();
  expect(source.status(place.now())).toMatchObject({ healthy: false, lastError: '503', keysAgeSeconds: 301 });

  // The place does not answer at all now: nobody waits for it.
  place.gate = new Promise(() => undefined);
  place.advance(7_200 - 301);
  expect(await place.outcome()).toBe('key-1');
  expect(source.holds(place.key('key-1'), place.now())).toBe(true);
  place.gate = undefined;
});

test('past the bound', async () => {
  const { place, source } = makePlace();
  await place.names();
  place.broken = true;
  place.advance(7_201);
  expect(await place.outcome()).toBe('evidence_source_unavailable');
  expect(source.holds(place.key('key-1'), place.now())).toBe(false);
  expect(source.status(place.now()).healthy).toBe(false);

  place.broken = false;
  place.advance(5);
  expect(await place.outcome()).toBe('key-1');
  expect(source.status(place.now())).toEqual({ healthy: true, keysAgeSeconds: 0 });
});

test('a place that fails is asked again no sooner than after the pause', async () => {
  const { place } = makePlace();
  place.broken = true;
  for (let i = 0; i < 20; i++) expect(await place.outcome()).toBe('evidence_source_unavailable');
  expect(place.reads).toBe(1);
  place.advance(5);
  await place.outcome();
  expect(place.reads).toBe(2);
});

test('what is no key set does not replace one', async () => {
  const { place, source } = makePlace();
  await place.names();
  place.document = { text: 'garbage' };
  place.advance(601);
  expect(await place.outcome()).toBe('key-1');
  expect(source.status(place.now())).toMatchObject({ healthy: false, lastError: 'not a JWK set' });
});

test('an empty set does: it trusts nothing, and its keys count no more', async () => {
  const { place, source } = makePlace();
  await place.names();
  place.document = { text: '' };
  place.advance(601);
  expect(await place.outcome()).toBe('');
  expect(source.holds(place.key('key-1'), place.now())).toBe(false);
});

test('unknown keys cause one look in ten seconds, however many ask', async () => {
  const { place, source } = makePlace();
  await place.names();
  place.advance(60);
  for (let i = 0; i < 100; i++) {
    await Promise.all([source.keysAgain(place.now()), source.keysAgain(place.now())]);
    place.advance(0.1);
  }
  expect(place.reads).toBe(2);
  place.advance(1);
  await source.keysAgain(place.now());
  expect(place.reads).toBe(3);
});

test('a key counts while its set is known to be current', async () => {
  const { place, source } = makePlace();
  const key = place.key('key-1');
  expect(source.holds(key, place.now())).toBe(false);
  await place.settle();
  expect(source.holds(key, place.now())).toBe(true);
  expect(source.holds(place.key('other'), place.now())).toBe(false);

  // Due: still trusted while the new set is on its way, and not once that has come without it.
  place.document = { text: 'key-2' };
  place.advance(301);
  expect(source.holds(key, place.now())).toBe(true);
  await place.settle();
  expect(source.holds(key, place.now())).toBe(false);

  // Unused for long: not known without asking.
  place.advance(601);
  expect(source.holds(place.key('key-2'), place.now())).toBe(false);
  await place.settle();
  expect(source.holds(place.key('key-2'), place.now())).toBe(true);
});

test('before it was ever asked for it is not unhealthy', () => {
  const { place, source } = makePlace();
  expect(source.status(place.now())).toEqual({ healthy: true });
});
