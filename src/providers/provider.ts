import type { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { EndReason, Revocability } from '../domain/grant.ts';
import type { GrantId, MintId, TaskId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { Secret } from '../domain/secret.ts';

/** How often `upkeep` is called. */
export const UPKEEP_SECONDS = 20;

/** Mints and revokes credentials of one kind. Safe to call from any replica; holds nothing that a restart may lose. */
export interface Provider {
  readonly name: string;
  readonly kind: string;
  /** The longest life that this provider can give, in seconds, where it has one. */
  readonly maxTtlSeconds?: number;
  /** Pure: exactly what will be asked, with its end and revocability. @throws ProviderError when limits are passed. */
  plan(profile: Profile, parameters: Parameters, mint: MintRequest): Plan;
  /**
   * Asks, then holds the answer against the plan. @throws ProviderError, with `nothingLives` where that is certain, and with a
   * `handle` where something came to be that it ends.
   */
  mint(plan: Plan, signal: AbortSignal): Promise<Minted>;
  /**
   * As `mint`, called while the intent is being committed: what will be asked is made ready, and goes out once `recorded`, the commit, is
   * done; where that fails nothing goes out, the broker's own login aside, and this fails with `nothingLives`. Whoever calls sees to it that
   * a failure of `recorded` is handled. Only where readying takes time worth saving.
   */
  mintWhen?(recorded: Promise<void>, plan: Plan, signal: AbortSignal): Promise<Minted>;
  /** Extends a first short life, once the handle is on record. Only where the provider mints that way. */
  confirm?(handle: JsonObject, signal: AbortSignal): Promise<void>;
  /** What came of a mint whose answer was never recorded. `absent` only once a late mint has been made harmless. */
  find(mint: MintRecord, signal: AbortSignal): Promise<Found>;
  /** Ends it. Twice is harmless; "not found" is success only because the mint is finished. @throws ProviderError to be retried. */
  end(mint: MintRecord, handle: JsonObject, why: EndReason, signal: AbortSignal): Promise<Ended>;
  /** Hygiene after the end (objects, names): nothing lives any more. Twice is harmless. @throws ProviderError to be retried. */
  cleanup?(mint: MintRecord, signal: AbortSignal): Promise<Cleaned>;
  /**
   * The mints of which the server shows traces that are this broker's own, alive or not, whatever the ledger knows of
   * them: after a restore from backup the reaper ends and cleans those that it has no open record of. Only where the
   * server can list them. @throws ProviderError.
   */
  names?(signal: AbortSignal): Promise<readonly MintId[]>;
  /**
   * What has to be kept right at the provider whether or not anything is asked of it, such as a list of what is denied. Called
   * every `UPKEEP_SECONDS` by every replica. @throws ProviderError: it comes round again.
   */
  upkeep?(signal: AbortSignal): Promise<void>;
  /**
   * Reachable, and its own set-up safe, also for these profiles? Never throws: what it cannot find out is a finding.
   * A provider that finds an error in its own set-up refuses to mint until it is put right.
   */
  check(signal: AbortSignal, profiles?: readonly Profile[]): Promise<Health>;
  close(): Promise<void>;
}

/** What a plan is made from. */
export interface MintRequest {
  readonly mint: MintId;
  readonly grant: GrantId;
  readonly task: TaskId;
  readonly subject: { readonly trust: string; readonly id: string };
  readonly now: Date;
  /** The absolute end: the credential must be useless after it without anybody's help. */
  readonly endsAt: Date;
}

/** Pure data, stored with the intent, shown by `writ policy explain`, covered by approvals. Never a secret. */
export interface Plan {
  readonly mint: MintId;
  /** When the credential is useless at the latest; never after the `endsAt` that was asked for. */
  readonly endsAt: Date;
  /** Credentials of this profile may end before their grant: renewing fetches the next one, and the grant keeps its end. */
  readonly short?: true;
  readonly revocability: Revocability;
  /** What will be asked, in the provider's own terms. */
  readonly request: JsonObject;
}

export interface Minted {
  /** Shapes as in CONTRACT, *Credentials*. */
  readonly credential: Secret<JsonObject>;
  /** What it takes to end it; stored; never a secret. */
  readonly handle: JsonObject;
  readonly expiresAt: Date;
}

/** What the ledger knows of a mint: enough to find and end it. */
export interface MintRecord {
  readonly mint: MintId;
  readonly grant: GrantId;
  readonly endsAt: Date;
  /** The plan's `request`. */
  readonly request: JsonObject;
}

export type Found =
  | { readonly kind: 'found'; readonly handle: JsonObject }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknowable'; readonly until: Date };

export type Ended =
  | { readonly kind: 'ended' }
  | { readonly kind: 'pending'; readonly until: Date }
  | { readonly kind: 'not_revocable'; readonly until: Date };

/** `later`: something must stay until then, such as a name that keeps a late mint from succeeding. */
export type Cleaned = { readonly kind: 'done' } | { readonly kind: 'later'; readonly until: Date };

export interface Health {
  /** No finding is an error. */
  readonly healthy: boolean;
  /** Closed codes with a sentence for people, such as `database_open_to_public`. */
  readonly findings: readonly HealthFinding[];
}

export interface HealthFinding {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
}

/** A kind of provider: how `writ.yaml` and profiles write it, and how it is made. Adding one is a folder and a line. */
export interface ProviderKind<Config = unknown> {
  readonly kind: string;
  /** The entry without `kind` and `when`. */
  readonly config: z.ZodType<Config>;
  /** The section of a profile named after the kind; must parse to plain JSON. */
  readonly section: z.ZodType<JsonObject>;
  /** What a schema cannot say of a profile's section. Each: the path inside the profile and what is wrong. */
  sectionProblems?(
    profile: Profile,
  ): readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
  create(name: string, config: Config, deps: ProviderDeps): Provider;
}

export interface ProviderDeps {
  readonly clock: Clock;
  /** This broker's issuer URL (`server.public_url`). */
  readonly issuer: string;
  /** Audiences of the configured clients that may introspect. */
  readonly introspectingAudiences: ReadonlySet<string>;
  /** Audiences that are Writ's own, which no profile may name. */
  readonly reservedAudiences: ReadonlySet<string>;
  readonly signer: Signer;
  /** Reads a file that the provider's entry names, relative to the configuration. */
  readonly readFile: (path: string) => Promise<string>;
  /** What the ledger says of this provider's mints; absent where there is no ledger (`writ policy explain`). */
  readonly record?: (provider: string) => ProviderRecord;
  /** Codes and ids only. Absent where nobody reads it. */
  readonly warn?: (facts: JsonObject, message: string) => void;
  /** Where the ledger lives, so that a provider can say that it shares the server; absent where nobody knows. */
  readonly ledger?: () => Promise<LedgerPlace | undefined>;
}

/** Read in the ledger's own time; what is read was committed before. */
export interface ProviderRecord {
  /**
   * Mints that were ended, or are being ended, before their time, and whose time has not come.
   * @param members - of their plan's `request`, those that are wanted; a large order ends many mints.
   */
  endedEarly(members?: readonly string[]): Promise<{ readonly at: Date; readonly mints: readonly EndedMint[] }>;
  /** Grants that go on, by what a member of their mints' `request` says. */
  livingBy(member: string): Promise<ReadonlyMap<string, LivingGrants>>;
}

export interface LivingGrants {
  readonly grants: number;
  /** The oldest of them was opened then. */
  readonly since: Date;
}

export interface EndedMint extends MintRecord {
  readonly handle: JsonObject | null;
  /** The provider was asked between these two. */
  readonly openedAt: Date;
  readonly mintedBefore: Date;
  /** False: the whole grant has ended; true: it goes on with another mint. */
  readonly grantGoesOn: boolean;
  /** Its end is on record: it must not come alive again. */
  readonly confirmed: boolean;
}

/** `systemIdentifier` is that of Postgres' `pg_control_system()`: the same for a server, its standbys and its proxies. */
export interface LedgerPlace {
  readonly systemIdentifier: string;
  readonly database: string;
}

/** Signs with the ledger's current key of one class of token. Keys and `typ` differ for each class. */
export interface Signer {
  /** @throws Fault `keys_unavailable`. */
  sign(tokenClass: TokenClass, payload: JsonObject): Promise<string>;
}

/** `access`: `typ` is `at+jwt` (RFC 9068). */
export type TokenClass = 'access';
