import type { JsonObject } from '../domain/json.ts';

/** A page of a task's record, as `GET /v1/tasks/{id}/timeline` gives it; what is not of single events comes with the first page alone. */
export interface TaskTimeline {
  readonly task: string;
  /** The task, and every one that hangs below it, in the order in which they were made. */
  readonly hops: readonly TimelineHop[];
  /** Events in their order. */
  readonly entries: readonly TimelineEntry[];
  readonly decisions: readonly TimelineDecision[];
  readonly credentials: readonly TimelineCredential[];
  readonly orders: readonly JsonObject[];
  /** Months that it reaches into and that were put away: what happened then is in their archives, and not here. */
  readonly archived: readonly string[];
  /** There are more tasks or credentials than are shown. */
  readonly cut: boolean;
  readonly next_cursor?: string;
}

export interface TimelineHop {
  readonly id: string;
  readonly parent: string | null;
  /** How far below the task that was asked for. */
  readonly depth: number;
  readonly workload: { readonly trust: string; readonly id: string };
  readonly on_behalf_of: string | null;
  readonly purpose: string;
  readonly mode: string;
  readonly environment: string;
  /** Everything that it reaches, that one included. */
  readonly environments: readonly string[];
  readonly state: string;
  readonly created_at: string;
  readonly ended_at: string | null;
  readonly ended_why: string | null;
}

export interface TimelineEntry {
  /** Its place in the sealed log; null while it is not sealed. */
  readonly leaf: number | null;
  readonly event: JsonObject;
}

export interface TimelineDecision {
  readonly id: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly generation: number;
  readonly rules_hash: string;
  /** Those that decided, with their text. */
  readonly policies: readonly { readonly id: string; readonly text: string | null }[];
  readonly controls: readonly string[];
}

export interface TimelineCredential {
  readonly grant: string;
  readonly mint: string;
  readonly kind: string;
  readonly provider: string;
  readonly profile: string;
  readonly state: string;
  /** What names the credential to its provider: an accessor, a session's name, a login. */
  readonly handle: JsonObject | null;
  readonly opened_at: string;
  readonly expires_at: string;
  readonly ended_at: string | null;
}
