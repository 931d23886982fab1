import type { JsonObject } from '../../src/domain/json.ts';
import type { MintRecord, Provider } from '../../src/providers/provider.ts';
import type { Trouble } from '../support/vault/index.ts';
import { sectionOf, type Shape } from './vault-shapes.ts';
import { forever, recordOf, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** `revoked` means that the server said so: what it queued, forgot, or was never asked is not that. */
let world: FakeVaultWorld;
let provider: Provider;
beforeEach(async () => {
  world = await vaultWorld();
  provider = world.provider();
});
afterEach(() => world.close());

async function give(shape: Shape, by: Provider = provider) {
  const request = world.request();
  const plan = world.plan(by, sectionOf(shape), request);
  const minted = await by.mint(plan, forever);
  await by.confirm?.(minted.handle, forever);
  return { handle: minted.handle, record: recordOf(plan, request), credential: minted.credential.reveal() };
}
interface Given {
  readonly record: MintRecord;
  readonly handle: JsonObject;
}
const end = ({ record, handle }: Given, by: Provider = provider, change: JsonObject = {}) =>
  by.end(record, { ...handle, ...change }, 'revocation', forever);
const ENDED = { kind: 'ended' };
const troubled = async (trouble: Trouble) => (await world.troubled(trouble)).provider;

test('the lease first, and at once; then the token; then a look whether it is gone', async () => {
  const { provider: watched, door } = await world.troubled();
  const given = await give('secret', watched);
  const before = door.seen.length;
  expect(await end(given, watched)).toEqual(ENDED);
  expect(door.seen.slice(before).map(({ path }) => path)).toEqual([
    'sys/leases/revoke',
    'auth/token/revoke-accessor',
    'auth/token/lookup-accessor',
  ]);
  expect(door.seen[before]?.body).toEqual({ lease_id: (given.handle['leases'] as string[])[0], sync: true });
  expect(await world.admits(given.credential['data'] as JsonObject)).toBe(false);
});

test('a wrapped token that nobody has fetched goes with the one that gives it', async () => {
  const given = await give('wrapped');
  expect(await end(given)).toEqual(ENDED);
  const headers = { 'X-Vault-Token': String(given.credential['wrapping_token']) };
  const unwrapped = await fetch(`${world.url}/v1/sys/wrapping/unwrap`, { method: 'POST', headers });
  expect(unwrapped.status).toBe(400);
});

describe('a lease', () => {
  test('that Vault only queues (202) is pending until it is gone', async () => {
    const given = await give('secret');
    const lazy = await troubled({
      only: /leases\/revoke/,
      alter: (request) => ({ ...request, body: { ...request.body, sync: false } }),
    });
    expect(await end(given, lazy)).toEqual({ kind: 'pending', until: new Date(world.now().getTime() + 2_000) });
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    world.server.state().work();
    expect(await end(given, lazy)).toEqual(ENDED);
    expect(await world.isAlive(given.record.mint)).toBe(false);
    await lazy.close();
  });

  test('that is not there is gone: also where Vault answers 400 for it', async () => {
    const given = await give('secret');
    world.server.state().revokeLease((given.handle['leases'] as string[])[0] ?? '');
    const old = await troubled({ only: /leases\/revoke/, status: 400 });
    expect(await end(given, old)).toEqual(ENDED);
    await old.close();
  });

  test('200 is no proof: whatever stands before Vault says that of a page of its own', async () => {
    const given = await give('secret');
    const odd = await troubled({ only: /leases\/revoke/, alter: () => LOOK_AT_NOTHING, text: '<html>' });
    expect(await end(given, odd)).toMatchObject({ kind: 'pending' });
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    await odd.close();
  });

  test.each([400, 404])('%i is no proof: what the look-up still shows could not be revoked', async (status) => {
    const given = await give('secret');
    const odd = await troubled({ only: /leases\/revoke/, status });
    const facts = { vault_status: status, step: 'lease_revoke' };
    await expect(end(given, odd)).rejects.toMatchObject({ code: 'provider_unreachable', nothingLives: false, facts });
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    await odd.close();
  });

  test('is not gone where looking it up failed: Vault answers 400 for that too', async () => {
    const given = await give('secret');
    const lazy = await troubled({
      only: /leases/,
      alter: () => LOOK_AT_NOTHING,
      tell: (_answer, { path }) => (path.endsWith('revoke') ? { status: 202 } : FAILED_TO_LOOK),
    });
    const facts = { vault_status: 400, step: 'lease_lookup' };
    await expect(end(given, lazy)).rejects.toMatchObject({ code: 'provider_refused', facts });
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    await lazy.close();
  });

  test('is not gone where it may not be looked up: 403 says that of no lease', async () => {
    const given = await give('secret');
    const walled = await troubled({
      only: /leases/,
      alter: () => LOOK_AT_NOTHING,
      tell: (_answer, { path }) => (path.endsWith('revoke') ? { status: 202 } : FORBIDDEN),
    });
    const facts = { vault_status: 403, step: 'lease_lookup' };
    await expect(end(given, walled)).rejects.toMatchObject({ code: 'provider_refused', facts });
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    await walled.close();
  });

  test.each<[string, JsonObject]>([
    ['with no reason', { errors: [] }],
    ['as of a path', { errors: ['no handler for route "sys/leases/lookup". route entry not found.'] }],
    ['in the words for a lease', { errors: ['invalid lease'] }],
    ['by whom it is not', { message: 'no such page' }],
  ])('is not gone where its look-up is answered with 404, %s', async (_name, body) => {
    const given = await give('secret');
    for (const status of [202, 400, 404]) {
      const lost = await troubled({
        only: /leases/,
        alter: () => LOOK_AT_NOTHING,
        tell: (_answer, { path }) =>
          path.endsWith('revoke') ? { status, body: { errors: [] } } : { status: 404, body },
      });
      const facts = { vault_status: 404, step: 'lease_lookup' };
      await expect(end(given, lost)).rejects.toMatchObject({ nothingLives: false, facts });
      await lost.close();
    }
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    expect(await world.isAlive(given.record.mint)).toBe(true);
  });

  test('is gone with a namespace that is no more, once its token has been dead for a minute', async () => {
    const given = await give('secret');
    const lost = await troubled({
      only: /leases|-accessor/,
      alter: () => LOOK_AT_NOTHING,
      tell: () => ({ status: 404, body: { errors: ['namespace not found'] } }),
    });
    await world.passTo(new Date(given.record.endsAt.getTime() + 59_000));
    await expect(end(given, lost)).rejects.toMatchObject({ facts: { vault_status: 404, step: 'lease_lookup' } });
    world.pass(2);
    expect(await end(given, lost)).toEqual(ENDED);
    await lost.close();
  });

  test('whose database is away is an error, and is ended when it is back', async () => {
    const given = await give('secret');
    world.server.database.away = true;
    const facts = { vault_status: 400, step: 'lease_revoke' };
    await expect(end(given)).rejects.toMatchObject({ code: 'provider_unreachable', facts });
    world.server.database.away = false;
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    expect(await end(given)).toEqual(ENDED);
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(false);
  });
});

describe('a token', () => {
  test('that the look-up still shows is pending', async () => {
    const given = await give('token');
    const idle = await troubled({
      only: /revoke-accessor/,
      tell: () => ({ status: 204 }),
      alter: () => LOOK_AT_NOTHING,
    });
    expect(await end(given, idle)).toMatchObject({ kind: 'pending' });
    expect(await world.isAlive(given.record.mint)).toBe(true);
    await idle.close();
  });

  test.each([400, 403, 404])('that is gone is ended, where the server answers %i for such', async (status) => {
    const given = await give('token');
    await end(given);
    const other = await troubled({ only: /-accessor/, status });
    expect(await end(given, other)).toEqual(ENDED);
    await other.close();
  });

  test.each([400, 403, 404])('%i is no answer where it is not Vault that says so', async (status) => {
    const given = await give('token');
    const facts = { vault_status: status, step: 'token_revoke' };
    for (const text of ['<html>', '', '[]', '{"message":"no such page"}']) {
      const walled = await troubled({ only: /-accessor/, status, text });
      await expect(end(given, walled)).rejects.toMatchObject({ code: 'provider_answer_wrong', facts });
      await walled.close();
    }
    expect(await world.isAlive(given.record.mint)).toBe(true);
    expect(await end(given)).toEqual(ENDED);
  });

  test('403 is no answer from a server that the broker may not ask: that is an error', async () => {
    const given = await give('token');
    await world.admin.call('POST', 'sys/policies/acl/writ-broker', {
      policy: `path "auth/token/lookup-self" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }`,
    });
    const facts = { vault_status: 403, step: 'token_revoke' };
    await expect(end(given)).rejects.toMatchObject({ code: 'provider_refused', facts });
    expect(await world.isAlive(given.record.mint)).toBe(true);
  });

  test('with its children and what they leased', async () => {
    const given = await give('token');
    const state = world.server.state();
    const parent = state.byAccessor(String(given.handle['accessor']));
    if (!parent) throw new Error('no token');
    const child = state.add({ ...parent, parent: parent.id });
    await end(given);
    expect(state.alive(child)).toBe(false);
  });
});

test('a token that is revoked and still shown, as a server that lags would, is looked up again', async () => {
  const given = await give('token');
  const lagging = await troubled({
    only: /lookup-accessor/,
    tell: () => ({ status: 200, body: { data: {} } }),
    times: 3,
  });
  expect(await end(given, lagging)).toEqual(ENDED);
  expect(await world.isAlive(given.record.mint)).toBe(false);
  await lagging.close();
});

describe('"not found" from a standby proves nothing: it may not have seen the token yet', () => {
  beforeEach(() => void (world.server.standby = true));
  afterEach(() => void (world.server.standby = false));

  test('it is pending, and ended when the standby knows it', async () => {
    const given = await give('token');
    const lagging = await troubled({
      only: /-accessor/,
      alter: () => LOOK_AT_NOTHING,
      tell: (_answer, { path }) => (path.endsWith('revoke-accessor') ? NO_SUCH_TOKEN : NO_ACCESSOR),
    });
    const until = new Date(world.now().getTime() + 10_000);
    expect(await end(given, lagging)).toEqual({ kind: 'pending', until });
    expect(await world.isAlive(given.record.mint)).toBe(true);
    expect(await end(given)).toEqual(ENDED);
    expect(await world.isAlive(given.record.mint)).toBe(false);
    await lagging.close();
  });

  test('neither does that it knows the one which gives the token', async () => {
    const given = await give('wrapped');
    const lagging = await troubled({
      tell: (answer, { path, body }) => {
        if (body['accessor'] !== given.handle['accessor']) return answer;
        return path.endsWith('revoke-accessor') ? NO_SUCH_TOKEN : NO_ACCESSOR;
      },
      alter: (request) => (request.body['accessor'] === given.handle['accessor'] ? LOOK_AT_NOTHING : request),
    });
    expect(await end(given, lagging)).toMatchObject({ kind: 'pending' });
    expect(await world.isAlive(given.record.mint)).toBe(true);
    await lagging.close();
  });

  test('what is gone is ended by the word of the active server, or past its end', async () => {
    const given = await give('token');
    await end(given);
    expect(await end(given)).toMatchObject({ kind: 'pending' });
    world.server.standby = false;
    // Where a standby answered lately the next answer may be one's again.
    world.pass(290);
    expect(await end(given)).toMatchObject({ kind: 'pending' });
    world.pass(10);
    expect(await end(given)).toEqual(ENDED);
    world.server.standby = true;
    await world.passTo(new Date(given.record.endsAt.getTime() + 55_000));
    const until = new Date(given.record.endsAt.getTime() + 60_001);
    expect(await end(given)).toEqual({ kind: 'pending', until });
    await world.passTo(until);
    expect(await end(given)).toEqual(ENDED);
  });
});

describe('behind a balancer of which every third answer is a standby’s', () => {
  const mixed = (more: NonNullable<Trouble['tell']>) => {
    let asked = 0;
    return troubled({
      tell(answer, request) {
        if (request.path !== 'sys/health') return more(answer, request);
        return ++asked % 3 === 0 ? { ...answer, body: { ...answer.body, standby: true } } : answer;
      },
    });
  };

  test('what one of them does not know is not ended', async () => {
    const given = await give('token');
    const behind = await mixed((answer, { path }) => {
      if (path.endsWith('revoke-accessor')) return NO_SUCH_TOKEN;
      return path.endsWith('lookup-accessor') ? NO_ACCESSOR : answer;
    });
    expect(await end(given, behind)).toMatchObject({ kind: 'pending' });
    await behind.close();
  });

  test('what was found is', async () => {
    const given = await give('secret');
    const behind = await mixed((answer) => answer);
    expect(await end(given, behind)).toEqual(ENDED);
    await behind.close();
  });
});

describe('a lease, by way of a standby', () => {
  beforeEach(() => void (world.server.standby = true));
  afterEach(() => void (world.server.standby = false));
  const NO_SUCH_LEASE = { status: 400, body: { errors: ['invalid lease'] } };

  test('is handed out once the standby knows it: of one that it does not know it says that it is revoked', async () => {
    const { provider: lagging, door } = await world.troubled({
      only: /leases\/lookup/,
      tell: () => NO_SUCH_LEASE,
      times: 2,
    });
    const given = await give('secret', lagging);
    expect(door.seen.filter(({ path }) => path === 'sys/leases/lookup')).toHaveLength(3);
    expect(await end(given, lagging)).toEqual(ENDED);
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(false);
    await lagging.close();
  });

  test('is not handed out where it stays unknown, and there is what ends it', async () => {
    const blind = await troubled({ only: /leases\/lookup/, tell: () => NO_SUCH_LEASE });
    const minting = blind.mint(world.plan(blind, sectionOf('secret')), forever);
    await expect(minting).rejects.toMatchObject({
      nothingLives: false,
      facts: { step: 'lease_lookup' },
      handle: { leases: [expect.any(String) as string] },
    });
    await blind.close();
  });

  test('is not looked up where the active server answers', async () => {
    world.server.standby = false;
    const { provider: direct, door } = await world.troubled();
    await give('secret', direct);
    expect(door.seen.map(({ path }) => path)).not.toContain('sys/leases/lookup');
    await direct.close();
  });

  test('is not ended by its word where it was asked what it does not know', async () => {
    const given = await give('secret');
    const lagging = await troubled({
      only: /leases/,
      alter: () => LOOK_AT_NOTHING,
      tell: () => NO_SUCH_LEASE,
    });
    const until = new Date(world.now().getTime() + 10_000);
    expect(await end(given, lagging)).toEqual({ kind: 'pending', until });
    expect(await world.admits(given.credential['data'] as JsonObject)).toBe(true);
    await lagging.close();
  });
});

test.each([400, 403])(
  'a token that the server has recorded and does not see yet (%i) is extended all the same',
  async (status) => {
    const lagging = await troubled({ only: /renew-accessor/, status, times: 3 });
    const given = await give('token', lagging);
    world.pass(300);
    expect(await world.isAlive(given.record.mint)).toBe(true);
    await lagging.close();
  },
);

test.each([400, 403])(
  'a token that the server has made and does not see yet (%i) is looked up again',
  async (status) => {
    const lagging = await troubled({ only: /lookup-accessor|capabilities-accessor/, status, times: 5 });
    const given = await give('token', lagging);
    expect(await world.isAlive(given.record.mint)).toBe(true);
    await lagging.close();
  },
);

test('a token that is not seen at all is refused with what ends it, and by the reason that there was last', async () => {
  for (const [only, code, facts] of [
    [/lookup-accessor/, 'provider_answer_wrong', { what: 'accessor', vault_status: 404 }],
    [/capabilities-accessor/, 'provider_refused', { step: 'token_capabilities', vault_status: 404 }],
  ] as const) {
    const blind = await troubled({ only, status: 404 });
    const thrown = blind.mint(world.plan(blind, sectionOf('token')), forever);
    await expect(thrown).rejects.toMatchObject({
      code,
      nothingLives: false,
      facts,
      handle: { accessor: expect.any(String) as string },
    });
    await blind.close();
  }
});

test('an entity that a standby does not know to be disabled keeps a late token harmless all the same', async () => {
  world.server.standby = true;
  const given = await give('entity');
  expect(await provider.find(given.record, forever)).toEqual({ kind: 'absent' });
  for (const seen of [
    { status: 200, body: { data: { id: 'e-1', disabled: false } } },
    { status: 404, body: { errors: [] } },
  ]) {
    const lagging = await troubled({
      only: /entity\/name/,
      tell: (answer, { method }) => (method === 'GET' ? seen : answer),
    });
    expect(await lagging.cleanup?.(given.record, forever)).toMatchObject({ kind: 'later' });
    await lagging.close();
  }
  world.pass(70);
  expect(await provider.cleanup?.(given.record, forever)).toEqual({ kind: 'done' });
  world.server.standby = false;
  expect(await world.traces(given.record.mint)).not.toContainEqual(expect.stringContaining('entity'));
});

test('an entity that the server has made and does not see yet gets its alias all the same', async () => {
  const lagging = await troubled({ only: /entity-alias/, status: 400, times: 3 });
  const given = await give('entity', lagging);
  expect(await world.isAlive(given.record.mint)).toBe(true);
  await lagging.close();
});

const NO_SUCH_TOKEN = { status: 200, body: { warnings: ['No token found with this accessor'] } };
const NO_ACCESSOR = { status: 400, body: { errors: ['invalid accessor'] } };
/** In place of what was asked. */
const LOOK_AT_NOTHING = { method: 'POST', path: 'sys/health', headers: {}, body: {} };
const FORBIDDEN = { status: 403, body: { errors: ['permission denied'] } };
const FAILED_TO_LOOK = { status: 400, body: { errors: ['failed to read lease entry: context deadline exceeded'] } };

describe('"not found" elsewhere proves nothing', () => {
  test('on another cluster', async () => {
    const given = await give('token');
    const error = { code: 'provider_refused', facts: { finding: 'another_cluster' } };
    world.server.state().revoke(world.server.state().byAccessor(String(given.handle['accessor'])) ?? never());
    await expect(end(given, provider, { cluster: 'of-another-server' })).rejects.toMatchObject(error);
  });

  test('in another namespace', async () => {
    const given = await give('token');
    world.server.state().revoke(world.server.state().byAccessor(String(given.handle['accessor'])) ?? never());
    const error = { code: 'provider_refused', facts: { finding: 'another_namespace' } };
    await expect(end(given, provider, { namespace: 'team-a' })).rejects.toMatchObject(error);
  });

  test('at another address, where the cluster has no name to be known by', async () => {
    const nameless = await troubled({
      only: /health/,
      tell: ({ body, ...answer }) => {
        const { cluster_id: _id, ...rest } = body ?? {};
        return { ...answer, body: rest };
      },
    });
    const given = await give('token', nameless);
    expect(given.handle).not.toHaveProperty('cluster');
    const state = world.server.state();
    state.revoke(state.byAccessor(String(given.handle['accessor'])) ?? never());
    const error = { code: 'provider_refused', facts: { finding: 'another_address' } };
    await expect(end(given)).rejects.toMatchObject(error);
    expect(await end(given, nameless)).toEqual(ENDED);
    world.pass(661);
    expect(await end(given)).toEqual(ENDED);
    await nameless.close();
  });

  test('but a server that only has another name now is the same one', async () => {
    const [first, second] = [await give('token'), await give('token')];
    const renamed = await troubled({});
    expect(await end(first, renamed)).toEqual(ENDED);
    expect(await world.isAlive(first.record.mint)).toBe(false);
    const state = world.server.state();
    state.revoke(state.byAccessor(String(second.handle['accessor'])) ?? never());
    expect(await end(second, renamed)).toEqual(ENDED);
    await renamed.close();
  });

  test('but what is found is ended, whatever the cluster calls itself now', async () => {
    const given = await give('token');
    expect(await end(given, provider, { cluster: 'before-the-fail-over' })).toEqual(ENDED);
    expect(await world.isAlive(given.record.mint)).toBe(false);
  });

  test('and past its end a token is dead wherever it was', async () => {
    const given = await give('token');
    world.pass(661);
    expect(await end(given, provider, { cluster: 'of-another-server' })).toEqual(ENDED);
  });

  test('a handle that this provider did not make is an error', async () => {
    const given = await give('token');
    await expect(end(given, provider, { accessor: '' })).rejects.toMatchObject({
      facts: { finding: 'handle_unreadable' },
    });
  });
});

function never(): never {
  throw new Error('not there');
}

describe('without a handle', () => {
  test('it is unknowable until what a crash leaves has died: 70 seconds after the plan', async () => {
    const request = world.request();
    const plan = world.plan(provider, sectionOf('token'), request);
    const record = recordOf(plan, request);
    const until = new Date(request.now.getTime() + 70_000);
    await provider.mint(plan, forever);
    expect(await provider.find(record, forever)).toEqual({ kind: 'unknowable', until });
    world.pass(69);
    expect(await provider.find(record, forever)).toEqual({ kind: 'unknowable', until });
    expect(await world.isAlive(plan.mint)).toBe(false);
    world.pass(1);
    expect(await provider.find(record, forever)).toEqual({ kind: 'absent' });
  });

  test('a mint that begins later than it may be recorded is refused before anything is asked', async () => {
    const { provider: late, door } = await world.troubled();
    await late.mint(world.plan(late, sectionOf('policy')), forever);
    const plan = world.plan(late, sectionOf('policy'));
    world.pass(15);
    const before = door.seen.length;
    const error = { code: 'provider_refused', nothingLives: true, facts: { finding: 'mint_too_late' } };
    await expect(late.mint(plan, forever)).rejects.toMatchObject(error);
    expect(door.seen.slice(before).filter(({ path }) => /create|policies/.test(path))).toEqual([]);
    await late.close();
  });

  test('no accessor is ever listed', async () => {
    const { provider: watched, door } = await world.troubled();
    for (const shape of ['token', 'entity', 'policy'] as const) {
      const given = await give(shape, watched);
      await watched.find(given.record, forever);
      await watched.cleanup?.(given.record, forever);
    }
    expect(door.seen.filter(({ method, path }) => method === 'LIST' || path.includes('accessors'))).toEqual([]);
    await watched.close();
  });

  test('a secret of a grant with an entity waits for its token: a lease does not end with a name', async () => {
    const request = world.request();
    await world.admin.call('POST', 'sys/policies/acl/inv-month', {
      policy: 'path "database/creds/{{identity.entity.metadata.month}}" { capabilities = ["read"] }',
    });
    await world.admin.call('POST', 'database/roles/2026-10', { default_ttl: '1h', max_ttl: '24h' });
    const section = { ...sectionOf('entity'), secret: 'database/creds/{{parameters.month}}' };
    const plan = world.plan(provider, section, request);
    const { credential } = await provider.mint(plan, forever);
    const login = credential.reveal()['data'] as JsonObject;
    expect(await provider.find(recordOf(plan, request), forever)).toMatchObject({ kind: 'unknowable' });
    expect(await world.admits(login)).toBe(true);
    world.pass(70);
    expect(await provider.find(recordOf(plan, request), forever)).toEqual({ kind: 'absent' });
    expect(await world.admits(login)).toBe(false);
  });

  test('an address that was changed since: time tells, and what was made for one grant goes where it is found', async () => {
    const request = world.request();
    const plan = world.plan(provider, sectionOf('entity'), request);
    await provider.mint(plan, forever);
    const elsewhere = await troubled({});
    const record = recordOf(plan, request);
    expect(await elsewhere.find(record, forever)).toMatchObject({ kind: 'unknowable' });
    const error = { code: 'provider_refused', nothingLives: true, facts: { finding: 'plan_of_another_set_up' } };
    await expect(elsewhere.mint(plan, forever)).rejects.toMatchObject(error);
    world.pass(70);
    expect(await elsewhere.find(record, forever)).toEqual({ kind: 'absent' });
    // By its address nobody can tell whether it is the same server; here it is.
    expect(await elsewhere.cleanup?.(record, forever)).toEqual({ kind: 'done' });
    expect(await world.traces(plan.mint)).toEqual([]);
    await elsewhere.close();
  });
});

describe('what is left after it', () => {
  test.each(['entity', 'policy'] as const)(
    '%s: nothing, also of a mint that was cut off after its first write',
    async (shape) => {
      const { provider: cut, door } = await world.troubled({ only: /alias|token\/create/, status: 500 });
      const request = world.request();
      const plan = world.plan(cut, sectionOf(shape), request);
      await expect(cut.mint(plan, forever)).rejects.toMatchObject({ nothingLives: false });
      expect(await world.traces(plan.mint)).toHaveLength(1);
      door.trouble = {};
      const record = recordOf(plan, request);
      let cleaned = await provider.find(record, forever).then(() => provider.cleanup?.(record, forever));
      // An entity that was disabled is what a late token fails on: it stays until there can be none.
      expect(cleaned?.kind).toBe(shape === 'entity' ? 'later' : 'done');
      if (cleaned?.kind === 'later') {
        expect(await world.traces(plan.mint)).toHaveLength(1);
        await world.passTo(cleaned.until);
        cleaned = await provider.cleanup?.(record, forever);
      }
      expect([cleaned, await world.traces(plan.mint)]).toEqual([{ kind: 'done' }, []]);
      await cut.close();
    },
  );

  test.each<[string, Trouble, boolean]>([
    ['refused as wrong', { status: 400 }, true],
    ['refused as forbidden', { status: 403 }, true],
    ['refused by a quota', { status: 429 }, true],
    ['refused by somebody else, perhaps after it was done', { status: 403, text: '<html>' }, false],
    ['broken, perhaps after it was done', { status: 500 }, false],
    ['sealed, perhaps in the middle', { status: 503 }, false],
    ['done, and told by nonsense', { text: '<html>' }, false],
    ['sent elsewhere', { redirectTo: 'http://127.0.0.1:9' }, false],
  ])('a token whose making was %s: whether nothing lives is certain: %j', async (_name, trouble, nothingLives) => {
    const shaky = await troubled({ ...trouble, only: /token\/create/ });
    await expect(shaky.mint(world.plan(shaky, sectionOf('token')), forever)).rejects.toMatchObject({ nothingLives });
    await expect(shaky.mint(world.plan(shaky, sectionOf('policy')), forever)).rejects.toMatchObject({
      nothingLives: false,
    });
    await shaky.close();
  });

  test('a token whose making was cut off on its way there, or on its way back, may live', async () => {
    for (const message of [0, 1]) {
      const { provider: cut, door } = await world.troubled();
      await cut.mint(world.plan(cut, sectionOf('token')), forever);
      door.cutAt(message);
      await expect(cut.mint(world.plan(cut, sectionOf('token')), forever)).rejects.toMatchObject({
        nothingLives: false,
      });
      await cut.close();
    }
  });
});

describe('a secret that cannot be ended is none', () => {
  test('a static secret has no lease: it is not handed out, and its token is ended by the handle', async () => {
    await world.admin.call('POST', 'sys/policies/acl/db', {
      policy: 'path "secret/data/inv/*" { capabilities = ["read"] }',
    });
    const section = { ...sectionOf('secret'), secret: 'secret/data/inv/2026-10/total' };
    const request = world.request();
    const plan = world.plan(provider, section, request);
    const error = (await provider.mint(plan, forever).catch((thrown: unknown) => thrown)) as Given;
    expect(error).toMatchObject({ code: 'provider_refused', facts: { finding: 'secret_without_lease' } });
    expect(await provider.end(recordOf(plan, request), error.handle, 'abandoned', forever)).toEqual(ENDED);
    expect(await world.isAlive(plan.mint)).toBe(false);
  });

  test('a deleted one that has versions: Vault answers 404 as if it were there, and that is its refusal', async () => {
    const body = { request_id: 'r-1', lease_id: '', lease_duration: 0, data: { data: null, metadata: { version: 1 } } };
    const deleted = await troubled({ only: /database\/creds/, tell: () => ({ status: 404, body }) });
    const facts = { step: 'secret_read', vault_status: 404 };
    await expect(deleted.mint(world.plan(deleted, sectionOf('secret')), forever)).rejects.toMatchObject({
      code: 'provider_refused',
      facts,
    });
    await deleted.close();
  });

  test('a secret that could not be read: the token is ended by the handle', async () => {
    const failing = await troubled({ only: /database\/creds/, status: 500 });
    const request = world.request();
    const plan = world.plan(failing, sectionOf('secret'), request);
    const error = (await failing.mint(plan, forever).catch((thrown: unknown) => thrown)) as Given;
    expect(error).toMatchObject({ code: 'provider_unreachable', nothingLives: false, facts: { step: 'secret_read' } });
    expect(await failing.end(recordOf(plan, request), error.handle, 'abandoned', forever)).toEqual(ENDED);
    expect(await world.isAlive(plan.mint)).toBe(false);
    await failing.close();
  });
});
