/**
 * Where the sealed log is kept, shared by every replica. What it holds is order and hashes; that they are right is for this
 * room to see, and for whoever keeps a checkpoint.
 */
export interface LogStore {
  head(): Promise<LogHead>;

  /**
   * The next events to be sealed, in their order, of transactions that are over and beside which no older one can appear:
   * up to `events`, and up to `bytes` of text where that is more than one. `from` is the head's `tx`; '0' looks at everything.
   */
  unsealed(
    from: string,
    limits: { readonly events: number; readonly bytes: number },
  ): Promise<readonly UnsealedEvent[]>;

  /** All or nothing. False: another sealer came first, and nothing was changed. */
  seal(batch: SealedBatch): Promise<boolean>;

  /** Stored hashes by position (`stored.ts`), in the order asked for; fewer where one is missing. */
  hashes(positions: readonly number[]): Promise<readonly Uint8Array[]>;

  /** The newest checkpoint that was kept. */
  newestCheckpoint(): Promise<KeptCheckpoint | undefined>;

  /** False: there is one of this size. */
  keepCheckpoint(checkpoint: KeptCheckpoint): Promise<boolean>;
}

export interface LogHead {
  /** Which log this is; stays with the database wherever it is restored. */
  readonly logId: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** The last event sealed, in the order of sealing; '0' where transaction ids have started again since. */
  readonly tx: string;
  readonly seq: string;
  readonly sealedAt: Date | null;
  /** The newest checkpoint's size; 0: there is none. */
  readonly checkpointSize: number;
}

export interface UnsealedEvent {
  /** As the database writes it, to the microsecond; only ever handed back. */
  readonly at: string;
  readonly seq: string;
  /** Null: of a transaction of another server, which came with a restore. */
  readonly tx: string | null;
  readonly body: string;
}

export interface SealedBatch {
  /** The head that it goes on from. */
  readonly size: number;
  readonly events: readonly UnsealedEvent[];
  /** What becomes complete with it, as it is stored. */
  readonly hashes: Uint8Array;
  readonly root: Uint8Array;
}

export interface KeptCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  readonly origin: string;
  /** The key that has signed it, as `note.ts` writes keys. */
  readonly key: string;
  readonly note: string;
}

export const LOG_FAULTS = [
  /** A stored hash is missing, or the hashes do not lead to the root. */
  'hashes_damaged',
  /** The log is shorter than what was signed. */
  'shorter_than_signed',
  /** The log does not begin with what was signed. */
  'differs_from_signed',
] as const;
export type LogFault = (typeof LOG_FAULTS)[number];

/** The log is not what it was. Whoever has noticed seals and signs nothing more on top of it. */
export class LogDamaged extends Error {
  readonly code: LogFault;
  constructor(code: LogFault, message: string) {
    super(message);
    this.name = 'LogDamaged';
    this.code = code;
  }
}
