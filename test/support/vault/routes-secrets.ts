import { secondsOf } from './durations.ts';
import { answer, NOT_FOUND, NOTHING, type Route } from './route.ts';
import { Refusal } from './state.ts';

/** Version 2 of KV at `secret/`, and the database engine at `database/`. */
export const SECRET_ROUTES: readonly Route[] = [
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
