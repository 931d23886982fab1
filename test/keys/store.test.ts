import { randomBytes } from 'node:crypto';
import type { KeyStore, NewKey, Wrapped } from '../../src/keys/store.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import { makeDatabase } from '../support/database.ts';
import { memoryKeyStore } from '../support/memory-key-store.ts';
import { kek, kidOf, LEAD, world } from './world.ts';

/** What `KeyStore` promises, of the ledger and of the store in memory that other tests move the time of. */
const database = await makeDatabase();
const ledger = makeLedger({ url: database.url });

afterAll(async () => {
  await ledger.close();
  await database.drop();
});
beforeEach(() => database.pool.query('TRUNCATE signing_keys'));

const text = () => randomBytes(6).toString('hex');
const key = (kid: string, of = 'access'): NewKey => ({
  kid,
  class: of,
  alg: 'ES256',
  publicJwk: { kty: 'EC', crv: 'P-256', x: kid, y: text() },
  encryptionKey: 'kek-1',
  wrapped: text(),
});
const first = { after: null, leadSeconds: 60, keepSeconds: 60 };
const after = (kid: string, leadSeconds = 60, keepSeconds = 60) => ({ after: kid, leadSeconds, keepSeconds });
const other = (): Wrapped => ({ encryptionKey: 'kek-2', wrapped: text() });

describe.each([
  { name: 'in memory', make: (): KeyStore => memoryKeyStore(() => new Date()) },
  { name: 'the ledger', make: (): KeyStore => ledger.signingKeys },
])('$name', ({ make }) => {
  const kids = async (store: KeyStore) => (await store.list()).map((row) => row.kid);
  const row = async (store: KeyStore, kid: string) => (await store.list()).find((each) => each.kid === kid);

  test('the first key of a class signs at once; there is no second first', async () => {
    const store = make();
    const a = key('a');
    expect(await store.add(a, first)).toBe(true);
    expect(await store.add(key('b'), first)).toBe(false);
    expect(await store.add(key('c', 'other'), first)).toBe(true);
    expect(await kids(store)).toEqual(['a', 'c']);
    const stored = await row(store, 'a');
    expect(stored).toEqual({
      ...a,
      createdAt: stored?.signsFrom,
      signsFrom: expect.any(Date),
      signsUntil: null,
      goneAt: null,
      wipedAt: null,
    });
    expect(Math.abs((stored?.signsFrom.getTime() ?? 0) - Date.now())).toBeLessThan(5_000);
  });

  test('many first ones at once: one', async () => {
    const store = make();
    const added = await Promise.all(Array.from({ length: 8 }, (_, i) => store.add(key(`k${i}`), first)));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await kids(store)).toEqual([`k${added.indexOf(true)}`]);
  });

  test('a successor begins when its predecessor ends, which then stays for as long as was said', async () => {
    const store = make();
    await store.add(key('a'), first);
    expect(await store.add(key('b'), after('a', 60, 3_600))).toBe(true);
    const [a, b] = [await row(store, 'a'), await row(store, 'b')];
    expect(a?.signsUntil).toEqual(b?.signsFrom);
    expect(Number(b?.signsFrom) - Number(b?.createdAt)).toBe(60_000);
    expect(Number(a?.goneAt) - Number(a?.signsUntil)).toBe(3_600_000);
    expect(b).toMatchObject({ signsUntil: null, goneAt: null });
  });

  test('many successors at once: one; nor does a stranger succeed, or a key of another class', async () => {
    const store = make();
    await store.add(key('a'), first);
    await store.add(key('o', 'other'), first);
    const added = await Promise.all(Array.from({ length: 8 }, (_, i) => store.add(key(`k${i}`), after('a'))));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await store.add(key('x'), after('nobody'))).toBe(false);
    expect(await store.add(key('y'), after('o'))).toBe(false);
    expect(await kids(store)).toHaveLength(3);
    expect((await row(store, 'o'))?.signsUntil).toBeNull();
  });

  test('wiped once it has stopped signing, not before, and only as it is known', async () => {
    const store = make();
    const a = key('a');
    await store.add(a, first);
    expect(await store.wipe('a', a.wrapped, other())).toBe(false);
    await store.add(key('b'), after('a', 0));
    expect(await store.wipe('a', 'something else', other())).toBe(false);
    const seal = other();
    expect(await store.wipe('a', a.wrapped, seal)).toBe(true);
    expect(await store.wipe('a', a.wrapped, other())).toBe(false);
    expect(await row(store, 'a')).toMatchObject({ ...seal, wipedAt: expect.any(Date) });
    expect(await store.wipe('b', (await row(store, 'b'))?.wrapped ?? '', other())).toBe(false);
  });

  test('rewrapped only as it is known, and not back to what was wiped', async () => {
    const store = make();
    const a = key('a');
    await store.add(a, first);
    const to = other();
    expect(await store.rewrap('a', 'something else', to)).toBe(false);
    expect(await store.rewrap('a', a.wrapped, to)).toBe(true);
    expect(await row(store, 'a')).toMatchObject({ ...to, wipedAt: null });
    await store.add(key('b'), after('a', 0));
    await store.wipe('a', to.wrapped, other());
    expect(await store.rewrap('a', to.wrapped, to)).toBe(false);
  });

  test('gone: listed until it is wiped, and no longer', async () => {
    const store = make();
    const a = key('a');
    await store.add(a, first);
    await store.add(key('b'), after('a', 0, 0));
    expect(await kids(store)).toEqual(['a', 'b']);
    await store.wipe('a', a.wrapped, other());
    expect(await kids(store)).toEqual(['b']);
  });
});

describe('key rings on the ledger', () => {
  test('two replicas make one key, succeed it once, and put it under another key-encryption key', async () => {
    const { replica: make, first: old } = world();
    const store = ledger.signingKeys;
    let aheadMs = 0;
    const clock = { now: () => new Date(Date.now() + aheadMs), offsetMs: () => 0 };
    const replica = (options = {}) => make({ store, clock, rotateEverySeconds: 2 * LEAD, ...options });
    const payload = () => ({ exp: Math.floor(Date.now() / 1000) });
    const rings = [replica(), replica()];
    const kidsOf = () => Promise.all(rings.map(async (ring) => kidOf(await ring.sign('access', payload()))));
    const [one, two] = await kidsOf();
    expect(one).toBe(two);

    const fresh = kek('kek-2');
    expect(await replica({ encryption: [fresh, old] }).rewrap()).toEqual({ rewrapped: 1, remaining: 0 });
    const renewed = replica({ encryption: [fresh] });
    expect(kidOf(await renewed.sign('access', payload()))).toBe(one);

    aheadMs = LEAD * 1000;
    await Promise.all([renewed.refresh(), replica({ encryption: [fresh] }).refresh()]);
    expect((await renewed.jwks()).keys).toHaveLength(2);
    const events = await database.pool.query<{ type: string }>(
      "SELECT type FROM events WHERE type LIKE 'key.%' ORDER BY seq DESC LIMIT 3",
    );
    expect(events.rows.map(({ type }) => type)).toEqual(['key.added', 'key.rewrapped', 'key.added']);
  });
});
