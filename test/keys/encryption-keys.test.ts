import { Secret } from '../../src/domain/secret.ts';
import { JWKS_MAX_AGE_SECONDS, REFRESH_EVERY_SECONDS } from '../../src/keys/ring.ts';
import { makeWrapper } from '../../src/keys/wrap.ts';
import { DAY, faultOf, kek, LEAD, world } from './world.ts';

describe('key-encryption keys', () => {
  test('change without downtime: added, put first, rewrapped, the old one removed', async () => {
    const { replica, payload, store, first, pass } = world();
    const second = kek('kek-2');
    const before = replica();
    const token = await before.sign('access', payload());
    pass(30 * DAY);
    await before.refresh(); // a successor, and what was signed stays published
    const added = replica({ encryption: [first, second] });
    const ahead = replica({ encryption: [second, first] });
    await Promise.all([added.refresh(), ahead.refresh()]);

    const outcomes = await Promise.all([ahead.rewrap(), ahead.rewrap()]);
    expect(outcomes.reduce((sum, { rewrapped }) => sum + rewrapped, 0)).toBe(2);
    expect(await ahead.rewrap()).toEqual({ rewrapped: 0, remaining: 0 });
    expect(store.events.filter((event) => event.startsWith('rewrap'))).toHaveLength(2);
    expect(store.rows.map((row) => row.encryptionKey)).toEqual(['kek-2', 'kek-2']);

    await added.refresh();
    const without = replica({ encryption: [second] });
    for (const ring of [added, ahead, without]) {
      expect(await ring.verify('access', token)).toBeDefined();
      expect(await ring.verify('access', await ring.sign('access', payload()))).toEqual(payload());
    }
    await expect(before.refresh()).rejects.toMatchObject(faultOf('unknown_encryption_key'));
    await expect(before.rewrap()).rejects.toMatchObject(faultOf('unknown_encryption_key'));
    expect(before.status().problem).toContain('kek-2');
  });

  test('a replica with the wrong ones makes no key that the others cannot open', async () => {
    const { replica, store, pass } = world();
    await replica().refresh();
    pass(30 * DAY);
    for (const wrong of [kek('kek-1'), kek('kek-2')]) {
      await expect(replica({ encryption: [wrong] }).refresh()).rejects.toMatchObject({ code: 'keys_unavailable' });
    }
    expect(store.rows).toHaveLength(1);
  });

  test('put first before every replica has it: the others name it, and have until their keys are stale', async () => {
    const { replica, payload, first, pass } = world();
    const [hasty, other] = [replica({ encryption: [kek('kek-2'), first] }), replica()];
    await other.refresh();
    await hasty.rewrap();
    await expect(other.refresh()).rejects.toMatchObject(faultOf('unknown_encryption_key'));
    expect(await hasty.verify('access', await other.sign('access', payload()))).toEqual(payload());
    pass(LEAD);
    await expect(other.sign('access', payload())).rejects.toMatchObject({ cause: { about: 'kek-2' } });
  });

  test.each([
    ['none', []],
    ['a short one', [{ id: 'a', key: new Secret(new Uint8Array(16)) }]],
    ['two of one id', [kek('a'), kek('a')]],
  ])('%s is refused when the ring is made', (_name, encryption) => {
    expect(() => world().replica({ encryption })).toThrow(RangeError);
  });

  test.each([
    ['a lead that a cache outlives', { leadSeconds: JWKS_MAX_AGE_SECONDS + REFRESH_EVERY_SECONDS - 1 }],
    ['a rotation quicker than the lead allows', { rotateEverySeconds: 2 * LEAD - 1 }],
  ])('%s is refused when the ring is made', (_name, options) => {
    expect(() => world().replica(options)).toThrow(RangeError);
  });

  test('nothing that is stored shows a private half', async () => {
    const { replica, store, first } = world();
    await replica().refresh();
    const [row] = store.rows;
    const privateHalf = row && makeWrapper([first]).open(row, row);
    if (!row || !privateHalf) throw new Error('nothing is stored');
    const stored = Buffer.from(row.wrapped.split('.')[3] ?? '', 'base64url');
    const scalar = Buffer.from(privateHalf.subarray(36, 68)); // inside PKCS#8
    expect(stored.includes(Buffer.from(privateHalf))).toBe(false);
    expect(stored.includes(scalar)).toBe(false);
    expect(JSON.stringify(row)).not.toContain(scalar.toString('base64url'));
  });
});
