/** Exit codes (docs/cli.md). `exec` passes its command's own on, once that has started. */
export const EXIT = {
  ok: 0,
  /** Refused, failed, problems found. */
  failed: 1,
  /** Wrong arguments, or a setting that is missing or malformed. */
  usage: 2,
  /** A revocation that was accepted and is not confirmed yet. */
  pending: 3,
  /** The broker, or something that it needs, cannot be reached or cannot do it now: try again. */
  unavailable: 4,
  /** `exec`: the command was found and cannot be run; was not found. As shells say it. */
  notExecutable: 126,
  notFound: 127,
} as const;

/** A failure of the command line's own, as one line for a person: code, sentence, what would help. */
export class CliError extends Error {
  readonly code: string;
  readonly exit: number;
  readonly help: string | undefined;
  constructor(code: string, sentence: string, options: { readonly exit: number; readonly help?: string }) {
    super(sentence);
    this.name = 'CliError';
    this.code = code;
    this.exit = options.exit;
    this.help = options.help;
  }
}

export function usage(sentence: string, help?: string): CliError {
  return new CliError('usage', sentence, { exit: EXIT.usage, ...(help !== undefined && { help }) });
}
