export type KeyProblemCode =
  /** Wrapped under a key-encryption key that the configuration does not name. */
  | 'unknown_encryption_key'
  /** What is stored is not what was stored, or was stored under another key of the same id. */
  | 'tampered'
  /** The two halves of a key do not fit each other. */
  | 'halves_do_not_fit'
  /** No key of this class can sign now. */
  | 'no_signing_key'
  /** The store did not answer. */
  | 'store_unavailable';

/** Why keys cannot be used: the cause of a Fault `keys_unavailable`. Names keys, never holds one. */
export class KeyProblem extends Error {
  readonly code: KeyProblemCode;
  /** A signing key's id, or a key-encryption key's, or a class of token. */
  readonly about: string;
  constructor(code: KeyProblemCode, about: string, options?: ErrorOptions) {
    super(`${code}: ${about}`, options);
    this.name = 'KeyProblem';
    this.code = code;
    this.about = about;
  }
}
