import type { OperatorRole } from './identity.ts';

/** Roles whose word can be asked for. Whoever only reads does not decide. */
export const APPROVING_ROLES = ['approver', 'security', 'platform'] as const satisfies readonly OperatorRole[];
export type ApprovingRole = (typeof APPROVING_ROLES)[number];

/** So many people of a role. */
export interface ApprovalNeed {
  readonly role: ApprovingRole;
  readonly count: number;
}

/** All of them, each person for one place: whoever has two roles fills one place, not two. Sorted by role, a role once. */
export type ApprovalNeeds = readonly ApprovalNeed[];

/** Where nothing else is said. */
export const ONE_APPROVER: ApprovalNeeds = [{ role: 'approver', count: 1 }];

/** What satisfies each of several: of every role that one of them names, the most that any of them wants. */
export function strictest(several: readonly ApprovalNeeds[]): ApprovalNeeds {
  const most = new Map<ApprovingRole, number>();
  for (const { role, count } of several.flat()) most.set(role, Math.max(count, most.get(role) ?? 0));
  return [...most].map(([role, count]) => ({ role, count })).sort((a, b) => (a.role < b.role ? -1 : 1));
}

/**
 * Whether people with these roles fill all places, each person one place (Hall's theorem: whichever of the needs are
 * taken together, there are as many people who fit one of them as they have places). The ledger's `approval_met` is the same.
 */
export function meets(needs: ApprovalNeeds, people: readonly (readonly string[])[]): boolean {
  const subsets = Array.from({ length: 2 ** needs.length - 1 }, (_, index) =>
    needs.filter((__, place) => ((index + 1) >> place) % 2 === 1),
  );
  return subsets.every((subset) => {
    const places = subset.reduce((sum, { count }) => sum + count, 0);
    return people.filter((roles) => subset.some(({ role }) => roles.includes(role))).length >= places;
  });
}

/** Needs as they were stored, by this version or the one before it. @throws TypeError when they are none. */
export function readNeeds(stored: unknown): ApprovalNeeds {
  const list: readonly unknown[] = Array.isArray(stored) ? stored : [stored];
  return list.map((need) => {
    const { role, count } = (need ?? {}) as Readonly<Record<string, unknown>>;
    const known = APPROVING_ROLES.find((each) => each === role);
    if (!known || typeof count !== 'number') throw new TypeError('not the needs of an approval');
    return { role: known, count };
  });
}
