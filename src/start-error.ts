/** Of an address that cannot be listened on (docs/operations.md). */
export const START_ERROR_CODES = ['address_in_use', 'address_not_allowed', 'address_not_here'] as const;
export type StartErrorCode = (typeof START_ERROR_CODES)[number];

/** What `serve` refuses to begin with. */
export class StartError extends Error {
  /** Where a program could do something about it. */
  readonly code: StartErrorCode | undefined;
  constructor(message: string, { code, ...options }: ErrorOptions & { readonly code?: StartErrorCode } = {}) {
    super(message, options);
    this.name = 'StartError';
    this.code = code;
  }
}
