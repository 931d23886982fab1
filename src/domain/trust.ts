/** One entry of `identity.trust` in `writ.yaml`: whom to believe, and for how long. `Config` is the kind's own part. */
export interface TrustEntry<Config = unknown> {
  /** Unique; without a slash, so that `<name>/<id>` names one principal and no other. */
  readonly name: string;
  readonly kind: string;
  /** Seconds; absent: the evidence's own end. */
  readonly vouchesFor?: number;
  /** Seconds since `iat` after which evidence is refused whatever its `exp` says; default one hour. */
  readonly maxAge?: number;
  /** Made for development: `writ serve` refuses to start with it. */
  readonly development?: boolean;
  readonly config: Config;
}
