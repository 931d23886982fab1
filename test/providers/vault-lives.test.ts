import type { JsonObject } from '../../src/domain/json.ts';
import type { Minted, MintRecord, Provider } from '../../src/providers/provider.ts';
import type { FakeToken } from '../support/vault/state.ts';
import { sectionOf } from './vault-shapes.ts';
import { forever, recordOf, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** What a token may do, for how long, and what it hangs on: asked of the server itself. */
let world: FakeVaultWorld;
beforeAll(async () => {
  world = await vaultWorld();
});
afterAll(() => world.close());

interface Given {
  readonly minted: Minted;
  readonly record: MintRecord;
  readonly token: FakeToken;
}

async function give(section: JsonObject, seconds = 600, provider: Provider = world.provider()): Promise<Given> {
  const request = world.request(seconds);
  const plan = world.plan(provider, section, request);
  const minted = await provider.mint(plan, forever);
  const token = world.server.state().byAccessor(String(minted.handle['accessor']));
  if (!token) throw new Error('there is no such token');
  return { minted, record: recordOf(plan, request), token };
}
async function handOver(section: JsonObject, seconds?: number, provider: Provider = world.provider()): Promise<Given> {
  const given = await give(section, seconds, provider);
  await provider.confirm?.(given.minted.handle, forever);
  return given;
}
const read = async (token: unknown, path: string): Promise<number> => {
  const response = await fetch(`${world.url}/v1/${path}`, { headers: { 'X-Vault-Token': String(token) } });
  await response.text();
  return response.status;
};
const post = (token: unknown, path: string, body: object = {}) =>
  fetch(`${world.url}/v1/${path}`, {
    method: 'POST',
    headers: { 'X-Vault-Token': String(token) },
    body: JSON.stringify(body),
  });
const OCTOBER = 'secret/data/inv/2026-10/total';
const NOVEMBER = 'secret/data/inv/2026-11/total';
const isAlive = ({ token }: Given) => world.server.state().alive(token);
const secondsLeft = ({ token }: Given) => (token.expiresMs - world.now().getTime()) / 1000;

describe('the first short life', () => {
  test('is 30 seconds until the accessor is on record, and then the rest of the grant’s', async () => {
    const provider = world.provider();
    const given = await give(sectionOf('token'), 600, provider);
    expect(secondsLeft(given)).toBe(30);
    await provider.confirm?.(given.minted.handle, forever);
    expect(secondsLeft(given)).toBe(600);
  });

  test.each(['token', 'wrapped', 'secret', 'entity', 'policy'] as const)(
    'what a crash before that leaves of a %s is dead after 30 seconds, without anybody’s help',
    async (shape) => {
      const given = await give(sectionOf(shape));
      world.pass(29);
      expect(isAlive(given)).toBe(true);
      world.pass(1);
      expect(isAlive(given)).toBe(false);
      expect(await world.isAlive(given.record.mint)).toBe(false);
    },
  );

  test('of a grant that is shorter is as short, and rounded down', async () => {
    const provider = world.provider();
    const given = await give(sectionOf('token'), 12.9, provider);
    expect(secondsLeft(given)).toBe(12);
    await provider.confirm?.(given.minted.handle, forever);
    expect(secondsLeft(given)).toBe(12);
  });

  test('what is left is counted when it is extended: what came late does not live longer', async () => {
    const provider = world.provider();
    const given = await give(sectionOf('token'), 100, provider);
    world.pass(7);
    await provider.confirm?.(given.minted.handle, forever);
    expect(secondsLeft(given)).toBeLessThanOrEqual(93);
    expect(secondsLeft(given)).toBeGreaterThan(91);
  });

  test('an extension that took long is made again, for what is left then', async () => {
    const { provider, door } = await world.troubled();
    const given = await give(sectionOf('token'), 100, provider);
    door.trouble = { takesMs: 4_000, only: /renew-accessor/, times: 1 };
    await provider.confirm?.(given.minted.handle, forever);
    const renewals = door.seen.filter(({ path }) => path === 'auth/token/renew-accessor');
    expect(renewals.map(({ body }) => body['increment'])).toEqual(['100s', '96s']);
    expect(secondsLeft(given)).toBe(96);
    await provider.close();
  });

  test('one that is always late is given up, and not left longer than it may be', async () => {
    const { provider, door } = await world.troubled();
    const given = await give(sectionOf('token'), 100, provider);
    door.trouble = { takesMs: 4_000, only: /renew-accessor/ };
    await expect(provider.confirm?.(given.minted.handle, forever)).rejects.toMatchObject({ code: 'provider_timeout' });
    await provider.close();
  });

  test('with less than a second left nothing is extended: Vault would take its own default for 0', async () => {
    const { provider, door } = await world.troubled();
    const given = await give(sectionOf('token'), 3, provider);
    world.pass(2.5);
    await expect(provider.confirm?.(given.minted.handle, forever)).rejects.toMatchObject({ code: 'provider_timeout' });
    expect(door.seen.filter(({ path }) => path === 'auth/token/renew-accessor')).toEqual([]);
    await provider.close();
  });

  test.each([
    ['longer', (seconds: number) => seconds + 100, { code: 'provider_answer_wrong', facts: { what: 'ttl' } }],
    ['shorter', () => 60, { code: 'provider_refused', facts: { finding: 'life_capped', seconds: 60 } }],
  ])('an extension that came out %s is an error', async (_name, change, want) => {
    const { provider, door } = await world.troubled();
    const given = await give(sectionOf('token'), 600, provider);
    door.trouble = {
      only: /renew-accessor/,
      alter: (request) => ({
        ...request,
        body: { ...request.body, increment: `${change(Number.parseInt(String(request.body['increment']), 10))}s` },
      }),
    };
    await expect(provider.confirm?.(given.minted.handle, forever)).rejects.toMatchObject(want);
    await provider.close();
  });
});

describe('without anybody’s help', () => {
  test('a token is dead at its grant’s end', async () => {
    const given = await handOver(sectionOf('token'), 300);
    const token = given.minted.credential.reveal()['token'];
    expect(await read(token, OCTOBER)).toBe(200);
    world.pass(299);
    expect(await read(token, OCTOBER)).toBe(200);
    world.pass(1);
    expect(await read(token, OCTOBER)).toBe(403);
  });

  test('a secret that is read is gone with it', async () => {
    const given = await handOver(sectionOf('secret'), 300);
    const login = given.minted.credential.reveal()['data'] as JsonObject;
    expect(await world.admits(login)).toBe(true);
    world.pass(300);
    expect(await world.admits(login)).toBe(false);
  });

  test('a lease that is shorter is what is told', async () => {
    await world.admin.call('POST', 'database/roles/readonly', { default_ttl: '2m', max_ttl: '24h' });
    const began = world.now().getTime();
    const given = await handOver(sectionOf('secret'), 600);
    expect(given.minted.expiresAt.getTime()).toBe(began + 120_000);
    world.pass(121);
    expect(await world.admits(given.minted.credential.reveal()['data'] as JsonObject)).toBe(false);
    await world.admin.call('POST', 'database/roles/readonly', { default_ttl: '1h', max_ttl: '24h' });
  });

  test('such credentials say that they may be shorter than their grant, and others that they are not', () => {
    const provider = world.provider();
    expect(world.plan(provider, sectionOf('secret')).short).toBe(true);
    expect(world.plan(provider, sectionOf('token')).short).toBeUndefined();
  });
});

describe('what hangs on the broker’s own token', () => {
  test.each(['token', 'secret', 'entity'] as const)(
    'nothing: a %s lives on when it dies, and is revoked after a new login',
    async (shape) => {
      const { provider, door } = await world.troubled();
      const given = await handOver(sectionOf(shape), 600, provider);
      const state = world.server.state();
      const broker = state.tokens.get(String(door.seen.at(-1)?.headers['x-vault-token']));
      if (!broker) throw new Error('no token of the broker');
      state.revoke(broker);
      state.work();
      expect(isAlive(given)).toBe(true);
      expect(await world.isAlive(given.record.mint)).toBe(true);
      if (shape === 'secret')
        expect(await world.admits(given.minted.credential.reveal()['data'] as JsonObject)).toBe(true);

      expect(await provider.end(given.record, given.minted.handle, 'revocation', forever)).toEqual({ kind: 'ended' });
      expect(await world.isAlive(given.record.mint)).toBe(false);
      await provider.close();
      expect(isAlive(given)).toBe(false);
    },
  );

  test('closing the provider gives its own token back, and leaves grants alone', async () => {
    const { provider, door } = await world.troubled();
    const given = await handOver(sectionOf('token'), 600, provider);
    const own = String(door.seen.at(-1)?.headers['x-vault-token']);
    await provider.close();
    expect(world.server.state().tokens.has(own)).toBe(false);
    expect(isAlive(given)).toBe(true);
  });
});

describe('what it may do', () => {
  test('a token is good for as many requests as its profile says', async () => {
    const { minted } = await handOver({ ...sectionOf('token'), num_uses: 2 });
    const { token } = minted.credential.reveal();
    const statuses = [await read(token, OCTOBER), await read(token, OCTOBER), await read(token, OCTOBER)];
    expect(statuses).toEqual([200, 200, 403]);
  });

  test('a secret can be read where uses are counted, and outlives the reading', async () => {
    const { minted } = await handOver({ ...sectionOf('secret'), num_uses: 2 });
    expect(await world.admits(minted.credential.reveal()['data'] as JsonObject)).toBe(true);
  });

  test('a wrapped token is given once, and says by its failure that somebody else was first', async () => {
    const { minted } = await handOver(sectionOf('wrapped'));
    const credential = minted.credential.reveal();
    expect(Object.keys(credential).sort()).toEqual(['address', 'namespace', 'type', 'wrapping_token']);
    expect(await read(credential['wrapping_token'], OCTOBER)).toBe(403);
    const again = await handOver(sectionOf('wrapped'));
    const wrapping = again.minted.credential.reveal()['wrapping_token'];
    const first = await post(wrapping, 'sys/wrapping/unwrap');
    const { auth } = (await first.json()) as { auth: { client_token: string } };
    expect(await read(auth.client_token, OCTOBER)).toBe(200);
    expect((await post(wrapping, 'sys/wrapping/unwrap')).status).toBe(400);
  });

  test('a wrapped token can be fetched for a minute, and no longer', async () => {
    const { minted } = await handOver(sectionOf('wrapped'));
    world.pass(61);
    const wrapping = minted.credential.reveal()['wrapping_token'];
    expect((await post(wrapping, 'sys/wrapping/unwrap')).status).toBe(400);
  });

  test.each([
    ['its parameters allow, by a static policy on the metadata of its entity', 'entity'],
    ['its parameters allow, by a policy of its own', 'policy'],
  ] as const)('what %s', async (_name, shape) => {
    const { minted } = await handOver(sectionOf(shape));
    const { token } = minted.credential.reveal();
    expect([await read(token, OCTOBER), await read(token, NOVEMBER)]).toEqual([200, 403]);
  });

  test('Vault’s default policy is not among it: it may not even look itself up, or renew itself', async () => {
    await world.admin.call('POST', 'sys/policies/acl/default', {
      policy: `path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }`,
    });
    const { minted } = await handOver(sectionOf('token'));
    const { token } = minted.credential.reveal();
    expect(await read(token, 'auth/token/lookup-self')).toBe(403);
    expect((await post(token, 'auth/token/renew-self', { increment: '20h' })).status).toBe(403);
  });

  test('disabling its entity by name kills it at once, and nobody makes another', async () => {
    const provider = world.provider();
    const { minted, record } = await give(sectionOf('entity'), 600, provider);
    const { token } = minted.credential.reveal();
    expect(await read(token, OCTOBER)).toBe(200);
    expect(await provider.find(record, forever)).toEqual({ kind: 'absent' });
    expect(await read(token, OCTOBER)).toBe(403);
    const again = provider.mint({ ...record, revocability: { mode: 'immediate' } }, forever);
    await expect(again).rejects.toMatchObject({ code: 'provider_refused', facts: { finding: 'entity_taken' } });
    // Nor does the attempt bring the first one back to life.
    expect(await read(token, OCTOBER)).toBe(403);
  });
});

describe('policies that would let a token outlive its end', () => {
  const RENEW = 'path "auth/token/renew-self" { capabilities = ["update"] }';
  const ORPHAN = 'path "auth/token/*" { capabilities = ["create", "update"] }';
  const outliving = async (policy: string) => {
    const more = 'path "secret/data/*" { capabilities = ["read"] }';
    await world.admin.call('POST', 'sys/policies/acl/more', { policy: `${more}\n${policy}` });
    const provider = world.provider();
    try {
      return await provider.mint(world.plan(provider, { policies: ['more'] }), forever).then(
        () => undefined,
        (error: unknown) => error,
      );
    } finally {
      await world.admin.call('POST', 'sys/policies/acl/more', { policy: more });
    }
  };

  test('the server extends a token by its role’s greatest life, whatever its own is: that is why', async () => {
    await world.admin.call('POST', 'sys/policies/acl/more', { policy: RENEW });
    const { token } = world.plan(world.provider(), { policies: ['more'] }).request as { token: JsonObject };
    const made = await world.admin.call('POST', 'auth/token/create/writ', token);
    await post(made['client_token'], 'auth/token/renew-self', { increment: '5h' });
    const { ttl, explicit_max_ttl } = await world.admin.call('POST', 'auth/token/lookup-accessor', {
      accessor: made['accessor'],
    });
    expect({ ttl, explicit_max_ttl }).toEqual({ ttl: 5 * 3600, explicit_max_ttl: 600 });
    await world.admin.call('POST', 'auth/token/revoke-accessor', { accessor: made['accessor'] });
  });

  test.each([
    ['by renewing itself', RENEW, 'auth/token/renew-self'],
    ['by making an orphan', ORPHAN, 'auth/token/renew-self'],
    [
      'by making another by its role',
      'path "auth/token/create/+" { capabilities = ["update"] }',
      'auth/token/create/writ',
    ],
    [
      'by renewing its accessor',
      'path "auth/token/renew-accessor" { capabilities = ["update"] }',
      'auth/token/renew-accessor',
    ],
  ])('%s: no token is given', async (_name, policy, path) => {
    const error = (await outliving(policy)) as { handle: JsonObject };
    expect(error).toMatchObject({ code: 'provider_refused', facts: { finding: 'token_may_outlive', path } });
    expect(error.handle['accessor']).toEqual(expect.any(String));
  });

  test('and where they deny it, one is', async () => {
    expect(await outliving('path "auth/token/renew-self" { capabilities = ["deny"] }')).toBeUndefined();
  });

  test('static policies are asked about once a minute, those of a grant each time', async () => {
    const { provider, door } = await world.troubled();
    const asked = () => door.seen.filter(({ path }) => path === 'sys/capabilities-accessor').length;
    for (const shape of ['token', 'token', 'entity', 'entity'] as const) await give(sectionOf(shape), 600, provider);
    expect(asked()).toBe(3);
    world.pass(61);
    await give(sectionOf('token'), 600, provider);
    expect(asked()).toBe(4);
    await provider.close();
  });
});

test('an issuance costs few calls: create, look up, extend; and a read where a secret is wanted', async () => {
  const { provider, door } = await world.troubled();
  await handOver(sectionOf('token'), 600, provider);
  await handOver(sectionOf('secret'), 600, provider);
  const calls = async (shape: 'token' | 'wrapped' | 'secret') => {
    const before = door.seen.length;
    await handOver(sectionOf(shape), 600, provider);
    return door.seen.slice(before).map(({ method, path }) => `${method} ${path}`);
  };
  const CHILD = ['POST auth/token/create/writ', 'POST auth/token/lookup-accessor', 'POST auth/token/renew-accessor'];
  expect(await calls('token')).toEqual(CHILD);
  expect(await calls('wrapped')).toEqual(CHILD);
  expect(await calls('secret')).toEqual([...CHILD.slice(0, 2), 'GET database/creds/readonly', ...CHILD.slice(2)]);
  await provider.close();
});
