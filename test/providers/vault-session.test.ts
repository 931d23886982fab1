import type { JsonObject } from '../../src/domain/json.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { makeCertificate } from '../support/certificate.ts';
import { deferred } from '../support/deferred.ts';
import { openDoor, type Door, type Trouble } from '../support/vault/index.ts';
import { until } from '../support/waiting.ts';
import { sectionOf } from './vault-shapes.ts';
import { forever, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** The broker's own login: when, how often, and what it survives. */
let world: FakeVaultWorld;
beforeAll(async () => {
  world = await vaultWorld();
});
afterEach(() => {
  Object.assign(world.server, { sealed: false, standby: false, drSecondary: false, initialized: true });
});
afterAll(() => world.close());

const mint = (provider: Provider) => provider.mint(world.plan(provider, sectionOf('token')), forever);
const logins = (door: Door) => door.seen.filter(({ path }) => path.endsWith('/login'));
const renewals = (door: Door) => door.seen.filter(({ path }) => path === 'auth/token/renew-self');
const loginTtl = (settings: JsonObject) => {
  const approle = world.server.state().appRoles.get('writ');
  if (!approle) throw new Error('no role');
  world.server.state().appRoles.set('writ', { ...approle, settings: { ...approle.settings, ...settings } });
};
afterEach(() => loginTtl({ token_ttl: '1h', token_max_ttl: '24h', token_num_uses: 0 }));

describe('how', () => {
  const settings = { token_policies: ['writ-broker'], token_ttl: '1h' };
  test.each([
    ['approle', {}, {}],
    ['approle, its secret in a file', { secret_id_file: 'secret-id' }, {}],
    ['jwt', { method: 'jwt', role: 'broker', token_file: 'jwt' }, { role: 'broker', jwt: 'a.jwt' }],
    ['kubernetes', { method: 'kubernetes', role: 'broker', token_file: 'kube' }, { role: 'broker', jwt: 'a.kube' }],
    [
      'kubernetes, with the pod’s own token',
      { method: 'kubernetes', role: 'broker' },
      { role: 'broker', jwt: 'a.pod' },
    ],
  ])('%s', async (_name, change: JsonObject, sent) => {
    const jwts = world.server.state().jwts;
    jwts.set('a.jwt', { method: 'jwt', role: 'broker', settings });
    for (const jwt of ['a.kube', 'a.pod']) jwts.set(jwt, { method: 'kubernetes', role: 'broker', settings });
    const files = {
      'secret-id': `${world.made.secretId}\n`,
      jwt: 'a.jwt\n',
      kube: 'a.kube',
      '/var/run/secrets/kubernetes.io/serviceaccount/token': 'a.pod',
    };
    const { method = 'approle' } = change;
    const secret = change['secret_id_file'] === undefined ? { secret_id: world.made.secretId } : {};
    const approle = method === 'approle' ? { role_id: world.made.roleId, ...secret } : {};
    const { provider, door } = await world.troubled({}, { config: { auth: { method, ...approle, ...change } }, files });
    await mint(provider);
    expect(logins(door).map(({ path }) => path)).toEqual([`auth/${String(method)}/login`]);
    expect(logins(door)[0]?.body).toMatchObject(sent);
    expect(logins(door)[0]?.headers).not.toHaveProperty('x-vault-token');
    await provider.close();
  });

  test('by a mount of another name', async () => {
    const auth = {
      method: 'approle',
      role_id: world.made.roleId,
      secret_id: world.made.secretId,
      mount: 'team-a/approle',
    };
    const { provider, door } = await world.troubled({}, { config: { auth } });
    await mint(provider);
    expect(logins(door)[0]?.path).toBe('auth/team-a/approle/login');
    await provider.close();
  });

  test('with a token there is no login, and it is not given back', async () => {
    const { client_token } = await world.admin.call('POST', 'auth/token/create/writ', { policies: ['more'] });
    const token = world.server.state().tokens.get(String(client_token));
    if (!token) throw new Error('no token');
    Object.assign(token, { policies: ['writ-broker'] });
    const { provider, door } = await world.troubled({}, { config: { auth: { method: 'token', token: token.id } } });
    await mint(provider);
    await provider.close();
    expect(logins(door)).toEqual([]);
    expect(world.server.state().alive(token)).toBe(true);
  });

  test('a file is read again at each login: it may have been replaced', async () => {
    let jwt = 'a.first';
    for (const each of ['a.first', 'a.second'])
      world.server.state().jwts.set(each, { method: 'jwt', role: 'broker', settings });
    const auth = { method: 'jwt', role: 'broker', token_file: 'jwt' };
    const { provider, door } = await world.troubled({}, { config: { auth }, files: { jwt: () => jwt } });
    await mint(provider);
    jwt = 'a.second';
    world.pass(3_600);
    await mint(provider);
    expect(logins(door).map(({ body }) => body['jwt'])).toEqual(['a.first', 'a.second']);
    await provider.close();
  });

  test('a file that cannot be read is an error that names it, and nothing lives', async () => {
    const auth = { method: 'jwt', role: 'broker', token_file: 'gone' };
    const { provider } = await world.troubled({}, { config: { auth } });
    const facts = { finding: 'file_unreadable', file: 'gone' };
    await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_refused', nothingLives: true, facts });
    await provider.close();
  });

  test('an authority in a file, which may be replaced while the process runs', async () => {
    const [first, second] = [makeCertificate(), makeCertificate()];
    let ca = first.cert;
    const door = await openDoor(world.server, second);
    const provider = world.provider({ door, config: { ca_file: 'ca.pem' }, files: { 'ca.pem': () => ca } });
    await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_unreachable', nothingLives: true });
    expect(door.seen).toEqual([]);
    ca = second.cert;
    await mint(provider);
    await provider.close();
    await door.close();
  });
});

describe('when', () => {
  test('nothing is asked before anything is needed: not even by a plan', async () => {
    const { provider, door } = await world.troubled();
    world.plan(provider, sectionOf('token'));
    await provider.upkeep?.(forever);
    await provider.close();
    expect(door.seen).toEqual([]);
  });

  test('once for all who wait', async () => {
    const { provider, door } = await world.troubled();
    await Promise.all(Array.from({ length: 20 }, () => mint(provider)));
    expect(logins(door)).toHaveLength(1);
    await provider.close();
  });

  test('renewed at two thirds of its life by whoever comes next, once', async () => {
    loginTtl({ token_ttl: '10m' });
    const { provider, door } = await world.troubled();
    await mint(provider);
    world.pass(390);
    await mint(provider);
    expect(renewals(door)).toHaveLength(0);
    world.pass(20);
    await Promise.all(Array.from({ length: 10 }, () => mint(provider)));
    expect(renewals(door)).toHaveLength(1);
    world.pass(390);
    await mint(provider);
    expect([renewals(door).length, logins(door).length]).toEqual([1, 1]);
    await provider.close();
  });

  test('and by upkeep where nobody comes', async () => {
    loginTtl({ token_ttl: '10m' });
    const { provider, door } = await world.troubled();
    await mint(provider);
    for (let minute = 0; minute < 60; minute++) {
      world.pass(60);
      await provider.upkeep?.(forever);
    }
    expect(logins(door)).toHaveLength(1);
    expect(renewals(door).length).toBeGreaterThanOrEqual(8);
    expect(renewals(door).length).toBeLessThan(12);
    await provider.close();
  });

  test('near its greatest life, where renewing brings less and less, it is a new login', async () => {
    loginTtl({ token_ttl: '10m', token_max_ttl: '30m' });
    const { provider, door } = await world.troubled();
    await mint(provider);
    for (let minute = 0; minute < 120; minute++) {
      world.pass(60);
      await provider.upkeep?.(forever);
      await mint(provider);
    }
    expect(logins(door).length).toBeGreaterThanOrEqual(4);
    expect(logins(door).length).toBeLessThan(9);
    expect(renewals(door).length).toBeLessThan(25);
    await provider.close();
  });

  test('a life of 768 hours, as Vault gives by default, starts no timer that overflows', async () => {
    loginTtl({ token_ttl: '768h' });
    const warned: Error[] = [];
    const listen = (warning: Error) => warned.push(warning);
    process.on('warning', listen);
    const { provider, door } = await world.troubled();
    await mint(provider);
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off('warning', listen);
    expect([renewals(door).length, warned.map(({ name }) => name)]).toEqual([0, []]);
    await provider.close();
  });

  test.each<[string, Trouble, string]>([
    ['that fails', { status: 500 }, 'provider_unreachable'],
    ['that something before Vault refuses', { status: 403, text: '<html>' }, 'provider_answer_wrong'],
  ])('a renewal %s is tried again, and not by each call', async (_name, trouble, code) => {
    loginTtl({ token_ttl: '10m' });
    const { provider, door } = await world.troubled();
    await mint(provider);
    world.pass(410);
    door.trouble = { ...trouble, only: /renew-self/ };
    for (let n = 0; n < 5; n++) await mint(provider);
    expect(renewals(door)).toHaveLength(1);
    world.pass(6);
    await expect(provider.upkeep?.(forever)).rejects.toMatchObject({ code });
    expect(renewals(door)).toHaveLength(2);
    door.trouble = {};
    world.pass(6);
    await provider.upkeep?.(forever);
    expect([renewals(door).length, logins(door).length]).toEqual([3, 1]);
    await provider.close();
  });
});

describe('a token that is refused', () => {
  const broker = (door: Door) => {
    const token = world.server.state().tokens.get(String(door.seen.at(-1)?.headers['x-vault-token']));
    if (!token) throw new Error('no token of the broker');
    return token;
  };

  test('is logged in again, and the call is made once more', async () => {
    const { provider, door } = await world.troubled();
    await mint(provider);
    world.server.state().revoke(broker(door));
    await mint(provider);
    expect(logins(door)).toHaveLength(2);
    await provider.close();
  });

  test('by many calls at once: one login for all', async () => {
    const { provider, door } = await world.troubled();
    await mint(provider);
    world.server.state().revoke(broker(door));
    await Promise.all(Array.from({ length: 10 }, () => mint(provider)));
    expect(logins(door)).toHaveLength(2);
    await provider.close();
  });

  test('a call that is refused for what it asks costs no login', async () => {
    const { provider, door } = await world.troubled();
    await mint(provider);
    door.trouble = { status: 403, only: /token\/create/ };
    for (let n = 0; n < 3; n++) {
      await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_refused', nothingLives: true });
    }
    expect(logins(door)).toHaveLength(1);
    await provider.close();
  });

  test('what something before Vault refuses says nothing of the token: it is kept, and nobody logs in again', async () => {
    const { provider, door } = await world.troubled();
    await mint(provider);
    const facts = { step: 'token_create', vault_status: 403 };
    for (const only of [/token\/create/, /token\/create|lookup-self/]) {
      door.trouble = { status: 403, text: '<html>', only };
      await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_answer_wrong', facts });
    }
    door.trouble = {};
    await mint(provider);
    expect(logins(door)).toHaveLength(1);
    await provider.close();
  });

  test('a login that is refused is said to be one, and nothing lives', async () => {
    const auth = { method: 'approle', role_id: world.made.roleId, secret_id: 'wrong' };
    const { provider } = await world.troubled({}, { config: { auth } });
    const facts = { finding: 'login_refused', vault_status: 400 };
    await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_refused', nothingLives: true, facts });
    await provider.close();
  });

  test.each([400, 403])(
    'a login that something before Vault refuses (%i) says nothing of the login',
    async (status) => {
      const { provider } = await world.troubled({ only: /approle\/login/, status, text: '<html>' });
      const facts = { step: 'login', vault_status: status };
      await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_answer_wrong', nothingLives: true, facts });
      await provider.close();
    },
  );

  test('a token that was handed in and is no more cannot be logged in again', async () => {
    const auth = { method: 'token', token: 's.of-nobody' };
    const { provider } = await world.troubled({}, { config: { auth } });
    await expect(mint(provider)).rejects.toMatchObject({ facts: { finding: 'login_refused', vault_status: 403 } });
    await provider.close();
  });
});

describe('a server that is away for a while', () => {
  interface Absence {
    readonly name: string;
    readonly begin: (door: Door) => void;
    readonly end: (door: Door) => void;
    readonly code: string;
  }
  const set = (change: Partial<typeof world.server>) => () => void Object.assign(world.server, change);
  const absences: Absence[] = [
    { name: 'sealed', begin: set({ sealed: true }), end: set({ sealed: false }), code: 'provider_unreachable' },
    {
      name: 'a standby that answers 429 on its health, and hands calls on',
      begin: set({ standby: true }),
      end: set({ standby: false }),
      code: 'none',
    },
    {
      name: 'a secondary for disaster recovery',
      begin: (door) => (door.trouble = { status: 472 }),
      end: (door) => (door.trouble = {}),
      code: 'provider_unreachable',
    },
    {
      name: 'a performance standby without its token yet',
      begin: (door) => (door.trouble = { status: 473 }),
      end: (door) => (door.trouble = {}),
      code: 'provider_unreachable',
    },
    {
      name: 'a standby that sends elsewhere',
      begin: (door) => (door.trouble = { redirectTo: 'http://127.0.0.1:9' }),
      end: (door) => (door.trouble = {}),
      code: 'provider_unreachable',
    },
    {
      name: 'restarted: every connection was cut',
      begin: (door) => door.drop(),
      end: () => undefined,
      code: 'none',
    },
    {
      name: 'over its quota',
      begin: (door) => (door.trouble = { status: 429 }),
      end: (door) => (door.trouble = {}),
      code: 'provider_throttled',
    },
  ];

  test.each(absences)('$name: what is ended then is asked again, and ended after it', async ({ begin, end, code }) => {
    const { provider, door } = await world.troubled();
    const plan = world.plan(provider, sectionOf('token'));
    const { handle } = await provider.mint(plan, forever);
    const record = { ...plan, grant: world.request().grant };
    begin(door);
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (code !== 'none') {
      await expect(provider.end(record, handle, 'revocation', forever)).rejects.toMatchObject({ code });
      await expect(provider.find(record, forever)).rejects.toMatchObject({ code });
      await expect(mint(provider)).rejects.toMatchObject({ code: expect.stringMatching(/^provider_/) });
      end(door);
    }
    expect(await provider.end(record, handle, 'revocation', forever)).toEqual({ kind: 'ended' });
    end(door);
    world.pass(6);
    await mint(provider);
    await provider.close();
  });

  test('nor when it was closed while it was logging in', async () => {
    const files = { id: () => world.made.secretId };
    const auth = { method: 'approle', role_id: world.made.roleId, secret_id_file: 'id' };
    const { provider, door } = await world.troubled({ silent: true }, { config: { auth }, files });
    const minting = mint(provider);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await provider.close();
    await expect(minting).rejects.toMatchObject({ code: 'provider_unreachable', nothingLives: true });
    const before = door.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(door.seen.length).toBe(before);
  });

  test('what a login under way still brings is given back by the close', async () => {
    const [asked, may] = [deferred<undefined>(), deferred<undefined>()];
    const door = await openDoor({
      now: world.server.now,
      async respond(request) {
        if (!request.path.endsWith('/login')) return world.server.respond(request);
        asked.resolve(undefined);
        await may.promise;
        return world.server.respond(request);
      },
    });
    const before = world.server.state().tokens.size;
    const provider = world.provider({ door });
    const minting = mint(provider).catch((error: unknown) => error);
    await asked.promise;
    const closing = provider.close();
    may.resolve(undefined);
    await closing;
    await minting;
    const made = [...world.server.state().tokens.values()].slice(before);
    expect(made.filter((token) => world.server.state().alive(token))).toEqual([]);
    expect(door.seen.filter(({ path }) => path === 'auth/token/revoke-self')).toHaveLength(1);
    await door.close();
  });

  test('a login that ends long after the close is given back all the same, and holds the close up no longer', async () => {
    const [asked, may] = [deferred<undefined>(), deferred<undefined>()];
    const door = await openDoor({
      now: world.server.now,
      async respond(request) {
        if (!request.path.endsWith('/login')) return world.server.respond(request);
        asked.resolve(undefined);
        await may.promise;
        return world.server.respond(request);
      },
    });
    const before = world.server.state().tokens.size;
    const provider = world.provider({ door });
    const minting = mint(provider).catch((error: unknown) => error);
    await asked.promise;
    await provider.close();
    expect(world.server.state().tokens.size).toBe(before);
    may.resolve(undefined);
    expect(await minting).toMatchObject({ code: 'provider_unreachable', nothingLives: true });
    await until(() => door.seen.some(({ path }) => path === 'auth/token/revoke-self'));
    const made = [...world.server.state().tokens.values()].slice(before);
    await until(() => !made.some((token) => world.server.state().alive(token)));
    expect(logins(door)).toHaveLength(1);
    await door.close();
  });

  test('a login that fails after the close is nothing', async () => {
    const [asked, may] = [deferred<undefined>(), deferred<undefined>()];
    const door = await openDoor({
      now: world.server.now,
      async respond(request) {
        if (!request.path.endsWith('/login')) return world.server.respond(request);
        asked.resolve(undefined);
        await may.promise;
        return world.server.respond(request);
      },
    });
    const provider = world.provider({ door });
    const minting = mint(provider).catch((error: unknown) => error);
    await asked.promise;
    await provider.close();
    door.drop();
    expect(await minting).toMatchObject({ code: expect.stringMatching(/^provider_/) as string, nothingLives: true });
    may.resolve(undefined);
    expect(door.seen.some(({ path }) => path === 'auth/token/revoke-self')).toBe(false);
    await door.close();
  });

  test('a closed provider asks nothing any more', async () => {
    const { provider, door } = await world.troubled();
    await mint(provider);
    await provider.close();
    const before = door.seen.length;
    await expect(mint(provider)).rejects.toMatchObject({ nothingLives: true });
    expect(door.seen.length).toBe(before);
  });
});

test('in a namespace everything is asked there, the login too', async () => {
  const namespaced = await vaultWorld();
  const state = namespaced.server.state('team-a');
  const { roles, policies, appRoles, auths, kv } = namespaced.server.state();
  for (const [from, to] of [
    [roles, state.roles],
    [policies, state.policies],
    [appRoles, state.appRoles],
    [auths, state.auths],
    [kv, state.kv],
  ] as const)
    for (const [key, value] of from) (to as Map<string, unknown>).set(key, value);
  const { provider, door } = await namespaced.troubled({}, { config: { namespace: 'team-a/' } });
  const plan = namespaced.plan(provider, sectionOf('entity'));
  const { credential, handle } = await provider.mint(plan, forever);
  expect(credential.reveal()).toMatchObject({ type: 'vault_token', namespace: 'team-a' });
  const [health, ...others] = door.seen.map(
    ({ path, headers }) => `${path} in ${String(headers['x-vault-namespace'])}`,
  );
  expect(health).toBe('sys/health in undefined');
  expect(others.filter((each) => !each.endsWith(' in team-a'))).toEqual([]);
  expect(state.byAccessor(String(handle['accessor']))).toBeDefined();
  await provider.close();
  await namespaced.close();
});
