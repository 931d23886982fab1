/** What can go wrong while the embedded Postgres is made ready; the message tells a person what to do. */
export type EmbeddedErrorCode =
  | 'no_binaries' // this platform has none, or they are not installed
  | 'no_server_user' // root, and there is no account to run a server as
  | 'state_unusable' // the state directory belongs to somebody else
  | 'in_use' // another living process holds the server
  | 'did_not_start'
  | 'did_not_stop';

export class EmbeddedError extends Error {
  readonly code: EmbeddedErrorCode;
  constructor(code: EmbeddedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedError';
    this.code = code;
  }
}

/** The code of a system's error (`ENOENT`); an error of Node's own need not be an `Error` of this context. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
