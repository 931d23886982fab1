import type { MintId } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Parameters, Profile } from '../../src/domain/profile.ts';
import type { Plan, Provider } from '../../src/providers/provider.ts';

/**
 * What `providerContract` needs of one kind: a healthy server, a profile, and ways to make the server misbehave. A test
 * file makes it with a top-level await and hands it over: `providerContract('vault', await vaultHarness())`.
 */
export interface ProviderHarness {
  /** Against the healthy server. */
  readonly provider: Provider;
  readonly profile: Profile;
  readonly parameters: Parameters;
  /** The shortest life that a mint can be given here, in whole seconds. */
  readonly shortestLifeSeconds: number;
  /** The server's time. */
  now(): Date;
  /** Comes back when the server's time is past `instant`: moved where the server is a fake, waited for where it is real. */
  pass(instant: Date): Promise<void>;
  /** What the ledger's commit of `ending` makes known to whoever asks (introspection). The suite calls it before `find` and `end`. */
  ending?(mint: MintId): void;
  /** One use of the credential, made afresh. */
  use(credential: JsonObject): Promise<'works' | 'refused'>;
  /** A use that stays open (a session). Absent where the kind has none. */
  hold?(credential: JsonObject): Promise<HeldUse>;
  /**
   * The server cannot tell whether a mint came to be: `find` never says `absent`, and a mint whose answer was lost counts as
   * alive until its own end.
   */
  readonly neverAbsent?: true;
  /** An end asks nothing of the server, so that the server's trouble does not show in it. */
  readonly endsByItself?: true;
  /** What of a credential must never be written down: at least one string. */
  secrets(credential: JsonObject): readonly string[];
  /** Whether anything of this mint could still be used, as the server itself sees it, past the provider. */
  alive(mint: MintId): Promise<boolean>;
  /** Nothing of a mint stays at the server after its end: cleaning up has nothing to ask of it. */
  readonly tidy?: true;
  /** What the server still has of this mint, a line each: nothing after the clean-up. */
  traces(mint: MintId): Promise<readonly string[]>;
  readonly faults: Faults;
  close(): Promise<void>;
}

export interface HeldUse {
  alive(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Faults told on the wire, never by a subclass; each gives a provider that meets the fault, which the suite closes.
 * Absent: this kind has no wire on which it could happen. A kind with a wire must have all but `lies` and `undecided`.
 */
export interface Faults {
  /** Nobody listens. */
  unreachable?(): Promise<Provider>;
  /** Somebody listens and never answers. */
  silent?(): Promise<Provider>;
  /** The server refuses the provider's own login. */
  refusing?(): Promise<Provider>;
  /** The server has no room now. */
  throttled?(): Promise<Provider>;
  /** The server grants something other than was asked: wider, or longer. */
  readonly lies?: readonly { readonly name: string; provider(): Promise<Provider> }[];
  /**
   * The connection is cut for good at the n-th message of a mint, counted from 0 over both directions, before it is passed
   * on. `happened` is false when the mint ended with fewer messages.
   */
  cut?(message: number): Promise<{ readonly provider: Provider; happened(): boolean }>;
  /** A mint of this plan is under way at the server and nobody can tell yet what will come of it, until `settle` is called. */
  undecided?(plan: Plan): Promise<{ settle(): Promise<void> }>;
}
