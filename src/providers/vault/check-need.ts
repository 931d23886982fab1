import { formatDuration } from '../../domain/duration.ts';
import type { HealthFinding } from '../provider.ts';
import { CapabilitiesAnswer, parse, TokenRole } from './answers.ts';
import { finding } from './findings.ts';
import { SOME_NAME, type Need } from './need.ts';
import type { Server } from './server.ts';
import { at } from './values.ts';

/** What must be allowed, by path. `create` and `update` are one: which of them a write is depends on the path. */
function required({ role, secret, entity, policy }: Need): Readonly<Record<string, readonly string[]>> {
  return {
    [`auth/token/create/${role}`]: ['update'],
    [`auth/token/roles/${role}`]: ['read'],
    'auth/token/lookup-accessor': ['update'],
    'auth/token/renew-accessor': ['update'],
    'auth/token/revoke-accessor': ['update'],
    'sys/capabilities-accessor': ['update'],
    ...(secret && { 'sys/leases/revoke': ['update'], 'sys/leases/lookup': ['update'] }),
    ...(entity && {
      [`identity/entity/name/${SOME_NAME}`]: ['update', 'read', 'delete'],
      'identity/entity-alias': ['update'],
      'sys/auth': ['read'],
    }),
    ...(policy && { [`sys/policies/acl/${SOME_NAME}`]: ['update', 'delete'] }),
  };
}

/** What no profile needs, and a broker that is too strong would have. */
const TOO_WIDE = ['sys/policies/acl/not-of-a-grant', 'auth/token/create-orphan', 'auth/token/create', 'sys/mounts/any'];
/** Listed to find what no record knows of; credentials are made without it. */
const ENTITIES = 'identity/entity/name';
const WRITES = ['create', 'update', 'sudo', 'root'];

/** The token role and the broker's own policy, for what a profile needs. @throws ProviderError when they cannot be asked. */
export async function checkNeed(ask: Server, need: Need, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  const [capabilities, role] = await Promise.all([checkCapabilities(ask, need, signal), checkRole(ask, need, signal)]);
  return [...capabilities, ...role];
}

async function checkCapabilities(ask: Server, need: Need, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  const step = 'own_capabilities';
  const wanted = required(need);
  const body = { paths: [...Object.keys(wanted), ...(need.entity ? [ENTITIES] : []), ...TOO_WIDE] };
  const path = at`sys/capabilities-self`;
  const reply = await ask({ step, method: 'POST', path, body, accept: [403] }, signal);
  if (reply.status === 403) return [finding('capability_missing', { path, capability: 'update' })];
  const { data } = parse(CapabilitiesAnswer, reply, step);
  const may = (asked: string): readonly unknown[] => (Array.isArray(data[asked]) ? (data[asked] as unknown[]) : []);
  const missing = Object.entries(wanted).flatMap(([asked, needed]) => {
    const given = may(asked);
    const lacks = given.includes('root') ? [] : needed.filter((each) => !given.includes(each));
    return lacks.map((capability) => finding('capability_missing', { path: asked, capability }));
  });
  if (may(TOO_WIDE[0] ?? '').includes('root')) return missing; // told once, as `broker_is_root`
  const unseen = need.entity && !may(ENTITIES).includes('list') ? [finding('strays_unseen', { path: ENTITIES })] : [];
  const wide = TOO_WIDE.filter((asked) => may(asked).some((each) => WRITES.includes(String(each))));
  return [...missing, ...unseen, ...wide.map((asked) => finding('broker_too_wide', { path: asked }))];
}

async function checkRole(ask: Server, need: Need, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  const step = 'role_read';
  const reply = await ask({ step, method: 'GET', path: at`auth/token/roles/${need.role}`, accept: [403, 404] }, signal);
  if (reply.status === 403) return []; // said by the capabilities
  if (reply.status === 404) return [finding('role_missing', { name: need.role })];
  return judge(need, parse(TokenRole, reply, step).data);
}

function judge(need: Need, role: TokenRole['data']): readonly HealthFinding[] {
  const { role: name, seconds } = need;
  const findings: HealthFinding[] = [];
  const max = role.token_explicit_max_ttl;
  if (!role.orphan) findings.push(finding('role_not_orphan', { name }));
  if (!role.renewable) findings.push(finding('role_not_renewable', { name }));
  if (!['service', 'default-service'].includes(role.token_type)) findings.push(finding('role_makes_batch', { name }));
  if (role.token_period > 0) findings.push(finding('role_is_periodic', { name }));
  const longest = seconds === undefined ? {} : { seconds: formatDuration(seconds) };
  if (max === 0) findings.push(finding('role_without_max', { name, ...longest }));
  else if (seconds !== undefined && max < seconds) findings.push(finding('role_max_too_short', { name, ...longest }));
  if (role.token_num_uses > 0 && (need.uses === 0 || need.uses > role.token_num_uses))
    findings.push(finding('role_counts_uses', { name }));
  for (const policy of need.policies)
    if (!allows(role, policy)) findings.push(finding('role_refuses_policy', { name, policy }));
  if (need.entity && !matchesAny(role.allowed_entity_aliases, SOME_NAME))
    findings.push(finding('role_refuses_alias', { name }));
  if (role.allowed_policies_glob.includes('*')) findings.push(finding('role_allows_any_policy', { name }));
  return findings;
}

function allows(role: TokenRole['data'], policy: string): boolean {
  const allowed = role.allowed_policies.includes(policy) || matchesAny(role.allowed_policies_glob, policy);
  return allowed && !role.disallowed_policies.includes(policy) && !matchesAny(role.disallowed_policies_glob, policy);
}

/** Vault's globs: `*` stands for anything, anywhere. */
function matchesAny(globs: readonly string[], name: string): boolean {
  return globs.some((glob) => {
    const parts = glob.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}
