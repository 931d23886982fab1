import type { TaskId } from './ids.ts';
import type { Parameters } from './profile.ts';
import type { Mapped } from './tool.ts';

export const TASK_MODES = ['observe', 'supervised', 'autonomous'] as const;
/**
 * `observe`: decisions are recorded and nothing is issued. `supervised`: every effect beyond read needs an approval.
 * `autonomous`: the policies alone decide.
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
  /** Ids from the root to itself. */
  readonly path: readonly TaskId[];
  readonly bounds: TaskBounds;
}

/** What a task allows of what the policies allow; what is absent is not bounded by it. */
export interface TaskBounds {
  readonly profiles?: readonly string[];
  readonly tools?: readonly string[];
  /** What a parameter may be, by its name. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly maxTtlSeconds?: number;
}

export const UNBOUNDED: TaskBounds = { parameters: {} };

/** Why a request does not lie within a task. */
export type TaskFault = 'profile' | 'environment' | `parameters.${string}`;

/** What of a request for a profile lies outside of its task; none: it lies within. */
export function outsideTask(
  task: Pick<Task, 'environment' | 'bounds'>,
  profile: { readonly name: string; readonly environment: string },
  parameters: Parameters,
): TaskFault[] {
  const { profiles, parameters: bound } = task.bounds;
  const faults: TaskFault[] = [];
  if (profiles && !profiles.includes(profile.name)) faults.push('profile');
  if (profile.environment !== task.environment) faults.push('environment');
  for (const [name, values] of Object.entries(bound)) {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    // A profile that has no such parameter is not narrowed by it, so it cannot be what the task meant.
    if (value === undefined || !values.includes(value)) faults.push(`parameters.${name}`);
  }
  return faults;
}

/** What of a call lies outside of the task that it is made on; none: it lies within. */
export type CallFault = 'tool' | 'grant' | 'environment' | `parameters.${string}`;

/**
 * A parameter that the task binds is bound in the call as well: as the mapped argument of that name, else as the grant has it, whose
 * credential reaches nothing else.
 */
export function outsideTaskCall(
  { environment, bounds }: Pick<Task, 'environment' | 'bounds'>,
  tool: { readonly name: string; readonly environment: string },
  mapped: Mapped,
  granted: Parameters,
): CallFault[] {
  const faults: CallFault[] = [];
  if (bounds.tools && !bounds.tools.includes(tool.name)) faults.push('tool');
  if (tool.environment !== environment) faults.push('environment');
  for (const [name, values] of Object.entries(bounds.parameters)) {
    const given = [mapped, granted].flatMap((all) => (Object.hasOwn(all, name) ? [all[name]] : []));
    const within = (value: Mapped[string] | undefined) =>
      typeof value === 'object' ? value.every((item) => values.includes(item)) : values.includes(String(value));
    if (given.length === 0 || !given.every(within)) faults.push(`parameters.${name}`);
  }
  return faults;
}
