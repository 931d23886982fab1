import { randomBytes } from 'node:crypto';
import { listOf, numberOf, secondsOf } from './durations.ts';
import { parsePolicy } from './acl.ts';
import { Refusal, SYSTEM_TTL, type FakeEntity, type FakeState, type FakeToken } from './state.ts';
import { authOf, createByRole, describe, renew } from './tokens.ts';
import type { FakeDatabase } from './database.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly state: FakeState;
  /** Undefined where the call needs none. */
  readonly token: FakeToken;
  readonly database: FakeDatabase;
}

export interface Answer {
  readonly status: number;
  readonly body?: Readonly<Record<string, unknown>>;
}

const NOTHING: Answer = { status: 204 };
const envelope = {
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data: null,
  wrap_info: null,
  warnings: null,
  auth: null,
};
export const answer = (members: object): Answer => ({
  status: 200,
  body: { request_id: randomBytes(8).toString('hex'), ...envelope, ...members },
});
/** What is not there is an empty list of errors. */
const NOT_FOUND: Answer = { status: 404, body: { errors: [] } };

type Handler = (asked: Asked, ...ids: string[]) => Answer;
interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: Handler;
  /** No token is needed. */
  readonly open?: true;
}

const text = (asked: Asked, member: string): string => {
  const value = asked.body[member];
  if (typeof value !== 'string' || value === '') throw new Refusal(400, `missing ${member}`);
  return value;
};
const byAccessor = (asked: Asked): FakeToken => {
  const token = asked.state.byAccessor(text(asked, 'accessor'));
  if (!asked.state.alive(token)) throw new Refusal(400, 'invalid accessor');
  return token;
};
const capabilities = (asked: Asked, token: FakeToken): Answer => {
  const told = Object.fromEntries(
    listOf(asked.body['paths']).map((path) => [path, asked.state.capabilities(token, path)]),
  );
  return answer({ ...told, data: told });
};

function loggedIn(asked: Asked, path: string, settings: Readonly<Record<string, unknown>>): Answer {
  const { state } = asked;
  const ttl = numberOf(settings, 'token_ttl') || SYSTEM_TTL;
  const token = state.add({
    parent: undefined,
    policies: listOf(settings['token_policies']).sort(),
    meta: null,
    displayName: path,
    path: `auth/${path}/login`,
    role: undefined,
    entity: '',
    type: (settings['token_type'] as string | undefined) ?? 'service',
    creationTtl: ttl,
    explicitMaxTtl: numberOf(settings, 'token_explicit_max_ttl') || numberOf(settings, 'token_max_ttl'),
    renewable: settings['token_type'] !== 'batch',
    period: 0,
    uses: Number(settings['token_num_uses'] ?? 0),
    expiresMs: state.nowMs() + ttl * 1000,
  });
  return answer({ auth: authOf(state, token) });
}

const login =
  (method: string): Handler =>
  (asked) => {
    const { state } = asked;
    if (method === 'approle') {
      const found = [...state.appRoles.values()].find((role) => role.roleId === asked.body['role_id']);
      if (!found?.secrets.has(text(asked, 'secret_id'))) throw new Refusal(400, 'invalid role or secret ID');
      return loggedIn(asked, method, found.settings);
    }
    const known = state.jwts.get(text(asked, 'jwt'));
    if (known?.method !== method || known.role !== asked.body['role']) throw new Refusal(403, 'permission denied');
    return loggedIn(asked, method, known.settings);
  };

const TOKEN_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: /^auth\/token\/create\/([^/]+)$/,
    handle: (asked, role = '') => {
      const token = createByRole(asked.state, asked.token, role, asked.body);
      return answer({ auth: authOf(asked.state, token) });
    },
  },
  {
    method: 'POST',
    path: /^auth\/token\/lookup-accessor$/,
    handle: (asked) => answer({ data: describe(asked.state, byAccessor(asked), false) }),
  },
  {
    method: 'GET',
    path: /^auth\/token\/lookup-self$/,
    handle: (asked) => answer({ data: describe(asked.state, asked.token, true) }),
  },
  {
    method: 'POST',
    path: /^auth\/token\/renew-accessor$/,
    handle: (asked) => {
      const token = renew(asked.state, byAccessor(asked), secondsOf(asked.body['increment']));
      return answer({ auth: authOf(asked.state, token, false) });
    },
  },
  {
    method: 'POST',
    path: /^auth\/token\/renew-self$/,
    handle: (asked) =>
      answer({ auth: authOf(asked.state, renew(asked.state, asked.token, secondsOf(asked.body['increment']))) }),
  },
  {
    method: 'POST',
    path: /^auth\/token\/revoke-accessor$/,
    handle: (asked) => {
      const token = asked.state.byAccessor(text(asked, 'accessor'));
      if (!token) return answer({ warnings: ['No token found with this accessor'] });
      asked.state.revoke(token);
      return NOTHING;
    },
  },
  {
    method: 'POST',
    path: /^auth\/token\/revoke-self$/,
    handle: (asked) => {
      asked.state.revoke(asked.token);
      return NOTHING;
    },
  },
  {
    method: 'POST',
    path: /^auth\/token\/roles\/([^/]+)$/,
    handle: (asked, name = '') => {
      asked.state.roles.set(name, { ...asked.state.roles.get(name), ...asked.body });
      return NOTHING;
    },
  },
  {
    method: 'GET',
    path: /^auth\/token\/roles\/([^/]+)$/,
    handle: (asked, name = '') => {
      const role = asked.state.roles.get(name);
      if (!role) return NOT_FOUND;
      const uses = numberOf(role, 'token_num_uses');
      return answer({
        data: {
          name,
          orphan: role['orphan'] === true,
          renewable: role['renewable'] !== false,
          token_type: role['token_type'] ?? 'default-service',
          token_explicit_max_ttl: numberOf(role, 'token_explicit_max_ttl'),
          token_period: numberOf(role, 'token_period'),
          allowed_policies: listOf(role['allowed_policies']),
          allowed_policies_glob: listOf(role['allowed_policies_glob']),
          disallowed_policies: listOf(role['disallowed_policies']),
          disallowed_policies_glob: listOf(role['disallowed_policies_glob']),
          allowed_entity_aliases:
            role['allowed_entity_aliases'] === undefined ? null : listOf(role['allowed_entity_aliases']),
          ...(uses > 0 ? { token_num_uses: uses } : {}),
        },
      });
    },
  },
];

const LOGIN_ROUTES: readonly Route[] = [
  { method: 'POST', path: /^auth\/(?:team-a\/)?approle\/login$/, open: true, handle: login('approle') },
  { method: 'POST', path: /^auth\/jwt\/login$/, open: true, handle: login('jwt') },
  { method: 'POST', path: /^auth\/kubernetes\/login$/, open: true, handle: login('kubernetes') },
  {
    method: 'POST',
    path: /^auth\/approle\/role\/([^/]+)$/,
    handle: (asked, name = '') => {
      const known = asked.state.appRoles.get(name) ?? { roleId: asked.state.id('role-'), secrets: new Set<string>() };
      asked.state.appRoles.set(name, { ...known, settings: asked.body });
      return NOTHING;
    },
  },
  {
    method: 'GET',
    path: /^auth\/approle\/role\/([^/]+)\/role-id$/,
    handle: (asked, name = '') => answer({ data: { role_id: asked.state.appRoles.get(name)?.roleId } }),
  },
  {
    method: 'POST',
    path: /^auth\/approle\/role\/([^/]+)\/secret-id$/,
    handle: (asked, name = '') => {
      const secret = asked.state.id('secret-');
      asked.state.appRoles.get(name)?.secrets.add(secret);
      return answer({ data: { secret_id: secret } });
    },
  },
];

const IDENTITY_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: /^identity\/entity\/name\/([^/]+)$/,
    handle: (asked, name = '') => {
      const known = asked.state.entityOf(name);
      const entity: FakeEntity = known ?? {
        id: asked.state.id(''),
        name,
        metadata: {},
        disabled: false,
        aliases: [],
        groupPolicies: [],
      };
      if ('metadata' in asked.body) entity.metadata = asked.body['metadata'] as Record<string, string>;
      if ('disabled' in asked.body) entity.disabled = asked.body['disabled'] === true;
      asked.state.entities.set(entity.id, entity);
      return known ? NOTHING : answer({ data: { aliases: null, id: entity.id, name } });
    },
  },
  {
    method: 'GET',
    path: /^identity\/entity\/name\/([^/]+)$/,
    handle: (asked, name = '') => {
      const entity = asked.state.entityOf(name);
      return entity
        ? answer({ data: { id: entity.id, name, disabled: entity.disabled, metadata: entity.metadata } })
        : NOT_FOUND;
    },
  },
  {
    method: 'DELETE',
    path: /^identity\/entity\/name\/([^/]+)$/,
    handle: (asked, name = '') => {
      const entity = asked.state.entityOf(name);
      if (entity) asked.state.entities.delete(entity.id);
      return NOTHING;
    },
  },
  {
    method: 'POST',
    path: /^identity\/entity-alias$/,
    handle: (asked) => {
      const entity = asked.state.entities.get(text(asked, 'canonical_id'));
      const mount = text(asked, 'mount_accessor');
      if (!entity) throw new Refusal(400, 'invalid canonical ID');
      if (![...asked.state.auths.values()].includes(mount)) throw new Refusal(400, `invalid mount accessor "${mount}"`);
      entity.aliases.push({ name: text(asked, 'name'), mount });
      return answer({ data: { canonical_id: entity.id, id: asked.state.id('') } });
    },
  },
];

const SYSTEM_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: /^sys\/policies\/acl\/(.+)$/,
    handle: (asked, name = '') => {
      const policy = text(asked, 'policy');
      try {
        parsePolicy(policy);
      } catch {
        throw new Refusal(400, 'failed to parse policy');
      }
      asked.state.policies.set(name, policy);
      return NOTHING;
    },
  },
  {
    method: 'DELETE',
    path: /^sys\/policies\/acl\/(.+)$/,
    handle: (asked, name = '') => {
      asked.state.policies.delete(name);
      return NOTHING;
    },
  },
  { method: 'POST', path: /^sys\/capabilities-self$/, handle: (asked) => capabilities(asked, asked.token) },
  { method: 'POST', path: /^sys\/capabilities-accessor$/, handle: (asked) => capabilities(asked, byAccessor(asked)) },
  {
    method: 'GET',
    path: /^sys\/auth$/,
    handle: (asked) =>
      answer({ data: Object.fromEntries([...asked.state.auths].map(([path, accessor]) => [path, { accessor }])) }),
  },
  {
    method: 'POST',
    path: /^sys\/auth\/(.+)$/,
    handle: (asked, path = '') => {
      asked.state.auths.set(`${path}/`, asked.state.id(`auth_${path}_`));
      return NOTHING;
    },
  },
  {
    method: 'POST',
    path: /^sys\/leases\/lookup$/,
    handle: (asked) => {
      const lease = asked.state.leases.get(text(asked, 'lease_id'));
      if (!lease) throw new Refusal(400, 'invalid lease');
      return answer({ data: { id: lease.id, ttl: Math.floor((lease.expiresMs - asked.state.nowMs()) / 1000) } });
    },
  },
  {
    method: 'POST',
    path: /^sys\/leases\/revoke$/,
    handle: (asked) => {
      const id = text(asked, 'lease_id');
      if (asked.body['sync'] !== true) {
        if (asked.state.leases.has(id)) asked.state.queue.add(id);
        return { ...answer({}), status: 202 };
      }
      try {
        asked.state.revokeLease(id);
      } catch {
        throw new Refusal(500, 'failed to revoke entry');
      }
      return NOTHING;
    },
  },
];

const SECRET_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: /^secret\/data\/(.+)$/,
    handle: (asked, path = '') => {
      asked.state.kv.set(path, asked.body['data']);
      return answer({ data: { version: 1 } });
    },
  },
  {
    method: 'GET',
    path: /^secret\/data\/(.+)$/,
    handle: (asked, path = '') =>
      asked.state.kv.has(path)
        ? answer({ data: { data: asked.state.kv.get(path), metadata: { version: 1 } } })
        : NOT_FOUND,
  },
  {
    method: 'POST',
    path: /^database\/roles\/([^/]+)$/,
    handle: (asked, name = '') => {
      const { default_ttl, max_ttl } = asked.body;
      asked.state.databaseRoles.set(name, { ttl: secondsOf(default_ttl), maxTtl: secondsOf(max_ttl) });
      return NOTHING;
    },
  },
  {
    method: 'GET',
    path: /^database\/creds\/([^/]+)$/,
    handle: ({ state, token, database }, name = '') => {
      const role = state.databaseRoles.get(name);
      if (!role) throw new Refusal(400, `unknown role: ${name}`);
      const login = database.create();
      const id = `database/creds/${name}/${state.id('')}`;
      const expiresMs = state.nowMs() + role.ttl * 1000;
      state.leases.set(id, {
        id,
        token: token.id,
        issuedMs: state.nowMs(),
        expiresMs,
        revoke: () => database.drop(login.username),
      });
      return answer({ lease_id: id, lease_duration: role.ttl, renewable: true, data: login });
    },
  },
];

export const ROUTES: readonly Route[] = [
  ...TOKEN_ROUTES,
  ...LOGIN_ROUTES,
  ...IDENTITY_ROUTES,
  ...SYSTEM_ROUTES,
  ...SECRET_ROUTES,
];
export type { Route };
