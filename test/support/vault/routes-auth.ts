import { listOf, numberOf, secondsOf } from './durations.ts';
import {
  answer,
  byAccessor,
  NOT_FOUND,
  NOTHING,
  text,
  type Answer,
  type Asked,
  type Handler,
  type Route,
} from './route.ts';
import { Refusal, SYSTEM_TTL } from './state.ts';
import { authOf, createByRole, describe, renew } from './tokens.ts';

export const TOKEN_ROUTES: readonly Route[] = [
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

export const LOGIN_ROUTES: readonly Route[] = [
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
