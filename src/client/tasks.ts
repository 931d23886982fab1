import type { TaskMode } from '../domain/task.ts';
import type { Json } from '../domain/json.ts';
import type { GrantDecision } from './grants.ts';

/** What bounds a task; what is left out is not bounded by it, or, of a part of a task, is as its parent has it. */
export interface TaskBounds {
  /** RFC 3339. */
  readonly ends_at?: string;
  /** All environments that it reaches; default its own alone. */
  readonly environments?: readonly string[];
  readonly profiles?: readonly string[];
  readonly tools?: readonly string[];
  /** What a parameter may be, by its name. */
  readonly parameters?: Readonly<Record<string, readonly string[]>>;
  readonly max_ttl_seconds?: number;
  readonly max_grants?: number;
  readonly max_calls?: number;
}

export interface TaskRequest extends TaskBounds {
  readonly purpose: string;
  readonly mode: TaskMode;
  readonly environment: string;
  /** A name, which policy must let this workload give, or a token of theirs, which is verified. */
  readonly on_behalf_of?: string | { readonly token: string };
}

/** What of its parent's task a sub-agent wants. */
export interface TaskWish extends TaskBounds {
  /** Added to the purpose that is there. */
  readonly purpose?: string;
  readonly mode?: TaskMode;
  readonly environment?: string;
}

export interface Task {
  readonly id: string;
  readonly state: 'open' | 'ended';
  readonly parent: string | null;
  readonly root: string;
  /** How often it was handed on. */
  readonly hop: number;
  readonly trust: string;
  readonly subject: string;
  readonly purpose: string;
  readonly on_behalf_of: string | null;
  readonly principal: { readonly [member: string]: Json } | null;
  readonly mode: TaskMode;
  readonly environment: string;
  readonly environments: readonly string[];
  readonly profiles: readonly string[] | null;
  readonly tools: readonly string[] | null;
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly max_ttl_seconds: number | null;
  readonly max_grants: number | null;
  readonly grants_used: number;
  readonly max_calls: number | null;
  readonly calls_used: number;
  readonly created_at: string;
  readonly ends_at: string;
  /** `request`, `default`, `max`, `policy:<id>`, `principal` or `parent`; null of one that a single call made for itself. */
  readonly ends_at_decided_by: string | null;
  readonly ended_at: string | null;
  readonly ended_why: 'ended' | 'deadline' | 'revoked' | null;
}

/** With what was handed on below it, from the top down. */
export interface TaskTree extends Task {
  readonly below: readonly Pick<Task, 'id' | 'parent' | 'hop' | 'trust' | 'subject' | 'state'>[];
  /** There is more below it than is shown. */
  readonly cut: boolean;
}

/** What a list of tasks may be narrowed by. */
export interface TaskFilter {
  readonly state?: Task['state'];
  readonly agent?: string;
  /** Itself, and all below it. */
  readonly task?: string;
  readonly on_behalf_of?: string;
  /** That it reaches. */
  readonly environment?: string;
  readonly mode?: TaskMode;
}

export interface TaskPage {
  readonly tasks: readonly Task[];
  /** Absent on the last page. */
  readonly next_cursor?: string;
}

/** The answer to making one. */
export interface CreatedTask extends Task {
  readonly decision: GrantDecision;
  /** A transaction token: travels in `Txn-Token`, and counts only with the evidence of the workload that it was made for. */
  readonly token: string;
}

export interface EndedTask extends TaskTree {
  readonly ended: { readonly tasks: number; readonly grants: number; readonly done: boolean };
}

/** RFC 8693 §2.2.1. */
export interface TaskTokenAnswer {
  /** The task token. */
  readonly access_token: string;
  readonly issued_token_type: string;
  readonly token_type: 'N_A';
  readonly expires_in: number;
  readonly scope: string;
  readonly task: string;
}
