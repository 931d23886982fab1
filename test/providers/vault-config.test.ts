import type { JsonObject } from '../../src/domain/json.ts';
import { VaultConfig } from '../../src/providers/vault/config.ts';
import { sectionProblems, VaultSection } from '../../src/providers/vault/section.ts';
import { sectionOf, SHAPES, vaultProfile } from './vault-shapes.ts';

const approle = { method: 'approle', role_id: 'r', secret_id: 's' };
const entry = { address: 'https://vault.internal:8200', auth: approle };
const issues = (value: unknown) => {
  const { error } = VaultConfig.safeParse(value);
  return (error?.issues ?? []).map(
    ({ path, code, message }) => `${path.join('.')} ${code === 'custom' ? message : code}`,
  );
};

test('what is left out', () => {
  const { auth, ...rest } = VaultConfig.parse(entry);
  expect(rest).toEqual({ address: 'https://vault.internal:8200', namespace: '', allow_policy_templates: false });
  expect(auth).toMatchObject({ method: 'approle', mount: 'approle' });
  const kubernetes = VaultConfig.parse({ ...entry, auth: { method: 'kubernetes', role: 'r' } });
  expect(kubernetes.auth).toEqual({
    method: 'kubernetes',
    mount: 'kubernetes',
    role: 'r',
    token_file: '/var/run/secrets/kubernetes.io/serviceaccount/token',
  });
});

test('secrets are kept as such', () => {
  const parsed = [
    VaultConfig.parse(entry),
    VaultConfig.parse({ ...entry, auth: { method: 'token', token: 'hvs.a-token' } }),
  ];
  expect(JSON.stringify(parsed)).not.toMatch(/"s"|hvs/);
});

test.each([
  ['http://127.0.0.1:8200/', 'http://127.0.0.1:8200'],
  ['https://vault.internal', 'https://vault.internal'],
])('address %s', (address, want) => {
  expect(VaultConfig.parse({ ...entry, address }).address).toBe(want);
});

test.each([
  ['team-a', 'team-a'],
  ['/team-a/sub/', 'team-a/sub'],
  ['', ''],
])('namespace %j', (namespace, want) => {
  expect(VaultConfig.parse({ ...entry, namespace }).namespace).toBe(want);
});

describe('refused', () => {
  test.each([
    ['no address', { auth: approle }, 'address invalid_type'],
    ['an address with a path', { ...entry, address: 'https://vault/v1' }, /^address must be an origin/],
    ['an address with a user', { ...entry, address: 'https://root:x@vault' }, /^address must be an origin/],
    ['another scheme', { ...entry, address: 'ftp://vault' }, /^address must be an origin/],
    ['a namespace that leads out', { ...entry, namespace: 'a/../b' }, /^namespace must be names/],
    ['no way to log in', { address: entry.address }, 'auth invalid_type'],
    ['an unknown method', { ...entry, auth: { method: 'userpass' } }, 'auth.method invalid_value'],
    ['a mount that leads out', { ...entry, auth: { ...approle, mount: '../sys' } }, /^auth.mount must be names/],
    [
      'a role without its id',
      { ...entry, auth: { method: 'approle', secret_id: 's' } },
      'auth.role_id is required for the method approle',
    ],
    [
      'neither secret nor file',
      { ...entry, auth: { method: 'approle', role_id: 'r' } },
      'auth.secret_id is required for the method approle',
    ],
    ['both', { ...entry, auth: { ...approle, secret_id_file: 'f' } }, /^auth.secret_id_file/],
    [
      'jwt without a file',
      { ...entry, auth: { method: 'jwt', role: 'r' } },
      'auth.token_file is required for the method jwt',
    ],
    [
      'kubernetes without a role',
      { ...entry, auth: { method: 'kubernetes' } },
      'auth.role is required for the method kubernetes',
    ],
    [
      'a token with a role',
      { ...entry, auth: { method: 'token', token: 't', role: 'r' } },
      'auth.role is not for the method token',
    ],
    ['no token', { ...entry, auth: { method: 'token' } }, 'auth.token is required for the method token'],
    ['a longest life that is none', { ...entry, max_ttl: '1x' }, /^max_ttl is not a duration/],
    ['a member that is not known', { ...entry, skip_verify: true }, ' unrecognized_keys'],
  ])('%s', (_name, value, want) => {
    const found = issues(value);
    expect(found).toEqual(expect.arrayContaining([typeof want === 'string' ? want : expect.stringMatching(want)]));
  });

  test('no message repeats a secret', () => {
    const told = JSON.stringify(issues({ ...entry, auth: { ...approle, secret_id: '', token: 'hvs.secret' } }));
    expect(told).not.toContain('hvs.secret');
  });
});

describe('the section of a profile', () => {
  const problems = (section: JsonObject) => {
    const parsed = VaultSection.safeParse(section);
    if (!parsed.success) return parsed.error.issues.map(({ path }) => path.join('.'));
    return sectionProblems(vaultProfile(parsed.data)).map(({ path }) => path.slice(1).join('.'));
  };

  test.each(SHAPES)('%s: no problem', (shape) => {
    expect(problems(sectionOf(shape))).toEqual([]);
  });

  test('what is left out', () => {
    expect(VaultSection.parse({ policies: ['inv'] })).toEqual({
      token_role: 'writ',
      policies: ['inv'],
      num_uses: 0,
      wrap: false,
      allow_policy_template: false,
    });
  });

  test('as CONTRACT writes it', () => {
    const policy_template = 'path "secret/data/inv/{{parameters.month}}/*" { capabilities = ["read"] }';
    const written: JsonObject[] = [
      { token_role: 'agents', policies: ['invoices-read'], num_uses: 0, wrap: false },
      { token_role: 'agents', policies: ['db'], secret: 'database/creds/readonly' },
      { allow_policy_template: true, policy_template },
    ];
    expect(written.map(problems)).toEqual([[], [], []]);
  });

  test.each([
    'path "secret/data/inv/{{parameters.month}}/*" {\n  capabilities = ["read"]\n}',
    'path   "a/{{parameters.month}}" { capabilities = ["read"] }\npath "b/{{parameters.month}}" { capabilities = ["list"] }',
    '{"path": {"secret/{{parameters.month}}": {"capabilities": ["read"]}}}',
  ])('parameters stand in the paths of a template: %s', (policy_template) => {
    expect(problems({ allow_policy_template: true, policy_template })).toEqual([]);
  });

  test.each<[string, JsonObject, string]>([
    ['no policy at all', {}, 'policies'],
    ['root', { policies: ['root'] }, 'policies.0'],
    ['the default policy, which Vault would take away again', { policies: ['default'] }, 'policies.0'],
    ['a policy of another grant', { policies: ['writ-m1m84qx1ws2nvvfww5ntkb'] }, 'policies.0'],
    ['a policy that a caller picks', { policies: ['{{parameters.month}}'] }, 'policies.0'],
    ['capitals, which Vault makes small', { policies: ['Inv'] }, 'policies.0'],
    ['a policy twice', { policies: ['inv', 'inv'] }, 'policies'],
    ['a role that a caller picks', { policies: ['inv'], token_role: '{{parameters.month}}' }, 'token_role'],
    ['a role that leads out', { policies: ['inv'], token_role: 'a/../b' }, 'token_role'],
    ['a template that only the provider allows', { policy_template: 'path "a" {}' }, 'policy_template'],
    [
      'control characters in a template',
      { allow_policy_template: true, policy_template: 'path "a\0"' },
      'policy_template',
    ],
    ...Object.entries({
      'a rule': 'path "a/{{parameters.month}}" { capabilities = ["{{parameters.month}}"] }',
      'a parameter': 'path "a" { required_parameters = ["{{parameters.month}}"] }',
      'a comment': '# {{parameters.month}}',
      'a path without quotes': 'path {{parameters.month}} {}',
      'a part of a rule in JSON': '{"path": {"a": {"capabilities": ["{{parameters.month}}"]}}}',
    }).map(([name, policy_template]): [string, JsonObject, string] => [
      `a parameter of a template that is ${name}`,
      { allow_policy_template: true, policy_template },
      'policy_template',
    ]),
    ['an entity without metadata', { policies: ['inv'], entity: { metadata: {} } }, 'entity.metadata'],
    ['an entity beside a template', { ...sectionOf('policy'), entity: { metadata: { a: 'b' } } }, 'entity'],
    ['a wrapped secret', { ...sectionOf('secret'), wrap: true }, 'wrap'],
    ['a secret whose reading uses its token up', { ...sectionOf('secret'), num_uses: 1 }, 'num_uses'],
    ['a secret with / before it', { policies: ['db'], secret: '/database/creds/x' }, 'secret'],
    ['a secret that leads out', { policies: ['db'], secret: 'database/../sys/raw' }, 'secret'],
    ['a secret of the system', { policies: ['db'], secret: 'sys/auth' }, 'secret'],
    ['a secret with a question', { policies: ['db'], secret: 'database/creds/x?a=b' }, 'secret'],
    ['a secret with an empty name in it', { policies: ['db'], secret: 'a//{{parameters.month}}' }, 'secret'],
    ['a mount that a caller picks', { policies: ['db'], secret: '{{parameters.month}}/creds/x' }, 'secret'],
    ['uses below zero', { policies: ['inv'], num_uses: -1 }, 'num_uses'],
    ['a member that is not known', { policies: ['inv'], ttl: '1h' }, ''],
  ])('%s is a problem', (_name, section, path) => {
    expect(problems(section)).toEqual([path]);
  });
});
