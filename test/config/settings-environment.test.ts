import { z } from 'zod';
import { MESH, env, load, problems } from './load.ts';
import { removeTrees } from './tree.ts';

afterAll(removeTrees);

describe('what the environment says', () => {
  const hidden = 'hidden-value-9f3';

  test.each([
    {
      name: 'a missing variable, once',
      text: 'providers: { a: { kind: store, url: "${NOT_SET}" } }',
      want: /needs the environment variable NOT_SET/,
    },
    {
      name: 'an empty variable',
      text: 'providers: { a: { kind: store, url: "${EMPTY}" } }',
      want: /providers\.a\.url is required/,
    },
    {
      name: 'a wrong URL',
      text: 'providers: { a: { kind: store, url: "${HIDDEN}" } }',
      want: /providers\.a\.url must be a URL such as/,
    },
    { name: 'a wrong database', text: 'database: { url: "${HIDDEN}" }', want: /database\.url must be a URL/ },
    {
      name: 'a wrong key',
      text: 'keys: { encryption: [{ id: k, key: "${HIDDEN}" }] }',
      want: /key must be base64 of 32 bytes/,
    },
    {
      name: 'a wrong kind',
      text: 'providers: { a: { kind: "${HIDDEN}" } }',
      want: /kind the value of HIDDEN is not a kind/,
    },
    {
      name: 'a wrong name',
      text: 'clients: { a: { trust: "x ${HIDDEN}", id: i, may: [evaluate] } }',
      want: /trust the value of HIDDEN is not a name/,
    },
    {
      name: 'a file that is not there',
      text: 'keys: { encryption: [{ id: k, file: "${HIDDEN}" }] }',
      want: /file the value of HIDDEN cannot be read/,
    },
    { name: 'a port', text: 'server: { port: "${HIDDEN}" }', want: /server\.port must be a number/ },
  ])('is in no message: $name', async ({ text, want }) => {
    const found = await problems(text, { env: { HIDDEN: hidden, EMPTY: '' } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(want);
    expect(found[0]).not.toContain(hidden);
  });

  test('is cut from what a kind says of it', async () => {
    const telling = {
      kind: 'store',
      config: z.strictObject({ url: z.string().refine(() => false, { error: ({ input }) => `is ${String(input)}` }) }),
    };
    const found = await problems('providers: { a: { kind: store, url: "x${HIDDEN}" } }', {
      env: { HIDDEN: hidden },
      providerKinds: [telling],
    });
    expect(found).toEqual(['writ.yaml:1 providers.a.url is x[from the environment]']);
  });

  test('a kind that throws is a problem like another', async () => {
    const broken = {
      kind: 'store',
      config: z.unknown().transform(() => {
        throw new Error(hidden);
      }),
    };
    const found = await problems('providers: { a: { kind: store } }', { providerKinds: [broken] });
    expect(found).toEqual(['writ.yaml:1 providers.a could not be checked']);
  });
});

describe('a provider that may be off', () => {
  const text = 'providers: { a: { kind: store, when: "${STORE:-}", url: "${STORE}" } }';
  test.each([
    { name: 'no variable', env: {}, on: false },
    { name: 'an empty one', env: { STORE: '' }, on: false },
    { name: 'nothing but space', env: { STORE: ' ' }, on: false },
    { name: 'one that says something', env: { STORE: 'store://x' }, on: true },
  ])('$name', async ({ env: variables, on }) => {
    const { providers } = await load(text, { env: variables });
    expect(providers).toEqual([{ name: 'a', kind: 'store', on, config: on ? { url: 'store://x' } : undefined }]);
  });

  test('without a default the variable is needed', async () => {
    const found = await problems('providers: { a: { kind: store, when: "${STORE}", url: x } }', { env: {} });
    expect(found[0]).toMatch(/providers\.a\.when needs the environment variable STORE/);
  });

  test('a jwt provider that is off needs no keys', async () => {
    const { providers } = await load('providers: { t: { kind: jwt, when: "" } }');
    expect(providers).toMatchObject([{ on: false }]);
  });
});

describe('the overlay of the embedded default', () => {
  const overlay = {
    trust: [{ name: 'dev', kind: 'oidc', issuer: 'https://dev.local', development: true }],
    operators: [{ issuer: 'https://ops.local', audience: 'ops', development: true, roles: {} }],
    outboundAllow: ['127.0.0.1:1234'],
    env: { DATABASE_URL: 'postgres://embedded/writ' },
  };

  test('adds to what is there, and its variables come first', async () => {
    const text = `database: { url: "\${DATABASE_URL}" }\n${MESH}clients: { gw: { trust: dev, id: x, may: [evaluate] } }`;
    const settings = await load(text, { overlay });
    expect(settings.identity.trust.map(({ name, development }) => [name, development])).toEqual([
      ['mesh', undefined],
      ['dev', true],
    ]);
    expect(settings.operators.trust).toMatchObject([{ issuer: 'https://ops.local', development: true }]);
    expect(settings.operators.trust[0]?.config).not.toHaveProperty('development');
    expect(settings.outbound.allow).toEqual(['127.0.0.1:1234']);
    expect(settings.database.url?.reveal()).toBe('postgres://embedded/writ');
  });

  test('also where the file has nothing of it', async () => {
    expect((await load('', { overlay })).identity.trust).toHaveLength(1);
  });

  test('is held against the same schemas', async () => {
    const found = await problems('identity: { trust: [] }', { overlay: { trust: [{ name: 'dev', kind: 'oidc' }] } });
    expect(found).toEqual(['writ.yaml:1 identity.trust[0].issuer is required']);
  });
});

describe('what serve refuses', () => {
  const base = 'database: { url: "${DATABASE_URL}" }\n';
  test.each([
    {
      name: 'a listener that others reach',
      text: `${base}server: { host: 0.0.0.0 }`,
      want: /server\.host "0\.0\.0\.0" is reached/,
    },
    { name: 'also by name', text: `${base}server: { host: writ.internal }`, want: /server\.host/ },
    {
      name: 'a trust entry for development',
      text: `${base}identity: { trust: [{ name: a, kind: oidc, issuer: "https://i", development: true }] }`,
      want: /^writ\.yaml:2 identity\.trust\[0\] is for development/,
    },
    {
      name: 'operators for development',
      text: `${base}operators: { trust: [{ issuer: "https://i", audience: a, development: true }] }`,
      want: /operators\.trust\[0\] is for development/,
    },
    {
      name: 'a key for development',
      text: `${base}keys: { encryption: [{ id: k, key: "\${KEK}", development: true }] }`,
      want: /keys\.encryption\[0\] is for development/,
    },
    { name: 'no database', text: '', env: {}, want: /database\.url is required to serve, or DATABASE_URL/ },
    { name: 'unverified certificates', text: base, env: { ...env, VAULT_SKIP_VERIFY: '1' }, want: /VAULT_SKIP_VERIFY/ },
  ])('$name', async ({ text, want, ...extra }) => {
    const found = await problems(text, { production: true, ...extra });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(want);
    await expect(load(text, extra)).resolves.toBeDefined();
  });

  test.each([
    { name: 'loopback', text: base },
    { name: 'loopback by name', text: `${base}server: { host: localhost }` },
    { name: 'IPv6 loopback', text: `${base}server: { host: "::1" }` },
    { name: 'behind proxies', text: `${base}server: { host: 0.0.0.0, trusted_proxies: [10.0.0.1] }` },
    { name: 'with TLS', text: `${base}server: { host: 0.0.0.0, tls: { cert: c, key: k } }` },
    { name: 'a database from the environment alone', text: '' },
  ])('and takes $name', async ({ text }) => {
    await expect(load(text, { production: true, files: { c: '', k: '' } })).resolves.toBeDefined();
  });
});
