import type { JsonObject } from '../domain/json.ts';

/** The rules as files: path inside the rules' directory, with `/`, to text. */
export type RuleFiles = Readonly<Record<string, string>>;

export interface Generation {
  /** Absent on a dry run. */
  readonly number?: number;
  readonly hash: string;
  /** What it changes of the generation before it. */
  readonly difference: JsonObject;
  /** Absent on a dry run. */
  readonly activated_at?: string;
  /** The files are those of the active generation: nothing was activated. */
  readonly unchanged?: boolean;
}
