import type { DecisionRecord } from '../client/index.ts';

/** How a decision comes out when it is made again. */
export type Replayed = { readonly kind: 'not_asked' } | { readonly kind: 'same' | 'differs'; readonly now: Redecided };

export interface Redecided {
  readonly outcome: 'allow' | 'deny' | 'approval';
  readonly code: string | null;
  readonly policies: readonly string[];
}

/**
 * Commands that work without a server. `main.ts` builds them, lazily, and hands them in: this room imports no other than
 * `client`. Each prints for itself, and answers with an exit code of `exit.ts` or throws an error that `report.ts` knows.
 * Directories and files are as they were given, relative to the working directory.
 */
export interface LocalCommands {
  /** Stays until it is told to stop. */
  serve(options: { readonly config: string }): Promise<number>;
  /** The embedded default. Without `port`, `PORT` or 8080. */
  dev(options: { readonly config: string; readonly state: string; readonly port?: number }): Promise<number>;
  /** Of the database that the configuration names, or of `url` itself. */
  migrate(options: { readonly config: string } | { readonly url: string }): Promise<number>;
  /** Prints every problem. With `writeSchema` it first writes the generated Cedar schema. */
  check(options: { readonly config: string; readonly json: boolean; readonly writeSchema: boolean }): Promise<number>;
  /** Prints a development identity token. `ttl` in seconds. */
  identity(options: { readonly id: string; readonly state: string; readonly ttl?: number }): Promise<number>;
  /** Runs the cases under `directory`, by default those of the configuration's rules. */
  policyTest(options: {
    readonly directory?: string;
    readonly config: string;
    readonly json: boolean;
  }): Promise<number>;
  /** What would be decided of the request in `file`, by which policies, and what would be asked of the provider. */
  policyExplain(options: { readonly file: string; readonly config: string; readonly json: boolean }): Promise<number>;
  /**
   * What recorded decisions come to under other rules: those of a configuration, or of a generation's files. Rules that do not check
   * are an error. @throws ProblemsError
   */
  replay(
    rules: { readonly config: string } | { readonly files: Readonly<Record<string, string>> },
  ): Promise<(recorded: DecisionRecord) => Replayed>;
  /** The files that `writ apply` sends: path inside the rules' directory, with `/`, to text. @throws ProblemsError */
  readRules(options: { readonly config: string }): Promise<{ readonly files: Readonly<Record<string, string>> }>;
}
