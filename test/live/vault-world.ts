import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { adminOf, setUp, type Admin, type Names } from '../providers/vault-setup.ts';
import { makeProvider, type VaultWorld } from '../providers/vault-world.ts';
import { urlFor } from '../support/sql.ts';
import { makeTarget } from '../support/target.ts';
import { openDoor, type Answer, type Behind, type Door, type Request } from '../support/vault/index.ts';

/** A real server, and a token that may set it up. */
export interface Server {
  readonly address: string;
  readonly token: string;
}

/**
 * The same world on a real Vault or OpenBao, with names of its own, so that what else is there is left alone. Time is real:
 * where the fake's is moved, this one is waited for.
 */
export async function liveVaultWorld(server: Server): Promise<VaultWorld> {
  const admin = adminOf(server.address, server.token);
  const hex = randomBytes(4).toString('hex');
  const names: Names = {
    role: `writ-live-${hex}`,
    broker: `writ-live-${hex}`,
    approle: `writ-live-${hex}`,
    prefix: `live-${hex}-`,
    database: `writ-live-${hex}`,
  };
  await mount(admin, 'auth/approle', { type: 'approle' });
  await mount(admin, 'mounts/secret', { type: 'kv', options: { version: '2' } });
  await admin.call('POST', `sys/mounts/${names.database}`, { type: 'database' });
  const made = await setUp(admin, names);
  const database = await connectDatabase(admin, names.database);
  const clock = { now: () => new Date(), offsetMs: () => 0 };
  const behind: Behind = { now: clock.now, respond: (request) => forward(server.address, request) };
  const doors: Door[] = [];
  const providers: Provider[] = [];

  const provider: VaultWorld['provider'] = ({ door, config = {}, files = {} } = {}) => {
    const auth = { method: 'approle', role_id: made.roleId, secret_id: made.secretId };
    const address = door?.url ?? server.address;
    const created = makeProvider({ address, auth, allow_policy_templates: true, ...config }, clock, files);
    providers.push(created);
    return created;
  };

  return {
    names,
    url: server.address,
    admin,
    made,
    shortestLifeSeconds: 2,
    now: clock.now,
    async passTo(instant) {
      while (Date.now() <= instant.getTime()) await sleep(instant.getTime() - Date.now() + 1);
    },
    provider,
    async troubled(trouble = {}, options = {}) {
      const door = await openDoor(behind);
      doors.push(door);
      door.trouble = trouble;
      const created = provider({ ...options, door });
      const close = async () => {
        await created.close();
        await door.close();
      };
      return { door, provider: { ...created, close } };
    },
    async isAlive(mint) {
      const entity = await maybe(admin, 'GET', `identity/entity/name/writ-${mint}`);
      const usable = entity?.['disabled'] !== true && (await tokensOf(admin, mint)).length > 0;
      return usable || (await leases(admin, names.database)).length > 0;
    },
    async traces(mint) {
      const name = `writ-${mint}`;
      const [entity, policy] = [`identity/entity/name/${name}`, `sys/policies/acl/${name}`];
      return [
        ...(await tokensOf(admin, mint)),
        ...(await leases(admin, names.database)),
        ...((await maybe(admin, 'GET', entity)) ? [entity] : []),
        ...((await maybe(admin, 'GET', policy)) ? [policy] : []),
      ];
    },
    admits: database.admits,
    async close() {
      for (const each of providers) await each.close();
      for (const each of doors) await each.close();
      await admin.call('DELETE', `sys/mounts/${names.database}`);
      await database.close();
      for (const policy of ['inv', 'inv-month', 'db', 'more'])
        await admin.call('DELETE', `sys/policies/acl/${names.prefix}${policy}`);
      await admin.call('DELETE', `sys/policies/acl/${names.broker}`);
      await admin.call('DELETE', `auth/token/roles/${names.role}`);
      await admin.call('DELETE', `auth/approle/role/${names.approle}`);
    },
  };
}

/** Where it is there already, it is used. */
async function mount(admin: Admin, path: string, settings: object): Promise<void> {
  await admin.call('POST', `sys/${path}`, settings).catch((error: unknown) => {
    if (!String(error).includes('already in use')) throw error;
  });
}

async function maybe(admin: Admin, method: string, path: string, body?: object): Promise<JsonObject | undefined> {
  try {
    return (await admin.call(method, path, body)) as JsonObject;
  } catch {
    return undefined;
  }
}

/** As nobody but an administrator may: by listing every accessor that there is. */
async function tokensOf(admin: Admin, mint: string): Promise<string[]> {
  const { keys } = await admin.call('LIST', 'auth/token/accessors');
  const found = await Promise.all(
    (keys as string[]).map(async (accessor) => {
      const token = await maybe(admin, 'POST', 'auth/token/lookup-accessor', { accessor });
      const meta = token?.['meta'] as JsonObject | null | undefined;
      return meta?.['writ_mint'] === mint ? [`token ${accessor}`] : [];
    }),
  );
  return found.flat();
}

async function leases(admin: Admin, database: string): Promise<string[]> {
  const listed = await maybe(admin, 'LIST', `sys/leases/lookup/${database}/creds/readonly/`);
  return ((listed?.['keys'] ?? []) as string[]).map((key) => `lease ${key}`);
}

/** The engine makes logins at a PostgreSQL of this run, which listens on this machine alone: so does the server. */
async function connectDatabase(admin: Admin, mount: string) {
  const target = await makeTarget();
  const { username, password, host, pathname } = new URL(target.url);
  await admin.call('POST', `${mount}/config/target`, {
    plugin_name: 'postgresql-database-plugin',
    allowed_roles: 'readonly',
    connection_url: `postgresql://{{username}}:{{password}}@${host}${pathname}`,
    username,
    password,
  });
  await admin.call('POST', `${mount}/roles/readonly`, {
    db_name: 'target',
    creation_statements: [
      `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE ${target.readonly}`,
    ],
    revocation_statements: ['DROP ROLE IF EXISTS "{{name}}"'],
    default_ttl: '1h',
    max_ttl: '24h',
  });
  return { admits: (login: JsonObject) => admits(target.url, login), close: () => target.drop() };
}

async function admits(url: string, { username, password }: JsonObject): Promise<boolean> {
  const client = new pg.Client({
    connectionString: urlFor(url, { user: String(username), password: String(password) }),
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return false;
    throw error;
  } finally {
    await client.end();
  }
}

async function forward(address: string, { method, path, headers, body }: Request): Promise<Answer> {
  const passed = Object.entries(headers).filter(([name]) => name.startsWith('x-vault-'));
  const listing = method === 'LIST';
  const response = await fetch(`${address}/v1/${path}${listing ? '?list=true' : ''}`, {
    method: listing ? 'GET' : method,
    headers: Object.fromEntries(passed.map(([name, value]) => [name, String(value)])),
    ...(listing || method === 'GET' ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, ...(text === '' ? {} : { body: JSON.parse(text) as JsonObject }) };
}
