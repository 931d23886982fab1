import type { Token } from './answers.ts';
import { wrong } from './errors.ts';
import type { VaultRequest } from './plan.ts';

/**
 * Holds the token that there is, as Vault itself describes it, against the plan. Narrower is as wrong as wider: it is not
 * what was decided. @param entity - the id of the grant's own entity; none: ''.
 * @throws ProviderError `provider_answer_wrong` with the first member that differs.
 */
export function holdAgainst({ token: planned, token_role }: VaultRequest, token: Token, entity: string): void {
  const same: Readonly<Record<string, boolean>> = {
    policies: sameNames(token.policies, planned.policies),
    // What an entity's groups bring along.
    identity_policies: token.identity_policies.length === 0,
    ttl: token.creation_ttl === inSeconds(planned.ttl) && token.ttl <= inSeconds(planned.ttl),
    explicit_max_ttl: token.explicit_max_ttl === inSeconds(planned.explicit_max_ttl),
    period: (token.period ?? 0) === 0,
    num_uses: token.num_uses === planned.num_uses,
    orphan: token.orphan,
    renewable: token.renewable === true,
    type: token.type === planned.type,
    role: token.role === token_role,
    meta: sameMembers(token.meta ?? {}, planned.meta),
    entity_id: token.entity_id === entity,
  };
  const differs = Object.keys(same).find((member) => same[member] === false);
  if (differs !== undefined) throw wrong(differs);
}

export function inSeconds(duration: string): number {
  return Number.parseInt(duration, 10);
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  const sorted = [...others].sort();
  return some.length === others.length && [...some].sort().every((name, at) => name === sorted[at]);
}

function sameMembers(some: Readonly<Record<string, string>>, others: Readonly<Record<string, string>>): boolean {
  const members = Object.entries(others);
  return Object.keys(some).length === members.length && members.every(([key, value]) => ownOf(some, key) === value);
}

const ownOf = (members: Readonly<Record<string, string>>, key: string) =>
  Object.hasOwn(members, key) ? members[key] : undefined;
