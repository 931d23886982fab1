import type { SignedCheckpoint } from './checkpoint.ts';

/**
 * A place outside the ledger that keeps checkpoints. Whoever can change the ledger must not be able to change what it keeps.
 */
export interface Witness {
  /** For people, metrics and logs: `file:checkpoints`. */
  readonly name: string;
  /** The last checkpoint that it has kept; undefined: none, or it cannot be asked. @throws when it cannot be reached. */
  readonly last: () => Promise<SignedCheckpoint | undefined>;
  /** Resolves once it is kept for good. */
  readonly publish: (note: string) => Promise<void>;
}
