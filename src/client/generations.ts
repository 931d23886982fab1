/** The rules as files: path inside the rules' directory, with `/`, to text. */
export type RuleFiles = Readonly<Record<string, string>>;

export interface Generation {
  /** Absent on a dry run. */
  readonly number?: number;
  readonly hash: string;
  readonly difference: RulesDifference;
  /** Absent on a dry run. */
  readonly activated_at?: string;
  /** The files are those of the active generation: nothing was activated. */
  readonly unchanged?: boolean;
}

/** What a generation changes of the one before it. */
export interface RulesDifference {
  /** Paths of files. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** For people: a line for each profile's member and each policy. */
  readonly summary: readonly string[];
}
