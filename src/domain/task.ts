import type { TaskId } from './ids.ts';

export const TASK_MODES = ['observe', 'supervised', 'autonomous'] as const;
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
}
