import type { JsonObject } from '../domain/json.ts';

/** While it stands, no month that it covers is archived. */
export interface LegalHold {
  readonly id: string;
  readonly reason: string;
  /** Null: from the beginning, without an end. */
  readonly from: string | null;
  readonly to: string | null;
  readonly placed_by: JsonObject;
  readonly placed_at: string;
  readonly lifted_by: JsonObject | null;
  readonly lifted_at: string | null;
  readonly lift_reason: string | null;
}

/** What sinks did not take, and how far each is. */
export interface DeadLetters {
  readonly sinks: readonly SinkState[];
  readonly dead_letters: readonly DeadLetter[];
  readonly next_cursor?: string;
}

export interface SinkState {
  readonly name: string;
  /** The first leaf that is not settled. */
  readonly position: number;
  /** Sealed events that it was not given yet. */
  readonly lag: number;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly delivered_at: string | null;
  readonly dead_letters: number;
}

export interface DeadLetter {
  readonly sink: string;
  readonly leaf: number;
  readonly task: string | null;
  readonly error: string;
  readonly at: string;
  /** When somebody asked that it be tried again. */
  readonly replay_at: string | null;
  /** How often in a row it was tried again and not answered, and when that is next. */
  readonly attempts: number;
  readonly due_at: string | null;
}
