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

/**
 * The same for tasks, which belong to environments and to no owner: sets of environments, one a role, of which one must hold all that a task
 * reaches. A limit to owners reaches no task.
 */
export function reachOfTasks(
  operator: Operator,
  roles: readonly OperatorRole[],
): readonly (readonly string[])[] | undefined {
  const sets = operator.roles
    .filter((role) => roles.includes(role))
    .map((role) => environmentsWithin(operator.reaches?.[role]));
  const limited = sets.filter((set) => set !== undefined);
  return limited.length < sets.length ? undefined : limited;
}

function environmentsWithin(reaches: readonly Reach[] | undefined): readonly string[] | undefined {
  const ofTasks = reaches?.filter(({ owners }) => owners === undefined);
  if (!ofTasks || ofTasks.some(({ environments }) => environments === undefined)) return undefined;
  return ofTasks.flatMap(({ environments }) => environments ?? []);
}

function covers({ owners, environments }: Reach, { owner, environment }: About): boolean {
  const within = (names: readonly string[] | undefined, name: string | undefined) =>
    names === undefined || (name !== undefined && names.includes(name));
  return within(owners, owner) && within(environments, environment);
}
