import type { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { Identity } from '../domain/identity.ts';
import type { Outbound } from '../domain/outbound.ts';

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
  attest(token: UnverifiedToken, now: Date): Promise<Identity>;
  /** For readiness and metrics: how old the keys are, and whether the last fetch failed. */
  status(): AttesterStatus;
  close(): void;
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
  readonly healthy: boolean;
  /** Seconds since the keys were last fetched or read; absent before the first time. */
  readonly keysAgeSeconds?: number;
  readonly lastError?: string;
}

/** A kind of trust entry: how its configuration is written, and how it is made. */
export interface AttesterKind<Config = unknown> {
  readonly kind: string;
  /** The entry without `name`, `kind`, `vouches_for`, `max_age`, which all kinds share. */
  readonly config: z.ZodType<Config>;
  create(entry: TrustEntry<Config>, deps: AttesterDeps): Attester;
}

export interface TrustEntry<Config = unknown> {
  readonly name: string;
  readonly kind: string;
  /** Seconds; absent: the evidence's own end. */
  readonly vouchesFor?: number;
  /** Seconds since `iat` after which evidence is refused whatever its `exp` says; default one hour. */
  readonly maxAge?: number;
  readonly config: Config;
}

export interface AttesterDeps {
  /** What evidence must be made out to. */
  readonly audience: string;
  readonly clock: Clock;
  readonly outbound: Outbound;
  /** Reads a file named in the configuration, relative to its directory. */
  readonly readFile: (path: string) => Promise<string>;
}
