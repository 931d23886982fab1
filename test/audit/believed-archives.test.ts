import { believedArchives, hasSpan, rangesOf, sealedArchivings } from '../../src/audit/believed-archives.ts';
import type { RecordedMonth } from '../../src/audit/believed-archives.ts';
import { collectFindings } from '../../src/audit/findings.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { storedAt } from '../../src/audit/stored.ts';
import { canonicalJson } from '../../src/domain/json.ts';
import type { Json } from '../../src/domain/json.ts';

/** What a ledger lists as put away is believed where a sealed event of the log says it, and told where none does. */
const SHA256 = 'a'.repeat(64);

interface Said {
  readonly leaf: number;
  readonly at?: string;
  readonly success?: boolean;
  readonly type?: string;
  readonly facts?: Readonly<Record<string, Json>>;
}

function lineOf({ leaf, at = '2026-08-10T00:00:00.000000Z', success = true, type, facts = {} }: Said) {
  const own = { count: 3, leaves: '{[4,7)}', month: '2026-03', sha256: SHA256, ...facts };
  return { leaf, body: canonicalJson({ at, facts: own, seq: leaf, success, type: type ?? 'events.archived' }) };
}

/** The months that are believed, and what is found, where these events were sealed. */
async function believed(
  recorded: readonly Partial<RecordedMonth>[],
  said: readonly Said[],
  given: readonly string[] = [],
  altered = false,
) {
  const lines = said.map(lineOf);
  const stored = async (from: number, to: number) => {
    const line = lines.find(({ leaf }) => storedAt({ level: 0, index: leaf }) === from);
    if (!line || to !== from + 1 || altered) return Buffer.alloc(32);
    return Buffer.from(leafHash(line.body));
  };
  const findings = collectFindings();
  const months = believedArchives(
    recorded.map((row) => ({
      ...{ month: '2026-03', events: 3, sha256: SHA256, ranges: [{ first: 4, end: 7 }] },
      ...{ archivedAt: '2026-08-10 00:00:00+00', ...row },
    })),
    await sealedArchivings(lines, stored),
    (month) => given.includes(month),
    findings,
  );
  return { months, found: findings.list().map(({ about, message }) => `${about}: ${message}`) };
}

const UNSAID = (month = '2026-03') => `archive ${month}: no event that is sealed says that it was put away`;

test('what an event says is believed, and not what the row says', async () => {
  const row = { events: 9, sha256: 'b'.repeat(64), ranges: [{ first: 0, end: 9 }] };
  expect(await believed([row], [{ leaf: 20 }])).toEqual({
    months: [{ month: '2026-03', events: 3, sha256: SHA256, ranges: [{ first: 4, end: 7 }] }],
    found: [],
  });
});

test.each<[string, Said]>([
  ['of another type', { leaf: 20, type: 'evidence.read' }],
  ['that was refused', { leaf: 20, success: false }],
  ['of another month', { leaf: 20, facts: { month: '2026-02' } }],
  ['of a month that is none', { leaf: 20, facts: { month: 'x' } }],
  ['of leaves behind it', { leaf: 6 }],
  ['of before the month was over', { leaf: 20, at: '2026-03-31T23:59:59.000000Z' }],
  ['of leaves that are none', { leaf: 20, facts: { leaves: '{[7,4)}' } }],
  ['of leaves twice', { leaf: 20, facts: { leaves: '{[4,7),[6,9)}' } }],
  ['without a digest', { leaf: 20, facts: { sha256: null } }],
  ['that has no leaf', { leaf: -1 }],
])('an event %s says nothing', async (_, said) => {
  expect(await believed([{}], [said])).toEqual({ months: [], found: [UNSAID()] });
});

test('an event that is not the one that was sealed says nothing', async () => {
  expect(await believed([{}], [{ leaf: 20 }], [], true)).toEqual({ months: [], found: [UNSAID()] });
});

test('a row of a month that is none is told like the rest', async () => {
  expect(await believed([{ month: 'x' }], [])).toEqual({ months: [], found: [UNSAID('x')] });
  const said = [{ leaf: 20, facts: { month: 'x' } }];
  expect(await believed([{ month: 'x' }], said)).toEqual({ months: [], found: [UNSAID('x')] });
});

test('a month whose archive is at hand is looked at there, whoever says what', async () => {
  expect(await believed([{}], [], ['2026-03'])).toMatchObject({ months: [{ month: '2026-03' }], found: [UNSAID()] });
});

describe('where the event was put away as well', () => {
  const LATER = {
    leaf: 50,
    at: '2026-12-10T00:00:00.000000Z',
    facts: { month: '2026-08', leaves: '{[20,30)}', count: 10 },
  };
  const later = { month: '2026-08', archivedAt: '2026-12-10 00:00:00+00' };

  test('it is told, and that it takes one of the two archives', async () => {
    const { months, found } = await believed([{}, later], [LATER]);
    expect(months).toMatchObject([{ month: '2026-03', isEventAway: true }, { month: '2026-08' }]);
    expect(months[1]).not.toHaveProperty('isEventAway');
    expect(found).toEqual([
      'archive 2026-03: what says that it was put away was put away itself, with 2026-08: give the archive of either',
    ]);
    expect((await believed([{}, later], [LATER], ['2026-03'])).found).toEqual([]);
    // in which it was read, had it been there
    expect((await believed([{}, later], [LATER], ['2026-08'])).found).toEqual([UNSAID()]);
    expect((await believed([{}, later], [LATER, { leaf: 25 }], ['2026-08'])).found).toEqual([]);
  });

  test.each<[string, Partial<RecordedMonth>]>([
    ['at another time', { archivedAt: '2026-09-10 00:00:00+00' }],
    ['before it was over', { archivedAt: '2026-03-10 00:00:00+00' }],
    ['with leaves behind it', { ranges: [{ first: 31, end: 33 }] }],
    ['with some of the same leaves', { ranges: [{ first: 19, end: 21 }] }],
    ['with leaves around it', { ranges: [{ first: 4, end: 29 }] }],
  ])('not %s', async (_, row) => {
    const { months, found } = await believed([row, later], [LATER]);
    expect(months.map(({ month }) => month)).toEqual(['2026-08']);
    expect(found).toEqual([UNSAID()]);
  });
});

test('leaves as the database writes them', () => {
  expect(rangesOf('{}')).toEqual([]);
  expect(rangesOf('{[0,2),[3,9)}')).toEqual([
    { first: 0, end: 2 },
    { first: 3, end: 9 },
  ]);
  for (const wrong of [null, '', '[0,2)', '{[0,2],[3,9)}', '{[0,2),}', '{[2,2)}', '{[0,2),[2,3)}', '{[-1,2)}'])
    expect(rangesOf(wrong)).toBeUndefined();
  const spans = [
    { first: 2, end: 4 },
    { first: 6, end: 9 },
    { first: 20, end: 30 },
  ];
  const has = (first: number, end: number) => hasSpan(spans, { first, end });
  expect([has(2, 4), has(3, 4), has(6, 9), has(20, 30), has(29, 30)]).toEqual([true, true, true, true, true]);
  expect([has(1, 3), has(2, 5), has(4, 6), has(3, 7), has(30, 31), has(0, 1)]).toEqual(Array(6).fill(false));
  expect(hasSpan([], { first: 0, end: 1 })).toBe(false);
});
