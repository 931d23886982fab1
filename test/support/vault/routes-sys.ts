import { parsePolicy } from './acl.ts';
import { listOf } from './durations.ts';
import { answer, byAccessor, NOT_FOUND, NOTHING, text, type Answer, type Asked, type Route } from './route.ts';
import { Refusal, type FakeEntity, type FakeToken } from './state.ts';

const capabilities = (asked: Asked, token: FakeToken): Answer => {
  const told = Object.fromEntries(
    listOf(asked.body['paths']).map((path) => [path, asked.state.capabilities(token, path)]),
  );
  return answer({ ...told, data: told });
};

export const SYSTEM_ROUTES: readonly Route[] = [
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
        throw new Refusal(400, 'failed to revoke entry');
      }
      return NOTHING;
    },
  },
];

export const IDENTITY_ROUTES: readonly Route[] = [
  {
    method: 'LIST',
    path: /^identity\/entity\/name$/,
    handle: ({ state }) => {
      const keys = [...state.entities.values()].map(({ name }) => name).sort();
      return keys.length > 0 ? answer({ data: { keys } }) : NOT_FOUND;
    },
  },
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
