import type { TaskId } from './ids.ts';
import type { Parameters } from './profile.ts';
import type { Mapped } from './tool.ts';

export const TASK_MODES = ['observe', 'supervised', 'autonomous'] as const;
/**
 * `observe`: decisions are recorded and nothing is issued. `supervised`: every effect beyond read needs an approval.
 * `autonomous`: the policies alone decide. From the most restrictive to the least.
 */
export type TaskMode = (typeof TASK_MODES)[number];

/** The piece of work for which access is wanted. */
export interface Task {
  readonly id: TaskId;
  readonly purpose: string;
  readonly mode: TaskMode;
  /** Always the profile's for a task that a single call makes: an agent does not choose its environment. */
  readonly environment: string;
  /** Made by a single call for itself, rather than created first. */
  readonly implicit: boolean;
  readonly endsAt?: Date;
  readonly onBehalfOf?: string;
  /** Where a token of theirs was verified; otherwise a workload has only named them, and policy permitted that. */
  readonly verified?: VerifiedPrincipal;
  /** Ids from the root to itself. */
  readonly path: readonly TaskId[];
  /** The workloads on the same way. */
  readonly chain: readonly ChainLink[];
  readonly bounds: TaskBounds;
}

/** What a trust entry says of somebody on whose behalf a workload acts. */
export interface VerifiedPrincipal {
  readonly trust: string;
  readonly groups: readonly string[];
  readonly issuer?: string;
  readonly subject?: string;
}

/** On whose behalf a task is asked for. */
export interface Principal {
  readonly id: string;
  readonly verified?: VerifiedPrincipal & { readonly vouchedUntil: Date };
}

/** A workload on a task's chain. Issuer and subject of its evidence, where they are known, tell whether it is an operator too. */
export interface ChainLink {
  readonly trust: string;
  readonly id: string;
  readonly issuer?: string;
  readonly subject?: string;
}

/** What a task allows of what the policies allow; what is absent is not bounded by it. */
export interface TaskBounds {
  /** All environments that it reaches; absent: its own alone. */
  readonly environments?: readonly string[];
  readonly profiles?: readonly string[];
  readonly tools?: readonly string[];
  /** What a parameter may be, by its name. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly maxTtlSeconds?: number;
}

export const UNBOUNDED: TaskBounds = { parameters: {} };

/** Why a request does not lie within a task. */
export type TaskFault = 'profile' | 'environment' | `parameters.${string}`;

/** All environments that a task reaches. */
export function environmentsOf({ environment, bounds }: Pick<Task, 'environment' | 'bounds'>): readonly string[] {
  return bounds.environments ?? [environment];
}

/** What of a request for a profile lies outside of its task; none: it lies within. */
export function outsideTask(
  task: Pick<Task, 'environment' | 'bounds'>,
  profile: { readonly name: string; readonly environment: string },
  parameters: Parameters,
): TaskFault[] {
  const { profiles, parameters: bound } = task.bounds;
  const faults: TaskFault[] = [];
  if (profiles && !profiles.includes(profile.name)) faults.push('profile');
  if (!environmentsOf(task).includes(profile.environment)) faults.push('environment');
  for (const [name, values] of Object.entries(bound)) {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    // A profile that has no such parameter is not narrowed by it, so it cannot be what the task meant.
    if (value === undefined || !values.includes(value)) faults.push(`parameters.${name}`);
  }
  return faults;
}

/** How often it was handed on. */
export function hopOf({ path }: Pick<Task, 'path'>): number {
  return path.length - 1;
}

/** Who may not answer what is asked for on a task, because they asked, are who it is for, or handed it on. */
export function peopleOn(
  { verified, chain }: Pick<Task, 'verified' | 'chain'>,
  asking: { readonly issuer?: string; readonly subject?: string },
): { readonly issuer: string; readonly subject: string }[] {
  const people = [verified ?? {}, ...chain, asking].flatMap(({ issuer, subject }: Partial<ChainLink>) =>
    issuer !== undefined && subject !== undefined ? [{ issuer, subject }] : [],
  );
  return [...new Map(people.map((who) => [JSON.stringify([who.issuer, who.subject]), who])).values()];
}

/** What of a call lies outside of the task that it is made on; none: it lies within. */
export type CallFault = 'tool' | 'grant' | 'environment' | `parameters.${string}`;

/**
 * A parameter that the task binds is bound in the call as well: as the mapped argument of that name, else as the grant has it, whose
 * credential reaches nothing else. A list of none binds nothing: to many a tool it says everything.
 */
export function outsideTaskCall(
  task: Pick<Task, 'environment' | 'bounds'>,
  tool: { readonly name: string; readonly environment: string },
  mapped: Mapped,
  granted: Parameters,
): CallFault[] {
  const { bounds } = task;
  const faults: CallFault[] = [];
  if (bounds.tools && !bounds.tools.includes(tool.name)) faults.push('tool');
  if (!environmentsOf(task).includes(tool.environment)) faults.push('environment');
  for (const [name, values] of Object.entries(bounds.parameters)) {
    const given = [mapped, granted].flatMap((all) => (Object.hasOwn(all, name) ? [all[name]] : []));
    const within = (value: Mapped[string] | undefined) =>
      typeof value === 'object'
        ? value.length > 0 && value.every((item) => values.includes(item))
        : values.includes(String(value));
    if (given.length === 0 || !given.every(within)) faults.push(`parameters.${name}`);
  }
  return faults;
}
