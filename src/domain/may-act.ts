import type { Operator, OperatorRole, Reach } from './identity.ts';

/** What is to be acted on. What is left out may be anything: a limit to owners does not reach something of no known owner. */
export interface About {
  readonly owner?: string | undefined;
  readonly environment?: string | undefined;
}

/** Whether an operator has a role, and it reaches this. The one place where limits of roles are held. */
export function mayActOn(operator: Operator, role: OperatorRole, about: About): boolean {
  if (!operator.roles.includes(role)) return false;
  const reaches = operator.reaches?.[role];
  return reaches === undefined || reaches.some((reach) => covers(reach, about));
}

/** How far the roles reach together, for whoever looks for what lies within; undefined: everything. */
export function reachOf(operator: Operator, roles: readonly OperatorRole[]): readonly Reach[] | undefined {
  const held = operator.roles.filter((role) => roles.includes(role));
  const limited = held.map((role) => operator.reaches?.[role]);
  return limited.includes(undefined) ? undefined : limited.flatMap((reaches) => reaches ?? []);
}

function covers({ owners, environments }: Reach, { owner, environment }: About): boolean {
  const within = (names: readonly string[] | undefined, name: string | undefined) =>
    names === undefined || (name !== undefined && names.includes(name));
  return within(owners, owner) && within(environments, environment);
}
