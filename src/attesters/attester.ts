import type { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { Identity } from '../domain/identity.ts';
import type { Outbound } from '../domain/outbound.ts';
import type { TrustEntry } from '../domain/trust.ts';
import type { KeySources } from './keys/sources.ts';

export type { TrustEntry } from '../domain/trust.ts';

/** What a caller shows. More kinds (a client certificate, a proof of possession) become members of this union. */
export type Evidence = { readonly kind: 'bearer'; readonly token: string };

/** One trust entry at work: turns evidence into an identity, or refuses it with a closed code (`Refusal`). */
export interface Attester {
  readonly kind: string;
  /** Name of the trust entry. */
  readonly name: string;
  /** Whether evidence with these claims, not verified yet, is this entry's to judge. Decides nothing else. */
  claims(unverified: UnverifiedToken): boolean;
  /** @throws Refusal `evidence_*`; Fault `evidence_source_unavailable` when its keys cannot be had. */
  attest(token: UnverifiedToken, now: Date): Promise<Verified<Identity>>;
  /** For readiness and metrics: how old the keys are, and whether the last fetch failed. */
  status(): AttesterStatus;
}

/** What was made of a token, and how the same token counts when it is shown again. */
export interface Verified<T> {
  readonly value: T;
  /**
   * The value as of `now` without looking at the signature again; `undefined` when it must be verified afresh, because
   * the key has left its source or the answer is too old. @throws Refusal `evidence_expired`, `evidence_not_yet_valid`.
   */
  recall(now: Date): T | undefined;
}

/** A compact JWS that was taken apart strictly: canonical base64url, no duplicate members, within the size limit. */
export interface UnverifiedToken {
  readonly raw: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface AttesterStatus {
  readonly name: string;
  readonly kind: string;
  /** False while the last attempt to have the keys, or the last review, failed. */
  readonly healthy: boolean;
  /** Seconds since the keys were last fetched or read; absent before the first time. */
  readonly keysAgeSeconds?: number;
  readonly lastError?: string;
  /** Why keys of the current set are not used, such as `rsa_too_small`; one item a key. */
  readonly refusedKeys?: readonly string[];
}

/** A kind of trust entry: how its configuration is written, and how it is made. */
export interface AttesterKind<Config = unknown> {
  readonly kind: string;
  /** The entry without `name`, `kind`, `vouches_for`, `max_age`, which all kinds share. */
  readonly config: z.ZodType<Config>;
  /** `entry.config` is what `config` parsed. Fetches nothing yet. */
  create(entry: TrustEntry<Config>, deps: AttesterDeps): Attester;
}

export interface AttesterDeps {
  /** What evidence must be made out to. */
  readonly audience: string;
  readonly clock: Clock;
  readonly outbound: Outbound;
  /** Reads a file named in the configuration, relative to its directory. */
  readonly readFile: (path: string) => Promise<string>;
  /** Where keys come from; one for the whole process, so that entries with one source share it. */
  readonly keys: KeySources;
}
