import { makeKey } from '../../src/keys/key.ts';
import { JWKS_MAX_AGE_SECONDS, REFRESH_EVERY_SECONDS } from '../../src/keys/ring.ts';
import type { KeyRow } from '../../src/keys/store.ts';
import { makeWrapper } from '../../src/keys/wrap.ts';
import { faultOf, kek, LEAD, world } from './world.ts';

describe('in trouble', () => {
  const tampering = {
    'the public half of another key': (row: KeyRow, other: KeyRow) => ({ ...row, publicJwk: other.publicJwk }),
    'the wrapped half of another key': (row: KeyRow, other: KeyRow) => ({ ...row, wrapped: other.wrapped }),
    'another kid': (row: KeyRow) => ({ ...row, kid: 'x' }),
    'another class': (row: KeyRow) => ({ ...row, class: 'other' }),
    'another algorithm': (row: KeyRow) => ({ ...row, alg: 'RS256' }),
    'one byte': (row: KeyRow) => ({
      ...row,
      wrapped: row.wrapped.slice(0, -2) + (row.wrapped.endsWith('AA') ? 'BB' : 'AA'),
    }),
    'a private half that is called a public one': (row: KeyRow) => ({
      ...row,
      wrapped: row.wrapped.replace('private', 'public'),
    }),
    'another version': (row: KeyRow) => ({ ...row, wrapped: row.wrapped.replace('v1.', 'v2.') }),
    'nothing wrapped': (row: KeyRow) => ({ ...row, wrapped: '' }),
    'a member more in the public half': (row: KeyRow) => ({ ...row, publicJwk: { ...row.publicJwk, d: 'AA' } }),
  };

  test.each(Object.entries(tampering))('%s: closed for everything', async (_name, tamper) => {
    const { replica, payload, store } = world();
    const other = world();
    await other.replica().refresh();
    const ring = replica();
    const token = await ring.sign('access', payload());
    const [row, theirs] = [store.rows[0], other.store.rows[0]];
    if (!row || !theirs) throw new Error('no rows');
    store.rows[0] = tamper(row, theirs);
    await expect(ring.refresh()).rejects.toMatchObject(faultOf('tampered'));
    await expect(ring.sign('access', payload())).rejects.toMatchObject(faultOf('tampered'));
    await expect(ring.verify('access', token)).rejects.toMatchObject(faultOf('tampered'));
    await expect(ring.jwks()).rejects.toMatchObject(faultOf('tampered'));
    expect(ring.status()).toMatchObject({ healthy: false, problem: expect.stringContaining('tampered') });
  });

  test('a key that somebody planted in the store, retired or not, is not published', async () => {
    const { replica, store } = world();
    const other = world();
    await other.replica().refresh();
    const ring = replica();
    await ring.refresh();
    const [planted] = other.store.rows;
    if (!planted) throw new Error('no row');
    const soon = new Date(Date.parse('2026-12-23T12:00:00Z'));
    store.rows.push({ ...planted, signsUntil: planted.createdAt, goneAt: soon, wipedAt: planted.createdAt });
    await expect(ring.refresh()).rejects.toMatchObject(faultOf('tampered'));
    await expect(ring.jwks()).rejects.toMatchObject({ code: 'keys_unavailable' });
  });

  test('two halves that do not fit, though wrapped by ourselves, are refused', async () => {
    const { replica, store, first } = world();
    const wrapper = makeWrapper([first]);
    const [one, other] = [await makeKey('access', wrapper), await makeKey('access', wrapper)];
    const mixed = { ...one, ...wrapper.wrapPrivate(one, wrapper.open(other, other) ?? new Uint8Array()) };
    await store.add(mixed, { after: null, leadSeconds: 1, keepSeconds: 1 });
    await expect(replica().refresh()).rejects.toMatchObject(faultOf('halves_do_not_fit'));
  });

  test('an unknown key-encryption key is named, and so is one whose bytes have changed', async () => {
    const { replica, payload, store } = world();
    await replica().sign('access', payload());
    const renamed = replica({ encryption: [kek('kek-9')] });
    await expect(renamed.sign('access', payload())).rejects.toMatchObject({
      code: 'keys_unavailable',
      cause: { code: 'unknown_encryption_key', about: 'kek-1' },
    });
    expect(renamed.status().problem).toContain('kek-1');
    await expect(replica({ encryption: [kek('kek-1')] }).refresh()).rejects.toMatchObject(faultOf('tampered'));
    expect(store.rows).toHaveLength(1);
  });

  test('the store away: ridden out until what is known is stale, then closed, and back by itself', async () => {
    const { replica, payload, store, pass } = world();
    const ring = replica();
    await ring.refresh();
    const answers = store.before;
    store.before = () => Promise.reject(new Error('connection refused'));
    pass(REFRESH_EVERY_SECONDS);
    await expect(ring.refresh()).rejects.toMatchObject(faultOf('store_unavailable'));
    await expect(ring.sign('access', payload())).resolves.toEqual(expect.any(String));
    pass(LEAD - JWKS_MAX_AGE_SECONDS);
    await expect(ring.sign('access', payload())).rejects.toMatchObject(faultOf('store_unavailable'));
    expect(ring.status().healthy).toBe(false);
    store.before = answers;
    pass(1);
    await expect(ring.sign('access', payload())).resolves.toEqual(expect.any(String));
    expect(ring.status()).toMatchObject({ healthy: true, ageSeconds: 0 });
    expect(ring.status().problem).toBeUndefined();
  });

  test('the store away from the start: closed', async () => {
    const { replica, payload, store } = world();
    store.before = () => Promise.reject(new Error('connection refused'));
    await expect(replica().sign('access', payload())).rejects.toMatchObject(faultOf('store_unavailable'));
  });

  test('a store in trouble is not asked by every request', async () => {
    const { replica, payload, store } = world();
    const ring = replica();
    let asked = 0;
    store.before = () => Promise.reject(new Error(`gone ${++asked}`));
    for (let i = 0; i < 20; i++)
      await expect(ring.sign('access', payload())).rejects.toMatchObject(faultOf('store_unavailable'));
    expect(asked).toBe(1);
  });

  test('closed: nothing is signed or verified any more', async () => {
    const { replica, payload, store } = world();
    const ring = replica();
    const token = await ring.sign('access', payload());
    ring.close();
    store.before = () => Promise.reject(new Error('closed before'));
    await expect(ring.sign('access', payload())).rejects.toMatchObject({ code: 'shutting_down' });
    await expect(ring.verify('access', token)).rejects.toMatchObject({ code: 'shutting_down' });
    expect(ring.status().healthy).toBe(false);
  });

  test('closed while the keys were being read: they are not kept', async () => {
    const { replica, payload, store } = world();
    const ring = replica();
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    store.before = () => gate;
    const signing = ring.sign('access', payload());
    ring.close();
    open();
    await expect(signing).rejects.toMatchObject({ code: 'shutting_down' });
  });
});
