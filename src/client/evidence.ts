/** The wire's words for the record (docs/http.md, *Evidence*). Hashes are base64. */
export interface EventFilter {
  readonly task?: string;
  readonly grant?: string;
  readonly type?: string;
}

export interface SealedEvent {
  /** Its place in the log. */
  readonly leaf: number;
  /** The event as it was sealed, to the byte: JSON. */
  readonly body: string;
}

export interface EventPage {
  readonly events: readonly SealedEvent[];
  /** Where to go on, also later. */
  readonly next_cursor: string;
  /** There is more already. */
  readonly more: boolean;
  /** How many events are sealed. */
  readonly size: number;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  /** The signed note (https://c2sp.org/tlog-checkpoint). */
  readonly checkpoint: string;
  /** The key that has signed it, as signed notes write keys. */
  readonly key: string;
}

export type ProofQuestion =
  | { readonly leaf: number }
  | { readonly seq: number }
  | { readonly old_size: number }
  | { readonly first: number; readonly end: number };

export type LogProof = ProofCommon &
  (
    | {
        readonly kind: 'inclusion';
        readonly leaf: number;
        readonly leaf_hash: string;
        readonly path: readonly string[];
      }
    | {
        readonly kind: 'consistency';
        readonly old_size: number;
        readonly old_root: string;
        readonly path: readonly string[];
      }
    | {
        readonly kind: 'range';
        readonly first: number;
        readonly end: number;
        readonly left: readonly string[];
        readonly right: readonly string[];
      }
  );

interface ProofCommon {
  readonly size: number;
  readonly root: string;
  /** Of this size, where there is one. */
  readonly checkpoint?: string;
}

/** Leaves from `first` up to, not including, `end`. */
export interface LeafRange {
  readonly first: number;
  readonly end: number;
}
