import { JWKS_MAX_AGE_SECONDS } from '../../src/keys/ring.ts';
import { DAY, kek, kidOf, LEAD, LIFE, strangerVerifies, world } from './world.ts';

describe('rotation', () => {
  test('published ahead, then signing, then published until its last token has ended, then gone', async () => {
    const { replica, payload, store, pass, now } = world();
    const ring = replica();
    const old = kidOf(await ring.sign('access', payload()));
    const published = async () => (await ring.jwks()).keys.map((key) => key['kid']);
    const passAndRefresh = async (seconds: number) => {
      pass(seconds);
      await ring.refresh();
    };

    await passAndRefresh(30 * DAY - LEAD - 1);
    expect(await published()).toEqual([old]);

    await passAndRefresh(1);
    const next = store.rows[1]?.kid;
    expect(await published()).toEqual([old, next]);
    expect(ring.status().keys.map(({ state }) => state)).toEqual(['signing', 'next']);

    pass(LEAD - 1); // a replica need not read the keys to change over
    await ring.refresh();
    const last = await ring.sign('access', payload(LIFE));
    expect(kidOf(last)).toBe(old);
    pass(1);
    expect(kidOf(await ring.sign('access', payload()))).toBe(next);

    await ring.refresh();
    expect(ring.status().keys.map(({ state }) => state)).toEqual(['retired', 'signing']);
    pass(LIFE - 1);
    expect(now().getTime() / 1000).toBeLessThan(Number((await ring.verify('access', last))?.['exp']) + 1);
    await ring.refresh();
    expect(await published()).toEqual([old, next]);
    expect(await strangerVerifies(ring, last)).toBe(true);

    pass(61); // nor to let go of one
    expect(await published()).toEqual([next]);
    expect(await ring.verify('access', last)).toBeUndefined();
    expect(ring.status().keys.map(({ state }) => state)).toEqual(['gone', 'signing']);
    await ring.refresh();
    expect(ring.status().keys.map(({ state }) => state)).toEqual(['signing']);
  });

  test('the private half leaves the store when it stops signing, and never comes back', async () => {
    const { replica, store, pass, first } = world();
    const ring = replica();
    await ring.refresh();
    const before = store.rows[0] ?? never();
    pass(30 * DAY - LEAD);
    await ring.refresh();
    pass(LEAD - 1);
    await ring.refresh();
    expect(store.rows[0]?.wipedAt).toBeNull();
    pass(1);
    await ring.refresh();
    expect(store.rows[0]?.wipedAt).not.toBeNull();
    expect(store.rows[0]?.wrapped).toMatch(/^v1\.public\.[\w-]{16}\.[\w-]{22}$/);
    expect(store.events.at(-1)).toBe(`wipe ${before.kid}`);

    const second = kek('kek-2');
    await replica({ encryption: [second, first] }).rewrap();
    expect(store.rows[0]?.wrapped).toMatch(/^v1\.public\./);
    expect(await store.rewrap(before.kid, before.wrapped, { encryptionKey: 'x', wrapped: 'y' })).toBe(false);
  });

  test('a broker that slept through the end of a key wipes it all the same, whether or not it can be opened', async () => {
    const { replica, store, pass } = world();
    const ring = replica();
    await ring.refresh();
    pass(30 * DAY);
    await ring.refresh();
    pass(300 * DAY);
    const row = store.rows[0] ?? never();
    store.rows[0] = { ...row, encryptionKey: 'kek-0', wrapped: 'v1.private.lost' };
    const woken = replica();
    await woken.refresh();
    expect(store.rows[0].wipedAt).not.toBeNull();
    expect((await woken.jwks()).keys.map((key) => key['kid'])).not.toContain(store.rows[0].kid);
  });

  test('a replica that has not read the keys for long reads them before it signs', async () => {
    const { replica, payload, store, pass } = world();
    const [one, other] = [replica(), replica()];
    await Promise.all([one.refresh(), other.refresh()]);
    pass(30 * DAY - LEAD);
    await one.refresh();
    pass(LEAD);
    expect(kidOf(await other.sign('access', payload()))).toBe(store.rows[1]?.kid);
    expect((await other.jwks()).keys).toHaveLength(2);
  });

  test('what a replica knows grows stale before a key that it does not know can sign, caches included', async () => {
    const { replica, payload, store, pass } = world();
    const ring = replica();
    await ring.refresh();
    pass(LEAD - JWKS_MAX_AGE_SECONDS);
    const before = store.lists();
    await ring.sign('access', payload());
    expect(store.lists()).toBe(before);
    pass(1);
    await ring.sign('access', payload());
    expect(store.lists()).toBe(before + 1);
  });
});

function never(): never {
  throw new Error('no row');
}
