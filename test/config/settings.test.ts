import { inspect } from 'node:util';
import { z } from 'zod';
import { loadSettings } from '../../src/config/index.ts';
import { attesterKinds, providerKinds } from './kinds.ts';
import { MESH, env, kek, load, problems } from './load.ts';
import { problemsOf } from './problems.ts';
import { removeTrees, tree } from './tree.ts';

afterAll(removeTrees);

test('a whole file', async () => {
  const text = `
server: { host: 0.0.0.0, port: "\${PORT:-9000}", public_url: "https://writ.example", trusted_proxies: [10.0.0.0/8, "::1"], tls: { cert: c.pem, key: k.pem } }
database: { url: "\${DATABASE_URL}" }
identity:
  audience: "https://writ.example/aud"
  trust:
    - { name: mesh, kind: spiffe, trust_domain: prod.example, bundle: { file: b.json }, vouches_for: 1h, max_age: 10m }
    - { name: corp, kind: oidc, issuer: "https://issuer.example" }
operators: { trust: [{ issuer: "https://sso.example", audience: ops, roles: {} }] }
providers:
  main: { kind: store, url: "\${STORE_URL}" }
  spare: { kind: store, when: "\${SPARE_URL:-}", url: "\${SPARE_URL}", shards: "not even a number" }
  tools: { kind: jwt, when: "yes" }
clients:
  gateway: { trust: mesh, id: "spiffe://prod.example/gw", may: [introspect, evaluate], audiences: ["https://tools.example"] }
keys: { encryption: [{ id: new, key: "\${KEK}" }, { id: old, file: old.key }], rotate_every: 7d }
limits: { live_grants: 10 }
outbound: { allow: [vault.internal, "vault.internal:8200"] }
rules: ./rules
`;
  const directory = await tree({ 'writ.yaml': text, 'old.key': `${kek}\n`, 'c.pem': '', 'k.pem': '' });
  const settings = await loadSettings({ directory, env, attesterKinds, providerKinds });
  expect(settings).toMatchObject({
    directory,
    rulesDirectory: `${directory}/rules`,
    server: {
      host: '0.0.0.0',
      port: 9000,
      publicUrl: 'https://writ.example',
      trustedProxies: ['10.0.0.0/8', '::1'],
      tls: { cert: `${directory}/c.pem`, key: `${directory}/k.pem` },
    },
    identity: {
      audience: 'https://writ.example/aud',
      trust: [
        {
          name: 'mesh',
          kind: 'spiffe',
          vouchesFor: 3600,
          maxAge: 600,
          config: { trust_domain: 'prod.example', bundle: { file: 'b.json' } },
        },
        { name: 'corp', kind: 'oidc', config: { issuer: 'https://issuer.example' } },
      ],
    },
    operators: {
      trust: [
        {
          issuer: 'https://sso.example',
          audience: 'ops',
          config: { issuer: 'https://sso.example', audience: 'ops', roles: {} },
        },
      ],
    },
    providers: [
      { name: 'main', kind: 'store', on: true, config: { url: 'store://hidden-store' } },
      { name: 'spare', kind: 'store', on: false, config: undefined },
      { name: 'tools', kind: 'jwt', on: true, config: {} },
    ],
    clients: [
      { name: 'gateway', trust: 'mesh', may: ['introspect', 'evaluate'], audiences: ['https://tools.example'] },
    ],
    keys: { encryption: [{ id: 'new' }, { id: 'old' }], rotateEverySeconds: 604_800 },
    limits: { refusalsPerMinute: 300, workloadBurst: 100, workloadPerSecond: 50, liveGrants: 10 },
    outbound: { allow: ['vault.internal', 'vault.internal:8200'] },
  });
  expect(settings.database.url?.reveal()).toBe(env.DATABASE_URL);
  expect(settings.keys?.encryption.map(({ key }) => Buffer.from(key.reveal()).toString('base64'))).toEqual([kek, kek]);
  expect(inspect(settings.keys, { depth: 9 }) + JSON.stringify(settings.keys)).not.toContain(kek);
});

test('an empty file is the defaults', async () => {
  const settings = await load('');
  expect(settings).toMatchObject({
    server: { host: '127.0.0.1', port: 8080, trustedProxies: [] },
    identity: { trust: [] },
    operators: { trust: [] },
    providers: [],
    clients: [],
    limits: {
      ...{ refusalsPerMinute: 300, workloadBurst: 100, workloadPerSecond: 50 },
      ...{ liveGrants: 1000, openTasks: 1000, pendingApprovals: 50 },
    },
    outbound: { allow: [] },
  });
  expect(settings).not.toHaveProperty('keys');
  expect(settings.identity).not.toHaveProperty('audience');
  expect(settings.rulesDirectory).toBe(settings.directory);
  expect(settings.database.url?.reveal()).toBe(env.DATABASE_URL);
});

test('evidence is made out to the public address where nothing else is said', async () => {
  const { identity } = await load('server: { public_url: "https://writ.example" }');
  expect(identity.audience).toBe('https://writ.example');
});

describe('a problem says where it is and what would be right', () => {
  test.each([
    { text: 'servers: {}', want: [/^writ\.yaml:1 servers is not known here; known are server, database, /] },
    { text: 'server:\n  prot: 1', want: [/^writ\.yaml:2 server\.prot is not known here; known are host, port, /] },
    { text: 'server: { port: 70000 }', want: [/server\.port takes at most 65535/] },
    { text: 'server: { port: 80.5 }', want: [/server\.port must be a whole number/] },
    { text: 'server: []', want: [/server must be a map of members/] },
    { text: 'server: { public_url: "https://writ.example/" }', want: [/server\.public_url must be an origin/] },
    { text: 'server: { public_url: "writ.example" }', want: [/server\.public_url must be an origin/] },
    {
      text: 'server: { trusted_proxies: [10.0.0.0/33] }',
      want: [/server\.trusted_proxies\[0\] "10\.0\.0\.0\/33" is neither/],
    },
    { text: 'server: { tls: { cert: none.pem } }', want: [/server\.tls\.key is required/] },
    {
      text: 'server: { tls: { cert: a.pem, key: b.pem } }',
      want: [/tls\.cert "a\.pem" cannot be/, /tls\.key "b\.pem" cannot be/],
    },
    {
      text: 'server: { tls: { cert: short, key: short, client_ca: short } }',
      want: [/tls\.client_ca is not offered by this version/],
    },
    {
      text: 'database: { url: "mysql://u:p4ss@h/d" }',
      want: [/^writ\.yaml:1 database\.url must be a URL such as postgres:(?!.*p4ss)/],
    },
    { text: 'limits: { live_grants: 0 }', want: [/limits\.live_grants needs at least 1/] },
    { text: 'limits: { open_tasks: 0 }', want: [/limits\.open_tasks needs at least 1/] },
    { text: 'limits: { live_grants: many }', want: [/limits\.live_grants must be a number/] },
    { text: 'outbound: { allow: ["http://a/b"] }', want: [/outbound\.allow\[0\] "http:\/\/a\/b" is not a host/] },
    // trust
    { text: 'identity: { trust: [{}] }', want: [/trust\[0\]\.name is required/, /trust\[0\]\.kind is required/] },
    {
      text: 'identity: { trust: [{ name: a/b, kind: oidc, issuer: "https://i" }] }',
      want: [/trust\[0\]\.name "a\/b" is not a name/],
    },
    {
      text: 'identity: { trust: [{ name: a, kind: x509 }] }',
      want: [/trust\[0\]\.kind "x509" is not a kind.*: spiffe, oidc$/],
    },
    {
      text: 'identity: { trust: [{ name: a, kind: oidc, issuer: "https://i", extra: 1 }] }',
      want: [/trust\[0\]\.extra is not known/],
    },
    {
      text: 'identity: { trust: [{ name: a, kind: oidc, issuer: "https://i", max_age: 1y }] }',
      want: [/max_age "1y" is not a duration/],
    },
    { text: `${MESH}identity2: {}`, want: [/^writ\.yaml:2 identity2 is not known/] },
    {
      text: 'identity:\n  trust:\n    - { name: a, kind: oidc, issuer: "https://i" }\n    - { name: a, kind: oidc, issuer: "https://j" }',
      want: [/^writ\.yaml:4 identity\.trust\[1\]\.name "a" is there twice$/],
    },
    {
      text: `identity:
  trust:
    - { name: a, kind: spiffe, trust_domain: d.example, bundle: { file: a } }
    - { name: b, kind: spiffe, trust_domain: d.example, bundle: { file: b } }`,
      want: [/^writ\.yaml:4 identity\.trust\[1\]\.trust_domain "d\.example" has an entry already/],
    },
    // operators
    { text: 'operators: { trust: [{ issuer: "https://s" }] }', want: [/operators\.trust\[0\]\.audience is required/] },
    {
      text: 'identity: { audience: writ }\noperators: { trust: [{ issuer: "https://s", audience: writ }] }',
      want: [/^writ\.yaml:2 operators\.trust\[0\]\.audience must differ/],
    },
    {
      text: 'operators: { trust: [{ issuer: "https://s", audience: "http://127.0.0.1:8080" }] }',
      want: [/operators\.trust\[0\]\.audience must differ/],
    },
    {
      text: 'operators: { trust: [{ issuer: "https://s", audience: a }, { issuer: "https://s", audience: a }] }',
      want: [/operators\.trust\[1\]\.audience has an entry with this issuer already/],
    },
    // providers
    { text: 'providers: { Main: { kind: store, url: "store://x" } }', want: [/providers\.Main "Main" is not a name/] },
    { text: 'providers: { main: { kind: nope } }', want: [/providers\.main\.kind "nope" is not a kind that is known/] },
    { text: 'providers: { main: { kind: nope, when: "" } }', want: [/providers\.main\.kind "nope" is not a kind/] },
    { text: 'providers: { main: { kind: store } }', want: [/providers\.main\.url is required/] },
    {
      text: 'providers:\n  main: { kind: store,\n    url: 7 }',
      want: [/^writ\.yaml:3 providers\.main\.url must be text$/],
    },
    { text: 'providers:\n  main: store', want: [/^writ\.yaml:2 providers\.main must be a map/] },
    { text: 'providers: { tools: { kind: jwt } }', want: [/providers\.tools signs: it needs keys\.encryption/] },
    // clients
    {
      text: `${MESH}clients: { gw: { trust: nobody, id: x, may: [introspect], audiences: [a] } }`,
      want: [/^writ\.yaml:2 clients\.gw\.trust "nobody" is not the name of an entry/],
    },
    {
      text: `${MESH}clients: { gw: { trust: mesh, id: x, may: [introspect] } }`,
      want: [/clients\.gw\.audiences must name/],
    },
    {
      text: `${MESH}clients: { gw: { trust: mesh, id: x, may: [all] } }`,
      want: [/clients\.gw\.may\[0\] must be introspect or/],
    },
    {
      text: `${MESH}clients: { gw: { trust: mesh, id: x, may: [] } }`,
      want: [/clients\.gw\.may needs at least 1 items/],
    },
    {
      text: `${MESH}clients: { a: { trust: mesh, id: x, may: [evaluate] }, b: { trust: mesh, id: x, may: [evaluate] } }`,
      want: [/clients\.b\.id "x" is a client already/],
    },
    // keys
    { text: 'keys: { encryption: [] }', want: [/keys\.encryption needs at least 1/] },
    { text: 'keys: { encryption: [{ id: a }] }', want: [/keys\.encryption\[0\]\.key is required, or else file/] },
    {
      text: 'keys: { encryption: [{ id: a, file: short, key: "${KEK}" }] }',
      want: [/encryption\[0\]\.file is given beside key/, /encryption\[0\]\.file "short" must hold/],
    },
    { text: 'keys: { encryption: [{ id: a, file: gone }] }', want: [/encryption\[0\]\.file "gone" cannot be read/] },
    {
      text: 'keys: { encryption: [{ id: a, file: short }] }',
      want: [/encryption\[0\]\.file "short" must hold base64 of 32/],
    },
    {
      text: 'keys: { encryption: [{ id: a, key: "${KEK}" }, { id: a, key: "${KEK}" }] }',
      want: [/encryption\[1\]\.id "a" is there twice/],
    },
    {
      text: 'keys: { encryption: [{ id: a, key: "${KEK}" }], rotate_every: 1h }',
      want: [/rotate_every must be at least 1d/],
    },
  ])('$text', async ({ text, want }) => {
    const found = await problems(text, { files: { short: 'c2hvcnQ=' } });
    expect(found).toHaveLength(want.length);
    want.forEach((pattern, index) => expect(found[index]).toMatch(pattern));
  });

  test('where there is no file', async () => {
    const directory = await tree({});
    expect(await problemsOf(() => loadSettings({ directory, env, attesterKinds, providerKinds }))).toEqual([
      `${directory}/writ.yaml cannot be read (ENOENT)`,
    ]);
  });

  test('where the file is no text', async () => {
    const directory = await tree({ 'writ.yaml': Uint8Array.of(0x61, 0xff, 0xfe) });
    expect(await problemsOf(() => loadSettings({ directory, env, attesterKinds, providerKinds }))).toEqual([
      `${directory}/writ.yaml is not UTF-8 text`,
    ]);
  });
});

test('a section that is wrong hides nothing that sections have to do with each other', async () => {
  const text = `limits: { live_grants: 0 }
server: { public_url: "https://writ.example" }
operators: { trust: [{ issuer: "https://s", audience: "https://writ.example" }] }
clients: { gw: { trust: nobody, id: x, may: [evaluate] } }
`;
  expect((await problems(text)).map((problem) => problem.replace(/^(\S+ \S+).*/, '$1'))).toEqual([
    'writ.yaml:1 limits.live_grants',
    'writ.yaml:3 operators.trust[0].audience',
    'writ.yaml:4 clients.gw.trust',
  ]);
});

test('every problem is there at once, in the order of the lines', async () => {
  const text = `server: { port: x, host: 7 }
identity:
  audience: 5
  trust: [{ name: A, kind: oidc }]
providers:
  a: { kind: store, when: 7 }
  b: { kind: store, url: "\${NOT_SET}" }
  c: { kind: jwt }
clients: { gw: { trust: mesh } }
limits: { more: 1 }
keys: { encryption: [{ id: a, key: c2hvcnQ= }] }
`;
  expect((await problems(text)).map((problem) => problem.replace(/^(\S+ \S+).*/, '$1'))).toEqual([
    'writ.yaml:1 server.host',
    'writ.yaml:1 server.port',
    'writ.yaml:3 identity.audience',
    'writ.yaml:4 identity.trust[0].name',
    'writ.yaml:4 identity.trust[0].issuer',
    'writ.yaml:6 providers.a.when',
    'writ.yaml:6 providers.a.url',
    'writ.yaml:7 providers.b.url',
    'writ.yaml:9 clients.gw.id',
    'writ.yaml:9 clients.gw.may',
    'writ.yaml:10 limits.more',
    'writ.yaml:11 keys.encryption[0].key',
  ]);
});

test('operators are held against the schema that is given for them', async () => {
  const operatorTrustSchema = z.strictObject({ issuer: z.string(), audience: z.string(), roles: z.strictObject({}) });
  const text = 'operators: { trust: [{ issuer: "https://i", audience: a, roles: { boss: {} } }] }';
  expect(await problems(text, { operatorTrustSchema })).toEqual([
    'writ.yaml:1 operators.trust[0].roles.boss is not known here',
  ]);
});
