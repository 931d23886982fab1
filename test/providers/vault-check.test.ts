import type { JsonObject } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { VaultSection } from '../../src/providers/vault/section.ts';
import { pagePolicies } from './vault-setup.ts';
import { sectionOf, SHAPES, vaultProfile, type Shape } from './vault-shapes.ts';
import { forever, vaultWorld, type FakeVaultWorld, type Options } from './vault-world.ts';

/** What is wrong with a set-up is found before a credential is asked for, and no more is found than is wrong. */
let world: FakeVaultWorld;
beforeEach(async () => {
  world = await vaultWorld();
});
afterEach(() => world.close());

const profileOf = (section: JsonObject): Profile => vaultProfile(VaultSection.parse(section));
const check = async (sections: readonly JsonObject[] = [sectionOf('token')], options: Options = {}) => {
  const { provider } = await world.troubled({}, options);
  const health = await provider.check(forever, sections.map(profileOf));
  await provider.close();
  return health;
};
const codes = async (...args: Parameters<typeof check>) => (await check(...args)).findings.map(({ code }) => code);
const role = (change: JsonObject) => world.admin.call('POST', 'auth/token/roles/writ', change);

describe('the set-up of the page', () => {
  test('is right, for all shapes at once', async () => {
    const health = await check(SHAPES.map((shape) => sectionOf(shape)));
    expect(health).toEqual({ healthy: true, findings: [] });
  });

  const EXTRA: Readonly<Record<Shape, readonly number[]>> = {
    token: [0],
    wrapped: [0],
    secret: [0, 1],
    entity: [0, 2],
    policy: [0, 3],
  };
  test.each(SHAPES)('has no line too many, and none too few, for a %s', async (shape) => {
    const all = await pagePolicies('writ');
    expect(all).toHaveLength(4);
    const lines = EXTRA[shape]
      .flatMap((index) => (all[index] ?? '').split('\n'))
      .filter((line) => line.startsWith('path'));
    const give = (policy: readonly string[]) =>
      world.admin.call('POST', 'sys/policies/acl/writ-broker', { policy: policy.join('\n') });
    await give(lines);
    expect(await codes([sectionOf(shape)])).toEqual([]);
    for (const line of lines) {
      await give(lines.filter((other) => other !== line));
      // Its own token is renewed and given back as a courtesy: where it may not, it logs in again.
      const own = /renew-self|revoke-self/.test(line);
      const listing = line.includes('"list"');
      const found = await check([sectionOf(shape)]);
      expect({ line, healthy: found.healthy }).toEqual({ line, healthy: own || listing });
      if (listing) expect(found.findings.map(({ code }) => code)).toEqual(['strays_unseen']);
    }
  });
});

describe('the server', () => {
  test.each([
    ['server_not_initialized', { initialized: false }, false],
    ['server_sealed', { sealed: true }, false],
    ['server_is_dr_secondary', { drSecondary: true }, false],
    ['server_is_standby', { standby: true }, true],
  ])('%s', async (code, change, healthy) => {
    Object.assign(world.server, change);
    const health = await check();
    expect([health.findings.map((each) => each.code), health.healthy]).toEqual([[code], healthy]);
  });

  test('clock_differs', async () => {
    const provider = world.provider();
    const { now } = world.server;
    world.clock.now = () => new Date(now().getTime() - 60_000);
    const { findings } = await provider.check(forever, []);
    expect(findings).toMatchObject([{ severity: 'warning', code: 'clock_differs' }]);
  });

  test.each([
    ['http://vault.internal:8200', true],
    ['http://127.0.0.1:1', false],
    ['http://localhost:1', false],
    ['http://[::1]:1', false],
    ['https://vault.internal', false],
  ])('connection_not_encrypted: %s %s', async (address, found) => {
    const { checkAddress } = await import('../../src/providers/vault/check-server.ts');
    expect(checkAddress(address).map(({ code }) => code)).toEqual(found ? ['connection_not_encrypted'] : []);
  });

  test('something else that answers', async () => {
    const { provider } = await world.troubled({ text: '<html>welcome</html>' });
    const { findings } = await provider.check(forever, []);
    expect(findings.map(({ code }) => code)).toEqual(['provider_answer_wrong']);
  });
});

describe('the broker’s own token', () => {
  const approle = async (settings: JsonObject) => {
    await world.admin.call('POST', 'auth/approle/role/writ', {
      token_policies: ['writ-broker'],
      token_ttl: '1h',
      ...settings,
    });
    return codes();
  };

  test('broker_token_is_batch', async () => {
    expect(await approle({ token_type: 'batch' })).toEqual(['broker_token_is_batch']);
  });

  test('broker_token_counted', async () => {
    expect(await approle({ token_num_uses: 100 })).toEqual(['broker_token_counted']);
  });

  test('broker_is_root, which also never ends', async () => {
    const auth = { method: 'token', token: world.server.rootToken() };
    const health = await check(undefined, { config: { auth } });
    expect(health.healthy).toBe(true);
    expect(health.findings.map(({ code }) => code)).toEqual(['broker_is_root', 'broker_token_never_ends']);
  });

  test('broker_token_ends', async () => {
    const made = await world.admin.call('POST', 'auth/token/create/writ', {
      policies: ['more'],
      renewable: false,
      ttl: '1h',
    });
    const token = world.server.state().tokens.get(String(made['client_token']));
    Object.assign(token ?? {}, { policies: ['writ-broker'] });
    const auth = { method: 'token', token: String(made['client_token']) };
    expect(await codes(undefined, { config: { auth } })).toEqual(['broker_token_ends']);
  });

  test.each([
    ['sys/policies/acl/*', 'sys/policies/acl/not-of-a-grant'],
    ['auth/token/create-orphan', 'auth/token/create-orphan'],
    ['sys/mounts/*', 'sys/mounts/any'],
  ])('broker_too_wide: %s', async (path, told) => {
    const policy = [...(await pagePolicies('writ')), `path "${path}" { capabilities = ["create", "update"] }`];
    await world.admin.call('POST', 'sys/policies/acl/writ-broker', { policy: policy.join('\n') });
    const { findings, healthy } = await check();
    expect([healthy, findings.map(({ code }) => code)]).toEqual([true, ['broker_too_wide']]);
    expect(findings[0]?.message).toContain(told);
  });

  test('capability_missing says which, on what', async () => {
    await world.admin.call('POST', 'sys/policies/acl/writ-broker', { policy: (await pagePolicies('writ'))[0] ?? '' });
    const { findings } = await check([sectionOf('entity')]);
    expect(findings.map(({ code }) => code)).toEqual([
      ...Array.from({ length: 5 }, () => 'capability_missing'),
      'strays_unseen',
    ]);
    expect(findings[0]?.message).toContain('update on identity/entity/name/writ-m');
  });
});

describe('the token role', () => {
  test.each<[string, JsonObject, string]>([
    ['role_not_orphan', { orphan: false }, 'token'],
    ['role_not_renewable', { renewable: false }, 'token'],
    ['role_makes_batch', { token_type: 'batch' }, 'token'],
    ['role_makes_batch', { token_type: 'default-batch' }, 'token'],
    ['role_is_periodic', { token_period: '1h' }, 'token'],
    ['role_without_max', { token_explicit_max_ttl: 0 }, 'token'],
    ['role_max_too_short', { token_explicit_max_ttl: '30m' }, 'token'],
    ['role_counts_uses', { token_num_uses: 3 }, 'token'],
    ['role_refuses_policy', { allowed_policies: ['db'] }, 'token'],
    ['role_refuses_policy', { disallowed_policies: ['inv'] }, 'token'],
    ['role_refuses_policy', { disallowed_policies_glob: ['i*'] }, 'token'],
    ['role_refuses_policy', { allowed_policies_glob: [] }, 'policy'],
    ['role_refuses_alias', { allowed_entity_aliases: ['others-*'] }, 'entity'],
    ['role_refuses_alias', { allowed_entity_aliases: [] }, 'entity'],
  ])('%s: %j', async (code, change, shape) => {
    await role(change);
    const health = await check([sectionOf(shape as Shape)]);
    expect([health.findings.map((each) => each.code), health.healthy]).toEqual([[code], false]);
  });

  test('role_allows_any_policy is a warning', async () => {
    await role({ allowed_policies_glob: ['*'] });
    const health = await check();
    expect([health.findings.map(({ code }) => code), health.healthy]).toEqual([['role_allows_any_policy'], true]);
  });

  test('role_missing', async () => {
    world.server.state().roles.clear();
    expect(await codes()).toEqual(['role_missing']);
  });

  test('other settings that are right', async () => {
    await role({ token_type: 'default-service', token_explicit_max_ttl: '1h', token_num_uses: 5 });
    expect(await codes([{ ...sectionOf('token'), num_uses: 5 }])).toEqual([]);
  });

  test('a shorter longest life of the provider needs less of the role', async () => {
    await role({ token_explicit_max_ttl: '30m' });
    expect(await codes(undefined, { config: { max_ttl: '30m' } })).toEqual([]);
  });

  test('is told once for all profiles that share it', async () => {
    await role({ orphan: false });
    expect(await codes([sectionOf('token'), sectionOf('wrapped'), sectionOf('secret')])).toEqual(['role_not_orphan']);
  });
});

test('policy_templates_off', async () => {
  const health = await check([sectionOf('policy')], { config: { allow_policy_templates: false } });
  expect([health.findings.map(({ code }) => code), health.healthy]).toEqual([['policy_templates_off'], false]);
});

describe('while there is an error nothing is made', () => {
  test('and what is wrong is told; a set-up that is put right is seen within seconds', async () => {
    const { provider, door } = await world.troubled();
    await role({ orphan: false });
    const mint = () => provider.mint(world.plan(provider, sectionOf('token')), forever);
    const error = { code: 'provider_refused', nothingLives: true, facts: { findings: ['role_not_orphan'] } };
    await expect(mint()).rejects.toMatchObject(error);
    expect(door.seen.filter(({ path }) => path.includes('token/create'))).toEqual([]);
    await role({ orphan: true });
    world.pass(6);
    await mint();
    await provider.close();
  });

  test('for one role, and not for another', async () => {
    const provider = world.provider();
    await world.admin.call('POST', 'auth/token/roles/other', { orphan: false });
    const other = provider.mint(world.plan(provider, { ...sectionOf('token'), token_role: 'other' }), forever);
    await expect(other).rejects.toMatchObject({ code: 'provider_refused', nothingLives: true });
    await provider.mint(world.plan(provider, sectionOf('token')), forever);
  });

  test('what is right is looked at once a minute, however much is asked for', async () => {
    const { provider, door } = await world.troubled();
    for (let n = 0; n < 5; n++) await provider.mint(world.plan(provider, sectionOf('token')), forever);
    const looks = () => door.seen.filter(({ path }) => /health|roles|capabilities-self/.test(path)).length;
    expect(looks()).toBe(3);
    world.pass(61);
    await provider.mint(world.plan(provider, sectionOf('token')), forever);
    expect(looks()).toBe(6);
    await provider.close();
  });

  test('ending goes on', async () => {
    const provider = world.provider();
    const plan = world.plan(provider, sectionOf('token'));
    const { handle } = await provider.mint(plan, forever);
    await role({ orphan: false });
    world.pass(20);
    const record = { ...plan, grant: world.request().grant };
    expect(await provider.end(record, handle, 'revocation', forever)).toEqual({ kind: 'ended' });
  });
});
