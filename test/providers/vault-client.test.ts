import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import nodeVault from 'node-vault';
import { ProviderError } from '../../src/domain/errors.ts';
import { Secret } from '../../src/domain/secret.ts';
import { makeClient, type Call, type Client } from '../../src/providers/vault/client.ts';
import { failedWith } from '../../src/providers/vault/errors.ts';
import { at, atPath } from '../../src/providers/vault/values.ts';
import { makeWire, type Wire } from '../../src/providers/vault/wire.ts';
import { findSecrets } from '../secrets/spelling.ts';
import { makeCertificate } from '../support/certificate.ts';
import { deferred } from '../support/deferred.ts';
import { makeServer, openDoor, type Door } from '../support/vault/index.ts';
import { sectionOf } from './vault-shapes.ts';
import { forever, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** The hazards of node-vault 0.12.0, each met on the wire. */
let world: FakeVaultWorld;
let door: Door;
let wire: Wire;
let client: Client;
const ROOT = () => new Secret(world.server.rootToken());
beforeAll(async () => {
  world = await vaultWorld();
});
beforeEach(async () => {
  door = await openDoor(world.server);
  wire = makeWire();
  client = makeClient({ address: door.url, namespace: '' }, wire);
});
afterEach(async () => {
  wire.close();
  await door.close();
});
afterAll(() => world.close());

/** What node-vault logs by. */
interface Debug {
  enable(names: string): void;
  disable(): void;
  log?: (...line: unknown[]) => void;
}

const LOOK = { step: 'look', method: 'GET', path: at`auth/token/lookup-self` } as const;
const create = (token: Secret<string>): Call => ({
  step: 'create',
  method: 'POST',
  path: at`auth/token/create/writ`,
  body: { policies: ['inv'], ttl: '30s', no_default_policy: true, type: 'service', num_uses: 3 },
  token,
});
const tokenOf = (index: number) => door.seen.at(index)?.headers['x-vault-token'];
const failureOf = async (call: Promise<unknown>): Promise<ProviderError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ProviderError)) throw new Error('no ProviderError', { cause: error });
  return error;
};

describe('1: the token of a call', () => {
  test('is that of the call, whatever token was made before it', async () => {
    const token = ROOT();
    await client(create(token), forever);
    await client({ ...LOOK, token }, forever);
    expect([tokenOf(0), tokenOf(1)]).toEqual([token.reveal(), token.reveal()]);
  });

  test('is none for a login, though the environment has one: neither is its namespace or its address taken', async () => {
    const env = {
      VAULT_TOKEN: 's.of-the-environment',
      VAULT_NAMESPACE: 'team-a',
      VAULT_ADDR: 'http://127.0.0.1:9',
      VAULT_PREFIX: '/x',
    };
    const before = { ...process.env };
    Object.assign(process.env, env);
    try {
      client = makeClient({ address: door.url, namespace: '' }, wire);
      const body = { role_id: world.made.roleId, secret_id: world.made.secretId };
      const login = { step: 'login', method: 'POST', path: atPath('auth/approle/login'), body } as const;
      expect((await client(login, forever)).status).toBe(200);
    } finally {
      process.env = before;
    }
    expect(door.seen.at(-1)?.headers).not.toHaveProperty('x-vault-token');
    expect(door.seen.at(-1)?.headers).not.toHaveProperty('x-vault-namespace');
  });

  test('by itself node-vault sends ours along with a login, and then goes on with the new one', async () => {
    const ours = world.server.rootToken();
    const bare = nodeVault({ endpoint: door.url, token: ours });
    await bare.approleLogin({ role_id: world.made.roleId, secret_id: world.made.secretId });
    await bare.read('auth/token/lookup-self');
    expect(tokenOf(0)).toBe(ours);
    expect(tokenOf(1)).not.toBe(ours);
  });
});

test('2: nothing of a request is dropped, and 202 is an answer', async () => {
  const token = ROOT();
  const call = create(token);
  await client(call, forever);
  expect(door.seen[0]?.body).toEqual(call.body);
  const revoke = {
    step: 'revoke',
    method: 'POST',
    path: at`sys/leases/revoke`,
    body: { lease_id: 'a/b', sync: false },
    token,
  } as const;
  expect((await client(revoke, forever)).status).toBe(202);
  expect(door.seen[1]?.body).toEqual({ lease_id: 'a/b', sync: false });
});

describe('3: time and connections', () => {
  test('a call ends by itself, though its server never answers or never ends', async () => {
    const began = Date.now();
    door.trouble = { silent: true };
    const silent = failureOf(client({ ...LOOK, token: ROOT() }, forever));
    expect(await silent).toMatchObject({ code: 'provider_timeout', nothingLives: false, facts: { step: 'look' } });
    expect(Date.now() - began).toBeLessThan(7_000);
  });

  test('an answer without an end is cut off by its size', async () => {
    door.trouble = { drips: true };
    const error = await failureOf(client({ ...LOOK, token: ROOT() }, forever));
    expect(error).toMatchObject({ code: 'provider_answer_wrong', facts: { finding: 'answer_too_large' } });
  });

  test('a caller that goes away is let go at once', async () => {
    door.trouble = { silent: true };
    const caller = new AbortController();
    const call = failureOf(client({ ...LOOK, token: ROOT() }, caller.signal));
    caller.abort();
    expect(await call).toMatchObject({ code: 'provider_timeout' });
  });

  test('a connection is used again, also with TLS', async () => {
    const certificate = makeCertificate();
    const secure = await openDoor(world.server, certificate);
    wire.trust(certificate.cert);
    const overTls = makeClient({ address: secure.url, namespace: '' }, wire);
    for (let n = 0; n < 3; n++) {
      expect((await client({ ...LOOK, token: ROOT() }, forever)).status).toBe(200);
      expect((await overTls({ ...LOOK, token: ROOT() }, forever)).status).toBe(200);
    }
    expect([door.connections(), secure.connections()]).toEqual([1, 1]);
    await secure.close();
  });
});

describe('TLS', () => {
  const overTls = async (ca: string | undefined) => {
    const secure = await openDoor(world.server, makeCertificate());
    try {
      wire.trust(ca);
      const call = makeClient({ address: secure.url, namespace: '' }, wire)({ ...LOOK, token: ROOT() }, forever);
      return { error: await failureOf(call), seen: secure.seen.length };
    } finally {
      await secure.close();
    }
  };

  test.each([
    ['no authority', undefined],
    ['another authority', makeCertificate().cert],
  ])('%s: no call, and nothing was sent', async (_name, ca) => {
    const { error, seen } = await overTls(ca);
    expect(error).toMatchObject({ code: 'provider_unreachable', nothingLives: true });
    expect(seen).toBe(0);
  });

  test('an authority that is replaced meanwhile leaves what is under way alone, and holds for what comes', async () => {
    const certificate = makeCertificate();
    const [asked, may] = [deferred<undefined>(), deferred<undefined>()];
    const secure = await openDoor(
      {
        now: world.server.now,
        async respond(request) {
          asked.resolve(undefined);
          await may.promise;
          return world.server.respond(request);
        },
      },
      certificate,
    );
    const ask = makeClient({ address: secure.url, namespace: '' }, wire);
    wire.trust(certificate.cert);
    const call = ask({ ...LOOK, token: ROOT() }, forever);
    await asked.promise;
    wire.trust(makeCertificate().cert);
    expect(await failureOf(ask({ ...LOOK, token: ROOT() }, forever))).toMatchObject({ nothingLives: true });
    may.resolve(undefined);
    expect((await call).status).toBe(200);
    while (secure.connections() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await secure.close();
  });

  test('VAULT_SKIP_VERIFY does not change that', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { VAULT_SKIP_VERIFY: '1' });
    try {
      expect(await overTls(undefined)).toMatchObject({ error: { code: 'provider_unreachable' }, seen: 0 });
    } finally {
      process.env = before;
    }
  });
});

describe('4: headers', () => {
  test('each call has its own token and the namespace of the entry', async () => {
    const namespaced = makeClient({ address: door.url, namespace: 'team-a' }, wire);
    const [one, other] = [new Secret(world.server.rootToken('team-a')), new Secret(world.server.rootToken('team-a'))];
    for (const token of [one, other, one]) expect((await namespaced({ ...LOOK, token }, forever)).status).toBe(200);
    expect([0, 1, 2].map(tokenOf)).toEqual([one, other, one].map((each) => each.reveal()));
    expect(door.seen.map(({ headers }) => headers['x-vault-namespace'])).toEqual(['team-a', 'team-a', 'team-a']);
  });

  test('a token of one namespace is nothing in another', async () => {
    const namespaced = makeClient({ address: door.url, namespace: 'team-a' }, wire);
    expect((await namespaced({ ...LOOK, token: ROOT() }, forever)).status).toBe(403);
  });
});

describe('5: where a token goes', () => {
  test.each(['another host', 'the same'])('a redirect to %s is not followed', async (to) => {
    const got: IncomingHttpHeaders[] = [];
    const other = createServer((request, response) => {
      got.push(request.headers);
      response.end('{}');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    door.trouble = { redirectTo: to === 'the same' ? door.url : elsewhere };
    const reply = await client({ ...LOOK, token: ROOT() }, forever);
    expect(reply.status).toBe(307);
    expect(failedWith(reply, 'look')).toMatchObject({ code: 'provider_unreachable', facts: { finding: 'redirected' } });
    expect([got.length, door.seen.length]).toEqual([0, 1]);
    other.close();
  });

  test('no proxy of the environment gets it', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: 'http://127.0.0.1:9', http_proxy: 'http://127.0.0.1:9', NO_PROXY: '' });
    try {
      expect((await client({ ...LOOK, token: ROOT() }, forever)).status).toBe(200);
    } finally {
      process.env = before;
    }
  });

  test.each([
    '',
    '..',
    '.',
    'a/b',
    '../sys/raw',
    'a..b',
    'a*',
    '+',
    'a b',
    'a?b',
    'a#b',
    'a%2fb',
    'ä',
    '&#x2F;',
    '-a',
    'a\0',
    'a'.repeat(257),
  ])('an id that is %j stays out of a path', (id) => {
    expect(() => at`auth/token/create/${id}`).toThrow(TypeError);
    expect(() => atPath(`secret/${id}/x/`)).toThrow(TypeError);
  });

  test('ids that are names stay what they are', () => {
    expect(at`auth/token/create/${'team-a.readers_1'}`).toBe('auth/token/create/team-a.readers_1');
    expect(atPath('database/creds/readonly')).toBe('database/creds/readonly');
  });
});

describe('6: what leaves of a failure', () => {
  test.each([
    ['refused', { status: 403 }],
    ['broken', { status: 500 }],
    ['no JSON', { text: '<html>s.secret</html>' }],
  ])('%s: its status and our own words, and never a token or a body', async (_name, trouble) => {
    const { provider, door: own } = await world.troubled();
    const plan = world.plan(provider, sectionOf('token'));
    own.trouble = { ...trouble, only: /token\/(create|lookup-accessor)/ };
    const error = await failureOf(provider.mint(plan, forever));
    const told = [
      inspect(error, { depth: 10, showHidden: true }),
      JSON.stringify(error),
      JSON.stringify(error.facts),
      error.stack ?? '',
    ];
    const secrets = {
      login: String(own.seen.at(-1)?.headers['x-vault-token']),
      secret_id: world.made.secretId,
      answer: '<html>s.secret</html>',
    };
    expect(
      findSecrets(
        told.map((text, index) => ({ where: `${index}`, text })),
        secrets,
      ),
    ).toEqual([]);
    expect(error.cause).toBeUndefined();
    await provider.close();
  });

  test('DEBUG=node-vault prints nothing of a call', async () => {
    const debug = createRequire(import.meta.url)('debug') as Debug;
    const lines: unknown[][] = [];
    debug.log = (...line) => void lines.push(line);
    debug.enable('node-vault');
    try {
      const bare = nodeVault({ endpoint: door.url, token: ROOT().reveal() });
      await bare.read('auth/token/lookup-self');
      expect(lines.length).toBeGreaterThan(0);
      lines.length = 0;
      await client(create(ROOT()), forever);
      expect(lines).toEqual([]);
    } finally {
      debug.disable();
    }
  });
});

describe('8: answers that are none yet', () => {
  test('412 is asked again, a little later each time', async () => {
    door.trouble = { status: 412, times: 2 };
    expect((await client({ ...LOOK, token: ROOT() }, forever)).status).toBe(200);
    expect(door.seen).toHaveLength(3);
  });

  test('and not for ever', async () => {
    door.trouble = { status: 412 };
    const reply = await client({ ...LOOK, token: ROOT() }, forever);
    expect(door.seen).toHaveLength(4);
    expect(failedWith(reply, 'look')).toMatchObject({ code: 'provider_throttled', facts: { vault_status: 412 } });
  });

  test.each([
    [400, 'provider_refused'],
    [403, 'provider_refused'],
    [404, 'provider_refused'],
    [429, 'provider_throttled'],
    [472, 'provider_unreachable'],
    [473, 'provider_unreachable'],
    [500, 'provider_unreachable'],
    [503, 'provider_unreachable'],
    [101, 'provider_answer_wrong'],
  ])('%i is %s, and never says that nothing lives', (status, code) => {
    const error = failedWith({ status, body: { errors: ['s.secret'] } }, 'look');
    expect(error).toMatchObject({ code, nothingLives: false, facts: { vault_status: status, step: 'look' } });
    expect(JSON.stringify(error.facts)).not.toContain('s.secret');
  });
});

test('a server that nobody is at: nothing was sent', async () => {
  await door.close();
  const error = await failureOf(client({ ...LOOK, token: ROOT() }, forever));
  expect(error).toMatchObject({ code: 'provider_unreachable', nothingLives: true });
});

test('a connection that breaks in the middle: something may have been done', async () => {
  const cut = door.cutAt(1);
  const error = await failureOf(client({ ...LOOK, token: ROOT() }, forever));
  expect(cut.happened()).toBe(true);
  expect(error).toMatchObject({ code: 'provider_unreachable', nothingLives: false });
});

test('the fake complains of what it does not know', async () => {
  const server = makeServer();
  const own = await openDoor(server);
  const call = {
    step: 'look',
    method: 'GET',
    path: atPath('sys/raw/core'),
    token: new Secret(server.rootToken()),
  } as const;
  const reply = await makeClient({ address: own.url, namespace: '' }, wire)(call, forever);
  expect([reply.status, server.complaints]).toEqual([501, ['GET sys/raw/core is not known here']]);
  await own.close();
});
