import type { JsonObject } from '../../src/domain/json.ts';
import { makeEvidencePack } from '../../src/exchange/evidence-pack.ts';
import { COUNT_WINDOW } from '../../src/ledger/index.ts';
import type { EventCount, GenerationInForce, Ledger } from '../../src/ledger/index.ts';
import { makeWorld } from '../ledger/world.ts';
import type { World } from '../ledger/world.ts';

/** What a pack asks of the ledger, of which the record of so much is put in by hand: how far it goes, and what it leaves out. */
const WINDOWS = 5;
const SIZE = WINDOWS * COUNT_WINDOW;
const CALLER = {
  operator: { issuer: 'https://sso.test', subject: 'ada', display: 'Ada', roles: ['auditor'] },
  origin: null,
} as const;
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

interface Found {
  readonly kinds?: number;
  readonly generations?: number;
  readonly exceptions?: number;
  readonly onWindow?: () => void;
}

/** So many kinds of events, each with another leaf as its first and its last. */
function kindsOf(count: number): EventCount[] {
  const one = (n: number) => ({ type: `x.${n}`, success: true, outcome: null, code: null, count: 2 });
  return Array.from({ length: count }, (_, n) => ({ ...one(n), first: 2 * n, last: 2 * n + 1 }));
}

const generationsOf = (count: number): GenerationInForce[] =>
  Array.from({ length: count }, (_, n) => ({
    number: n + 1,
    hash: 'x',
    author: {},
    activatedAt: new Date(0),
    body: '{"files":{}}',
  }));

function withRecord({ kinds = 1, generations = 1, exceptions = 0, onWindow }: Found) {
  const asked: string[] = [];
  const { ledger } = world;
  const checkpoint = { size: SIZE, root: Buffer.alloc(32), origin: 'x', key: 'x', note: 'x' };
  const over: Partial<Ledger> = {
    sealing: {
      ...ledger.sealing,
      newestCheckpoint: async () => checkpoint,
      hashes: async (positions) => positions.map(() => Buffer.alloc(32)),
    },
    evidence: { ...ledger.evidence, leavesBetween: async () => ({ first: 0, end: SIZE }) },
    evidenceCounts: {
      async window(first) {
        asked.push('window');
        onWindow?.();
        return { events: first === 0 ? kindsOf(kinds) : [], policies: [] };
      },
      async bodies(leaves) {
        asked.push(`bodies of ${leaves.length}`);
        return leaves.map((leaf) => ({ leaf, body: '{}' }));
      },
      async usage() {
        asked.push('usage');
        return { rows: [], next: null };
      },
      generations: async (_span, limit) => generationsOf(generations).slice(-limit),
      exceptions: async (_span, limit) =>
        Array.from({ length: exceptions }, (_, n): JsonObject => ({ n })).slice(0, limit),
    },
  };
  const pack = makeEvidencePack({ ledger: { ...ledger, ...over } }, () => ({}));
  return { asked, pack: (gone = new AbortController().signal) => pack(CALLER, null, null, gone) };
}

test('it goes no further once its caller is gone, and another may ask', async () => {
  const controller = new AbortController();
  let windows = 0;
  const { asked, pack } = withRecord({
    onWindow() {
      if (++windows === 2) controller.abort();
    },
  });
  await expect(pack(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  expect(asked).toEqual(['window', 'window']);
  expect((await pack()).range).toEqual({ first: 0, end: SIZE });
});

test('one at a time: another beside it is refused', async () => {
  const { pack } = withRecord({});
  const first = pack();
  await expect(pack()).rejects.toMatchObject({ code: 'too_many_requests' });
  await first;
});

test.each([
  { kinds: 500, samples: 1_000, cut: false },
  { kinds: 501, samples: 1_000, cut: true },
])('of $kinds kinds there are $samples samples; cut: $cut', async ({ kinds, samples, cut }) => {
  const { asked, pack } = withRecord({ kinds });
  const made = await pack();
  expect([made.events.length, made.samples.length, made.samplesCut]).toEqual([kinds, samples, cut]);
  expect(asked).toContain(`bodies of ${samples}`);
});

test.each([
  { count: 100, shown: [1, 100], cut: false },
  { count: 101, shown: [2, 101], cut: true },
])('of $count sets of rules those from $shown are there; cut: $cut', async ({ count, shown, cut }) => {
  const { generations, generationsCut } = await withRecord({ generations: count }).pack();
  expect([generations.at(0)?.number, generations.at(-1)?.number, generationsCut]).toEqual([...shown, cut]);
});

test.each([
  { count: 1_000, cut: false },
  { count: 1_001, cut: true },
])('of $count exceptions 1000 are there; cut: $cut', async ({ count, cut }) => {
  const { exceptions, exceptionsCut } = await withRecord({ exceptions: count }).pack();
  expect([exceptions.length, exceptions[0], exceptionsCut]).toEqual([1_000, { n: 0 }, cut]);
});
