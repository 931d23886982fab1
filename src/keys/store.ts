import type { JsonObject } from '../domain/json.ts';

/**
 * Where signing keys are kept, shared by every replica. Each change is one compare-and-set in one transaction together with
 * its event, answers whether it happened, and reads the time from the database. "Newest" is the key of a class whose
 * `signsUntil` is null; the database admits one of them for each class (a partial unique index).
 */
export interface KeyStore {
  /** Of every class, oldest first: all keys but those that are gone (`goneAt` <= now) and wiped. */
  list(): Promise<readonly KeyRow[]>;

  /**
   * `after` null, the first key of a class: if the class has no newest key, inserts `key` with `signsFrom` = now.
   * `after` a kid: if that key is still the newest of the class, in one transaction
   * sets its `signsUntil` = now + `leadSeconds` and its `goneAt` = now + `leadSeconds` + `keepSeconds`, and
   * inserts `key` with `signsFrom` = now + `leadSeconds`.
   * In both `createdAt` = now, and `signsUntil`, `goneAt`, `wipedAt` = null. False: another replica was first, nothing is changed.
   */
  add(key: NewKey, succession: Succession): Promise<boolean>;

  /**
   * Replaces `wrapped` by a text without the private half and sets `wipedAt` = now: if `wrapped` is still `from` and
   * `signsUntil` <= now. False: nothing is changed.
   */
  wipe(kid: string, from: string, to: Wrapped): Promise<boolean>;

  /** Replaces `wrapped` by the same under another key-encryption key: if `wrapped` is still `from`. False: nothing is changed. */
  rewrap(kid: string, from: string, to: Wrapped): Promise<boolean>;
}

export interface NewKey extends Wrapped {
  readonly kid: string;
  /** A class of token. A later version may store classes that this one does not know. */
  readonly class: string;
  readonly alg: string;
  readonly publicJwk: JsonObject;
}

/** What wrap.ts makes: opaque to the store, never null. */
export interface Wrapped {
  /** Id of the key-encryption key. */
  readonly encryptionKey: string;
  /** The private half, encrypted; once wiped, a seal over the public half alone. Different each time it is written. */
  readonly wrapped: string;
}

export interface Succession {
  /** Kid of the newest key of the class, as this replica knows it; null: there is none. */
  readonly after: string | null;
  readonly leadSeconds: number;
  readonly keepSeconds: number;
}

export interface KeyRow extends NewKey {
  readonly createdAt: Date;
  readonly signsFrom: Date;
  /** Null: until there is a successor. */
  readonly signsUntil: Date | null;
  /** When the last token that it can have signed has ended. */
  readonly goneAt: Date | null;
  /** When its private half left the store for good. */
  readonly wipedAt: Date | null;
}
