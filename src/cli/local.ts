import type { DecisionRecord, OperatorVerbs } from '../client/index.ts';
import type { Framework } from '../domain/controls.ts';

/** What `writ audit verify` is asked: a ledger, by default that of DATABASE_URL, or an export alone. */
export interface VerifyOptions {
  readonly database?: string;
  readonly export?: string;
  /** Files of checkpoints that were kept elsewhere. */
  readonly checkpoints: readonly string[];
  /** Files of months that were put away. */
  readonly archives: readonly string[];
  /** Keys of signers, or files of them. */
  readonly keys: readonly string[];
  readonly json: boolean;
  readonly onProgress: (done: number, total: number) => void;
  /** What is shown of the progress is out of the way. */
  readonly beforeReport: () => Promise<void>;
}

/** What `writ audit archive` is asked. */
export interface ArchiveOptions {
  /** Of the database, by a login that owns it. */
  readonly url: string;
  readonly month: string;
  readonly out: string;
  readonly drop: boolean;
  /** Also what a sink was not given yet. */
  readonly force: boolean;
  /** Has the broker put on record who asks, once there is something to be put away; answers the request's id. */
  readonly request: () => Promise<string>;
}

/** What `writ audit export` is asked. `from` and `to` are leaves or times. */
export interface ExportOptions {
  readonly operator: OperatorVerbs;
  /** Default: jsonl. */
  readonly format?: 'jsonl' | 'ocsf';
  readonly from?: string;
  readonly to?: string;
  readonly out?: string;
  readonly checkpoints: readonly string[];
  readonly write: (text: string) => Promise<void>;
  readonly note: (text: string) => Promise<void>;
  readonly onProgress: (done: number, total: number) => void;
}

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
  /** The mapping of a framework: of the configuration's `controls/`, or one that comes with Writ. @throws ProblemsError */
  readFramework(options: { readonly config: string; readonly framework: string }): Promise<Framework>;
  /** Puts a month of the record away, as the database's owner. */
  archive(options: ArchiveOptions): Promise<number>;
  /** Holds an archive against the checkpoint inside it. */
  checkArchive(options: { readonly file: string }): Promise<number>;
  /** Prints what it finds; 1 when there is any. */
  auditVerify(options: VerifyOptions): Promise<number>;
  /** Writes to `out`, or by `write`. */
  auditExport(options: ExportOptions): Promise<number>;
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
