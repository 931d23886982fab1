import { createPublicKey, verify } from 'node:crypto';
import { decodeProtectedHeader, SignJWT } from 'jose';
import { makeKey } from '../../src/keys/key.ts';
import { makeWrapper } from '../../src/keys/wrap.ts';
import { DAY, faultOf, kek, kidOf, LIFE, strangerVerifies, world } from './world.ts';

describe('signing', () => {
  test('a key is made at once where there is none, and whoever has the key set can verify', async () => {
    const { replica, payload, store } = world();
    const ring = replica();
    const token = await ring.sign('access', payload());
    expect(store.rows).toHaveLength(1);
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', kid: store.rows[0]?.kid, typ: 'at+jwt' });
    expect(await strangerVerifies(ring, token)).toBe(true);
    expect(await ring.verify('access', token)).toEqual(payload());
  });

  test('the published set holds public members alone', async () => {
    const { keys } = await world().replica().jwks();
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']]);
    expect(keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' });
  });

  test.each([
    ['no end', {}],
    ['an end that is no number', { exp: '1' }],
    ['an end that never comes', { exp: Number.NaN }],
    ['a life longer than tokens have', { exp: Date.parse('2026-11-23T12:00:00Z') / 1000 + LIFE + 31 }],
  ])('%s is refused', async (_name, payload) => {
    await expect(world().replica().sign('access', payload)).rejects.toThrow(RangeError);
  });

  test('a clock a little behind the database does not make the first key wait', async () => {
    const { replica, payload } = world();
    await expect(replica({ behindMs: 1_500 }).sign('access', payload())).resolves.toEqual(expect.any(String));
  });

  test('the store is not asked again for each token', async () => {
    const { replica, payload, store } = world();
    const ring = replica();
    await ring.refresh();
    const before = store.lists();
    for (let i = 0; i < 10; i++) await ring.verify('access', await ring.sign('access', payload()));
    expect(store.lists()).toBe(before);
  });
});

describe('verifying', () => {
  test('only what one of our own keys of that class has signed', async () => {
    const { replica, payload } = world();
    const ring = replica();
    const token = await ring.sign('access', payload());
    const [header = '', body = '', signature = ''] = token.split('.');
    const stranger = world().replica();
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const head = { alg: 'ES256', kid: kidOf(token), typ: 'at+jwt' };
    const hostile: Record<string, string> = {
      'of another broker': await stranger.sign('access', payload()),
      'another payload': `${header}.${encode({ ...payload(), n: 2 })}.${signature}`,
      'another typ': `${encode({ ...head, typ: 'JWT' })}.${body}.${signature}`,
      'no typ': `${encode({ alg: 'ES256', kid: kidOf(token) })}.${body}.${signature}`,
      'alg none': `${encode({ ...head, alg: 'none' })}.${body}.`,
      'alg none with a signature': `${encode({ ...head, alg: 'none' })}.${body}.${signature}`,
      HMAC: await new SignJWT(payload())
        .setProtectedHeader({ alg: 'HS256', kid: kidOf(token), typ: 'at+jwt' })
        .sign(Buffer.from(encode(head))),
      'an unknown kid': `${encode({ ...head, kid: 'x' })}.${body}.${signature}`,
      'one header member more': `${encode({ ...head, crit: ['b64'], b64: false })}.${body}.${signature}`,
      padded: `${token}=`,
      'a signature that is not canonical':
        token.slice(0, -1) + String.fromCharCode(token.charCodeAt(token.length - 1) + 1),
      'a newline at its end': `${token}\n`,
      'four parts': `${token}.`,
      'two parts': `${header}.${body}`,
      'no signature': `${header}.${body}.`,
      'a DER signature': `${header}.${body}.${Buffer.from('3006020101020101', 'hex').toString('base64url')}`,
      oversize: `${header}.${'A'.repeat(20_000)}.${signature}`,
      nothing: '',
    };
    const verified = await Promise.all(
      Object.entries(hostile).map(async ([name, text]) => [name, await ring.verify('access', text)]),
    );
    expect(verified.filter(([, payload]) => payload !== undefined)).toEqual([]);
    expect(await ring.verify('access', token)).toEqual(payload());
  });

  test('tokens of unknown keys make the keys be read again only now and then', async () => {
    const { replica, payload, store, pass } = world();
    const ring = replica();
    await ring.refresh();
    const foreign = await world().replica().sign('access', payload());
    const before = store.lists();
    for (let i = 0; i < 50; i++) expect(await ring.verify('access', foreign)).toBeUndefined();
    expect(store.lists()).toBe(before);
    pass(11);
    for (let i = 0; i < 50; i++) expect(await ring.verify('access', foreign)).toBeUndefined();
    expect(store.lists()).toBe(before + 1);
  });

  test('with the store away too, as often as that and with the same answer', async () => {
    const { replica, payload, store, pass } = world();
    const ring = replica();
    const token = await ring.sign('access', payload());
    const foreign = await world().replica().sign('access', payload());
    let asked = 0;
    store.before = () => Promise.reject(new Error(`gone ${++asked}`));
    pass(11);
    for (let i = 0; i < 50; i++) expect(await ring.verify('access', foreign)).toBeUndefined();
    expect(asked).toBe(1);
    expect(await ring.verify('access', token)).toBeDefined();
  });
});

describe('replicas', () => {
  test('many at once on an empty store: one key, and all use it', async () => {
    const { replica, payload, store } = world();
    const rings = Array.from({ length: 8 }, () => replica());
    const kids = await Promise.all(rings.map(async (ring) => kidOf(await ring.sign('access', payload()))));
    expect(store.rows).toHaveLength(1);
    expect(new Set(kids)).toEqual(new Set([store.rows[0]?.kid]));
  });

  test('many at once when a key has grown old: one successor', async () => {
    const { replica, store, pass } = world();
    const rings = Array.from({ length: 8 }, () => replica());
    await Promise.all(rings.map((ring) => ring.refresh()));
    pass(30 * DAY);
    await Promise.all(rings.map((ring) => ring.refresh()));
    expect(store.rows).toHaveLength(2);
    const published = await Promise.all(rings.map(async (ring) => (await ring.jwks()).keys.length));
    expect(published).toEqual(Array(8).fill(2));
  });

  test('one verifies what another signed a moment ago', async () => {
    const { replica, payload } = world();
    const [one, other] = [replica(), replica()];
    await other.refresh();
    expect(await other.verify('access', await one.sign('access', payload()))).toEqual(payload());
  });

  test('refreshes at the same time are one', async () => {
    const { replica, store } = world();
    const ring = replica();
    await ring.refresh();
    const before = store.lists();
    await Promise.all([ring.refresh(), ring.refresh(), ring.refresh()]);
    expect(store.lists()).toBe(before + 1);
  });

  test('a class of a later version is published, and otherwise left alone', async () => {
    const { replica, store, first } = world();
    const ring = replica();
    await ring.refresh();
    await store.add(await makeKey('of-tomorrow', makeWrapper([first])), {
      after: null,
      leadSeconds: 1,
      keepSeconds: 1,
    });
    await ring.refresh();
    expect((await ring.jwks()).keys).toHaveLength(2);
    expect(store.rows).toHaveLength(2);
  });
});

describe('the key of checkpoints', () => {
  test('is there where it is wanted, signs bare Ed25519, and is none of the published keys of tokens', async () => {
    const { replica, payload, store } = world();
    const ring = replica({ checkpoints: true });
    const { publicKey, sign } = await ring.checkpointKey();
    expect(store.rows.map((row) => [row.class, row.alg])).toEqual([
      ['access', 'ES256'],
      ['checkpoint', 'Ed25519'],
    ]);
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    expect(verify(null, Buffer.from('a text'), key, sign(Buffer.from('a text')))).toBe(true);
    expect((await ring.jwks()).keys).toHaveLength(1);
    expect(await ring.verify('access', await ring.sign('access', payload()))).toEqual(payload());
    expect(ring.status()).toMatchObject({ healthy: true });
    const other = await replica({ checkpoints: true }).checkpointKey();
    expect(other.publicKey).toEqual(publicKey);
  });

  test('is not succeeded by time', async () => {
    const { replica, pass, store } = world();
    const ring = replica({ checkpoints: true });
    await ring.checkpointKey();
    pass(400 * DAY);
    await ring.refresh();
    expect(store.rows.map((row) => row.class)).toEqual(['access', 'checkpoint', 'access']);
  });

  test('is not made, and cannot sign, where nobody asked for it', async () => {
    const { replica, store } = world();
    const ring = replica();
    await expect(ring.checkpointKey()).rejects.toMatchObject(faultOf('no_signing_key'));
    expect(store.rows.map((row) => row.class)).toEqual(['access']);
  });

  test('is rewrapped as the others are, and noticed when its halves are changed', async () => {
    const { replica, first, store } = world();
    const before = await replica({ checkpoints: true }).checkpointKey();
    const fresh = kek('kek-2');
    expect(await replica({ encryption: [fresh, first], checkpoints: true }).rewrap()).toEqual({
      rewrapped: 2,
      remaining: 0,
    });
    const after = await replica({ encryption: [fresh], checkpoints: true }).checkpointKey();
    expect(after.publicKey).toEqual(before.publicKey);
    const at = store.rows.findIndex((row) => row.class === 'checkpoint');
    const row = store.rows[at];
    if (!row) throw new Error('no key');
    store.rows[at] = { ...row, publicJwk: { ...row.publicJwk, x: Buffer.alloc(32, 1).toString('base64url') } };
    await expect(replica({ encryption: [fresh], checkpoints: true }).checkpointKey()).rejects.toMatchObject(
      faultOf('tampered'),
    );
  });
});
