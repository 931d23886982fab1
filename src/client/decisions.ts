import type { JsonObject } from '../domain/json.ts';

/** A decision on record, with everything that the policies saw. Times are RFC 3339 UTC. */
export interface DecisionRecord {
  readonly id: string;
  readonly at: string;
  /** `create_task`, `issue`, `renew`, `delegate` or `call`. */
  readonly action: string;
  readonly generation: number;
  readonly rules_hash: string;
  readonly trust: string;
  readonly subject: string;
  /** The profile or the tool. */
  readonly resource: string;
  readonly task: string | null;
  readonly grant: string | null;
  readonly mode: string | null;
  readonly outcome: 'allow' | 'deny' | 'approval';
  readonly code: string | null;
  readonly policies: readonly string[];
  readonly inputs: JsonObject;
  readonly arguments_hash: string | null;
  readonly call_outcome: JsonObject | null;
}

export interface DecisionPage {
  readonly decisions: readonly DecisionRecord[];
  /** Absent on the last page. */
  readonly next_cursor?: string;
}

export interface DecisionPeriod {
  readonly from: string;
  /** Default: now. */
  readonly to?: string;
}

/** A generation, with its files. */
export interface GenerationText {
  readonly number: number;
  readonly hash: string;
  readonly activated_at: string;
  readonly files: Readonly<Record<string, string>>;
}
