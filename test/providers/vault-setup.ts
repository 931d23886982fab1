import { blocksOf, readPage } from '../docs/pages.ts';

/** Somebody who may set a server up, as the page for the provider says. */
export interface Admin {
  /** @returns the answer's `data`, or `auth`, or nothing. @throws Error for anything but success. */
  call(method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>>;
}

export function adminOf(address: string, token: string, namespace = ''): Admin {
  return {
    async call(method, path, body) {
      const response = await fetch(`${address}/v1/${path}`, {
        method,
        headers: { 'X-Vault-Token': token, ...(namespace === '' ? {} : { 'X-Vault-Namespace': namespace }) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status} ${text}`);
      const answer = text === '' ? {} : (JSON.parse(text) as { data?: object; auth?: object });
      return { ...(answer.data ?? answer.auth ?? {}) };
    },
  };
}

/** Names of our own, so that suites can share a server. */
export interface Names {
  readonly role: string;
  readonly broker: string;
  readonly approle: string;
  /** Begins the names of policies. */
  readonly prefix: string;
  /** The mount of the database engine. */
  readonly database: string;
}
export const NAMES: Names = { role: 'writ', broker: 'writ-broker', approle: 'writ', prefix: '', database: 'database' };

/** The policies on the page, as they stand there: the first, and what profiles with secrets, entities and templates need. */
export async function pagePolicies(role: string): Promise<readonly string[]> {
  const blocks = blocksOf(await readPage('docs/providers/vault.md')).filter(({ language }) => language === 'hcl');
  const texts = blocks.map(({ text }) => text).filter((text) => text.includes('capabilities'));
  return texts.map((text) =>
    text
      .replaceAll('auth/token/create/writ"', `auth/token/create/${role}"`)
      .replaceAll('auth/token/roles/writ"', `auth/token/roles/${role}"`),
  );
}

export interface SetUp {
  readonly roleId: string;
  readonly secretId: string;
}

/** Everything that a broker needs, and policies of profiles: `inv`, `inv-month` (of an entity's metadata), `db`, `more`. */
export async function setUp(admin: Admin, names: Names = NAMES): Promise<SetUp> {
  const { role, broker, approle, prefix, database } = names;
  const write = (name: string, policy: string) => admin.call('POST', `sys/policies/acl/${prefix}${name}`, { policy });
  await write('inv', 'path "secret/data/inv/*" { capabilities = ["read"] }');
  await write('inv-month', 'path "secret/data/inv/{{identity.entity.metadata.month}}/*" { capabilities = ["read"] }');
  await write('db', `path "${database}/creds/readonly" { capabilities = ["read"] }`);
  await write('more', 'path "secret/data/*" { capabilities = ["read"] }');
  const policy = (await pagePolicies(role)).join('\n');
  await admin.call('POST', `sys/policies/acl/${broker}`, { policy });
  await admin.call('POST', `auth/token/roles/${role}`, {
    allowed_policies: ['inv', 'inv-month', 'db', 'more'].map((name) => `${prefix}${name}`),
    allowed_policies_glob: ['writ-m*'],
    allowed_entity_aliases: ['writ-m*'],
    orphan: true,
    renewable: true,
    token_type: 'service',
    token_explicit_max_ttl: '24h',
  });
  await admin.call('POST', `auth/approle/role/${approle}`, {
    token_policies: [broker],
    token_type: 'service',
    token_ttl: '1h',
    token_max_ttl: '24h',
  });
  const { role_id } = await admin.call('GET', `auth/approle/role/${approle}/role-id`);
  const { secret_id } = await admin.call('POST', `auth/approle/role/${approle}/secret-id`, {});
  for (const month of ['2026-10', '2026-11']) {
    await admin.call('POST', `secret/data/inv/${month}/total`, { data: { total: month } });
  }
  return { roleId: String(role_id), secretId: String(secret_id) };
}
