import { ProviderError } from '../../src/domain/errors.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { MintRequest, Provider } from '../../src/providers/provider.ts';
import { VaultSection } from '../../src/providers/vault/section.ts';
import { sectionOf, vaultProfile } from './vault-shapes.ts';
import { forever, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** What is asked is data, and a caller's value stays the word that the profile made room for. */
let world: FakeVaultWorld;
let provider: Provider;
beforeAll(async () => {
  world = await vaultWorld();
  provider = world.provider({ config: { namespace: '' } });
});
afterAll(() => world.close());

const plan = (section: JsonObject, month = '2026-10', request: MintRequest = world.request()) =>
  provider.plan(vaultProfile(VaultSection.parse(section)), { month }, request);
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};
const refusal = (facts: JsonObject) => ({ code: 'provider_refused', nothingLives: true, facts });

test('a token: exactly what will be asked, and until when', () => {
  const request = world.request(599.9);
  const { mint, grant, task } = request;
  expect(plan({ policies: ['b', 'a'], num_uses: 7, wrap: true, token_role: 'agents' }, '2026-10', request)).toEqual({
    mint,
    endsAt: request.endsAt,
    revocability: { mode: 'immediate' },
    request: {
      address: world.url,
      namespace: '',
      started_at: request.now.toISOString(),
      ends_at: request.endsAt.toISOString(),
      token_role: 'agents',
      token: {
        policies: ['a', 'b'],
        ttl: '30s',
        explicit_max_ttl: '599s',
        num_uses: 7,
        renewable: true,
        no_default_policy: true,
        type: 'service',
        display_name: `writ-${grant}`,
        meta: {
          writ_grant: grant,
          writ_task: task,
          writ_workload: 'mesh/spiffe://dev.local/agent/a',
          writ_mint: mint,
        },
      },
      wrap_ttl: '60s',
    },
  });
});

test('what is made for one grant is named after its mint', () => {
  const request = world.request();
  const name = `writ-${request.mint}`;
  expect(plan(sectionOf('entity'), '2026-10', request).request).toMatchObject({
    token: { policies: ['inv-month'], entity_alias: name },
    entity: { name, metadata: { month: '2026-10' } },
  });
  expect(plan({ ...sectionOf('policy'), policies: ['inv'] }, '2026-10', request).request).toMatchObject({
    token: { policies: ['inv', name] },
    policy: { name, text: 'path "secret/data/inv/2026-10/*" { capabilities = ["read"] }' },
  });
  expect(plan({ ...sectionOf('secret'), secret: 'database/creds/{{parameters.month}}-ro' }).request).toMatchObject({
    secret: 'database/creds/2026-10-ro',
  });
});

describe('refused before any call: in Vault’s paths and policies there is no escape', () => {
  const HOSTILE = [
    '',
    '..',
    '.',
    '.hidden',
    'a..b',
    '../2026-11',
    'a/b',
    '/',
    'a/',
    '*',
    'a*',
    '+',
    'a+b',
    '?',
    ' ',
    'a b',
    '"',
    "'",
    '`',
    '\\',
    '\n',
    'a\nb',
    '\0',
    '\u007f',
    '\u2028',
    '#',
    '%2e%2e',
    '%2F',
    '{{',
    '{{identity.entity.id}}',
    '}}',
    '{',
    '$',
    '${x}',
    '<',
    '&',
    ';',
    '" { capabilities = ["sudo"] } path "*',
    'ä',
    '．．',
    '／',
    'a\u200bb',
    'x'.repeat(257),
  ];
  const SECTIONS: readonly (readonly [string, JsonObject])[] = [
    ['the metadata of an entity', sectionOf('entity')],
    ['the text of a policy', sectionOf('policy')],
    ['the path of a secret', { ...sectionOf('secret'), secret: 'database/creds/{{parameters.month}}' }],
  ];
  test.each(SECTIONS.flatMap(([name, section]) => HOSTILE.map((value) => ({ name, section, value }))))(
    '$value in $name',
    ({ section, value }) => {
      const before = world.door.seen.length;
      const error = thrown(() => plan(section, value));
      expect(error).toBeInstanceOf(ProviderError);
      expect(error).toMatchObject(refusal({ finding: 'parameter_not_plain', parameter: 'month' }));
      expect(world.door.seen.length).toBe(before);
    },
  );

  test.each(['2026-10', 'a', 'A.b_c-d', 'eu-west-1', 'user@example.org', 'a:b', 'k=v', 'x,y', '~'.padStart(2, 'a')])(
    '%s may stand anywhere',
    (value) => {
      for (const [, section] of SECTIONS) expect(() => plan(section, value)).not.toThrow();
    },
  );

  test('a parameter that nobody gave, also one named like what objects have', () => {
    const profile = vaultProfile(VaultSection.parse(sectionOf('policy')));
    for (const parameters of [{}, { constructor: 'x' }]) {
      const error = thrown(() => provider.plan(profile, parameters, world.request()));
      expect(error).toMatchObject(refusal({ finding: 'parameter_missing', parameter: 'month' }));
    }
  });

  test.each([0, 0.9, -5])('a life of %d seconds', (seconds) => {
    expect(thrown(() => plan(sectionOf('token'), '2026-10', world.request(seconds)))).toMatchObject(
      refusal({ finding: 'end_has_passed' }),
    );
  });

  test('a policy for each grant, where only the profile allows it', () => {
    const strict = world.provider({ config: { allow_policy_templates: false } });
    const error = thrown(() => world.plan(strict, sectionOf('policy')));
    expect(error).toMatchObject(refusal({ finding: 'policy_templates_off' }));
  });
});

describe('a plan that is not this provider’s, or was changed on its way', () => {
  test.each([
    ['another role in its path', { token_role: '../../sys' }],
    ['another secret', { secret: 'a/../sys/raw' }],
    ['another mint', { token: { policies: ['inv'] } }],
    ['another address', { address: 'http://127.0.0.1:1' }],
    ['another namespace', { namespace: 'team-a' }],
    ['an entity that is not its own', { entity: { name: `writ-m${'0'.repeat(21)}`, metadata: {} } }],
    ['a policy that is not its own', { policy: { name: `writ-m${'0'.repeat(21)}`, text: '' } }],
    ['a member more', { sudo: true }],
  ])('%s', async (_name, change) => {
    const made = plan(sectionOf('token'));
    const changed = { ...made, request: { ...made.request, ...change } };
    const before = world.door.seen.length;
    await expect(provider.mint(changed, forever)).rejects.toMatchObject(refusal({ finding: 'plan_of_another_set_up' }));
    expect(world.door.seen.length).toBe(before);
  });

  test('one whose grant has ended meanwhile is not begun', async () => {
    await provider.mint(plan(sectionOf('token')), forever);
    const short = plan(sectionOf('token'), '2026-10', world.request(5));
    world.pass(6);
    await expect(provider.mint(short, forever)).rejects.toMatchObject(refusal({ finding: 'end_has_passed' }));
  });
});

test('the longest life is the configuration’s', () => {
  expect(world.provider({ config: { max_ttl: '15m' } }).maxTtlSeconds).toBe(900);
  expect(provider.maxTtlSeconds).toBeUndefined();
});
