import { globs, listOf, numberOf, secondsOf, ttlOf } from './durations.ts';
import { Refusal, type FakeRole, type FakeState, type FakeToken } from './state.ts';

/** The token store, as OpenBao 2.6.2's `token_store.go` has it where a token is made by way of a role. */

type Body = Readonly<Record<string, unknown>>;

export function createByRole(state: FakeState, parent: FakeToken, name: string, body: Body): FakeToken {
  const role = state.roles.get(name);
  if (!role) throw new Refusal(400, `unknown role ${name}`);
  if (parent.type === 'batch') throw new Refusal(400, 'batch tokens cannot create more tokens');
  if (parent.uses > 0) throw new Refusal(400, 'restricted use token cannot generate child tokens');
  const type = typeOf(role, body);
  const entity = entityOf(state, role, body);
  const explicitMaxTtl = lesser(secondsOf(body['explicit_max_ttl']), numberOf(role, 'token_explicit_max_ttl'));
  const period = lesser(secondsOf(body['period']), numberOf(role, 'token_period'));
  const nowMs = state.nowMs();
  const ttl = period > 0 ? period : ttlOf(secondsOf(body['ttl']), 0, explicitMaxTtl, nowMs, nowMs);
  return state.add({
    parent: role['orphan'] === true ? undefined : parent.id,
    policies: policiesOf(role, body),
    meta: (body['meta'] as Record<string, string> | undefined) ?? null,
    displayName: displayName(body['display_name']),
    path: `auth/token/create/${name}`,
    role: name,
    entity,
    type,
    creationTtl: ttl,
    // What was asked for, not what counts.
    explicitMaxTtl: secondsOf(body['explicit_max_ttl']),
    renewable: type === 'service' && body['renewable'] !== false && role['renewable'] !== false,
    period,
    uses: lesser(Number(body['num_uses'] ?? 0), numberOf(role, 'token_num_uses')),
    expiresMs: nowMs + ttl * 1000,
  });
}

function typeOf(role: FakeRole, body: Body): string {
  const asked = (body['type'] as string | undefined) ?? '';
  switch (role['token_type'] ?? 'default-service') {
    case 'service':
      return 'service';
    case 'batch':
      return 'batch';
    case 'default-batch':
      return asked === '' ? 'batch' : asked;
    default:
      return asked === '' ? 'service' : asked;
  }
}

function policiesOf(role: FakeRole, body: Body): string[] {
  const addDefault = body['no_default_policy'] !== true && role['token_no_default_policy'] !== true;
  const asked = listOf(body['policies']);
  const allowed = listOf(role['allowed_policies']);
  const chosen = asked.length > 0 ? asked : allowed;
  const final = [...new Set([...chosen, ...(addDefault ? ['default'] : [])])].sort();
  for (const policy of final) {
    const fits = allowed.includes(policy) || (addDefault && policy === 'default');
    if (!fits && !globs(listOf(role['allowed_policies_glob']), policy))
      throw new Refusal(400, "token policies must be subset of the role's allowed policies");
    if (listOf(role['disallowed_policies']).includes(policy) || globs(listOf(role['disallowed_policies_glob']), policy))
      throw new Refusal(400, `token policy "${policy}" is disallowed by this role`);
  }
  return body['no_default_policy'] === true ? final.filter((policy) => policy !== 'default') : final;
}

function entityOf(state: FakeState, role: FakeRole, body: Body): string {
  const alias = body['entity_alias'] as string | undefined;
  if (alias === undefined) return '';
  if (!globs(listOf(role['allowed_entity_aliases']), alias.toLowerCase()))
    throw new Refusal(400, "invalid 'entity_alias' value");
  const mount = state.auths.get('token/') ?? '';
  const known = [...state.entities.values()].find((entity) =>
    entity.aliases.some((each) => each.name === alias && each.mount === mount),
  );
  const entity = known ?? {
    id: state.id(''),
    name: `entity_${state.id('')}`,
    metadata: {},
    disabled: false,
    aliases: [{ name: alias, mount }],
    groupPolicies: [],
  };
  state.entities.set(entity.id, entity);
  if (entity.disabled) throw new Refusal(403, 'entity from given entity alias is disabled');
  return entity.id;
}

/** The explicit greatest life is then the *role's*, whatever the token was made with (`authRenew`). */
export function renew(state: FakeState, token: FakeToken | undefined, increment: number): FakeToken {
  if (!token || !state.alive(token)) throw new Refusal(400, 'invalid accessor');
  if (!token.renewable) throw new Refusal(400, 'lease is not renewable');
  const role = token.role === undefined ? undefined : state.roles.get(token.role);
  if (token.role !== undefined && !role) throw new Refusal(500, 'original token role could not be found, not renewing');
  const max = role ? numberOf(role, 'token_explicit_max_ttl') : token.explicitMaxTtl;
  const nowMs = state.nowMs();
  const ttl = token.period > 0 ? token.period : ttlOf(increment, token.creationTtl, max, nowMs, token.issuedMs);
  token.expiresMs = nowMs + ttl * 1000;
  return token;
}

const at = (ms: number) => new Date(ms).toISOString();
const ttlLeft = (state: FakeState, token: FakeToken) =>
  token.expiresMs === Infinity ? 0 : Math.floor((token.expiresMs - state.nowMs()) / 1000);

export function describe(state: FakeState, token: FakeToken, tellId: boolean) {
  const groups = state.entities.get(token.entity)?.groupPolicies ?? [];
  return {
    accessor: token.accessor,
    creation_time: Math.floor(token.issuedMs / 1000),
    creation_ttl: token.creationTtl,
    display_name: token.displayName,
    entity_id: token.entity,
    expire_time: token.expiresMs === Infinity ? null : at(token.expiresMs),
    explicit_max_ttl: token.explicitMaxTtl,
    id: tellId ? token.id : '',
    issue_time: at(token.issuedMs),
    meta: token.meta,
    num_uses: token.uses,
    orphan: token.parent === undefined,
    path: token.path,
    policies: token.policies,
    renewable: token.renewable,
    ttl: ttlLeft(state, token),
    type: token.type,
    ...(token.role === undefined ? {} : { role: token.role }),
    ...(token.period > 0 ? { period: token.period } : {}),
    ...(groups.length > 0 ? { identity_policies: groups } : {}),
  };
}

/** @param tell - whether the token itself is told: not when it is renewed by its accessor. */
export function authOf(state: FakeState, token: FakeToken, tell = true) {
  return {
    client_token: tell ? token.id : '',
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.meta,
    lease_duration: token.expiresMs === Infinity ? 0 : Math.round((token.expiresMs - state.nowMs()) / 1000),
    renewable: token.renewable,
    entity_id: token.entity,
    token_type: token.type,
    orphan: token.parent === undefined,
    mfa_requirement: null,
    num_uses: token.uses,
  };
}

function displayName(asked: unknown): string {
  return typeof asked === 'string' && asked !== '' ? `token-${asked.replaceAll(/[^a-zA-Z0-9-]/g, '-')}` : 'token';
}

/** Of two numbers where 0 is no limit. */
function lesser(one: number, other: number): number {
  return one === 0 || other === 0 ? one + other : Math.min(one, other);
}
