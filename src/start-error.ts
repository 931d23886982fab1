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

export type StartErrorCode = 'address_in_use' | 'address_not_allowed' | 'address_not_here';
