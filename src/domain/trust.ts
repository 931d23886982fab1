/** What a trust entry may vouch for: that somebody is a workload, or that somebody is whom a workload acts for. */
export const ATTESTED = ['workloads', 'principals'] as const;
export type Attested = (typeof ATTESTED)[number];

/** One entry of `identity.trust` in `writ.yaml`: whom to believe, and for how long. `Config` is the kind's own part. */
export interface TrustEntry<Config = unknown> {
  /** Unique; without a slash, so that `<name>/<id>` names one principal and no other. */
  readonly name: string;
  readonly kind: string;
  /** Seconds; absent: the evidence's own end. */
  readonly vouchesFor?: number;
  /** Seconds since `iat` after which evidence is refused whatever its `exp` says; default one hour. */
  readonly maxAge?: number;
  /** What its tokens may prove; a token of an entry that attests principals alone is nobody's evidence. */
  readonly attests: readonly Attested[];
  /** Made for development: `writ serve` refuses to start with it. */
  readonly development?: boolean;
  readonly config: Config;
}
