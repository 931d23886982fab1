/** What a test sees of the in-process AWS. Everything else in this folder is behind it. */

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** One request that was understood, with the answer that was decided on (a cut may have kept it from arriving). */
export interface FakeCall {
  readonly at: Date;
  readonly action: string;
  /** As they came in the form, without `Action` and `Version`; of a web identity token only that there was one. */
  readonly params: Readonly<Record<string, string>>;
  /** The caller's ARN; `undefined` where nobody was recognised. */
  readonly who: string | undefined;
  /** The key of a session; `undefined` for other callers. */
  readonly session: string | undefined;
  readonly status: number;
  /** `Code` of an error. */
  readonly code: string | undefined;
}

export interface FakeSession {
  /** `AROA...:session-name`: what `aws:userid` says. */
  readonly id: string;
  readonly arn: string;
  readonly name: string;
  readonly role: string;
  readonly accessKeyId: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly transitiveTagKeys: readonly string[];
  readonly sourceIdentity: string | undefined;
  readonly issuedAt: Date;
  readonly expiration: Date;
  /** How many GetScopedCredentials lie between this and the role's own session; 0 for that one. */
  readonly depth: number;
  /** How many of them brought a policy. */
  readonly scopes: number;
}

export interface RoleOptions {
  readonly trust: object;
  readonly policies: readonly object[];
  /** ARN of a managed policy that exists. */
  readonly boundary?: string;
  /** 3600 to 43200; default 3600. */
  readonly maxSessionSeconds?: number;
}

export interface OidcOptions {
  /** Accepted `aud`. */
  readonly audiences: readonly string[];
  /** The issuer's keys, asked for at each token: `{ keys: [...] }`. Throws: the issuer cannot be reached. */
  readonly jwks: () => unknown;
}

export interface DoorFaults {
  /** The next `times` calls of the action answer 400 Throttling. `*` is every action. */
  throttle(action: string, times: number): void;
  /** Calls of the action answer this error: the next `times`, or all from now on. Credentials are verified first. */
  fail(action: string, error: { status: number; code: string; message?: string }, times?: number): void;
  /** Answers of the action are held back, after they took effect: the next `times`, or all from now on. Real time. */
  delay(action: string, ms: number, times?: number): void;
  /** Rewrites an answer before it is sent: given the action and the members of its result, returns changed ones. */
  lie?: ((action: string, result: Record<string, unknown>) => Record<string, unknown>) | undefined;
  /**
   * Cuts the connection at the n-th message (request or answer, counted from 0) from now on, before it is passed on, and
   * every one after it, until `clear`. A request that is cut has no effect; an answer that is cut already had.
   */
  cut(message: number): { happened(): boolean };
  /** What answers say that the time is; the server's own, where this is undefined. */
  date?: string | undefined;
  /** Requests are accepted and never answered, and have no effect. */
  silent: boolean;
  /** Ends all of the above. */
  clear(): void;
}

/** An address of its own on the same account, with faults of its own: what is broken here is well everywhere else. */
export interface Door {
  readonly url: string;
  readonly faults: DoorFaults;
  close(): Promise<void>;
}

export interface FakeAwsOptions {
  /** STS takes signatures for this region alone; default `eu-west-1`. IAM is global: `us-east-1`, whatever this says. */
  readonly region?: string;
  /** Whether GetScopedCredentials is offered; default true. */
  readonly scoped?: boolean;
  readonly now?: () => Date;
}

/** One account: its users, roles and policies. */
export interface FakeAccount {
  readonly account: string;
  /** An IAM user with keys. */
  user(name: string, policies: readonly object[]): AwsKeys;
  /** Returns the role's ARN. */
  role(name: string, role: RoleOptions): string;
  /** A customer managed policy of one version; returns its ARN. */
  managedPolicy(name: string, document: object): string;
  /** Somebody else changes a role's permissions boundary; counts at once. */
  setBoundary(role: string, policyArn: string | undefined): void;
  /** Whether this account's IAM answers what it is asked, or 503, or never. */
  setIam(health: 'well' | 'failing' | 'silent'): void;
}

/**
 * STS and IAM of one account, and of others that are added, on one plain HTTP address. Close it in the end: `close` throws when anything came in that
 * could not be judged as AWS would.
 */
export interface FakeAws extends FakeAccount {
  readonly url: string;
  readonly region: string;
  /** What IAM calls must be signed for, as in all of the `aws` partition. */
  readonly iamRegion: 'us-east-1';
  now(): Date;
  advance(ms: number): void;
  /** One more account at the same address. */
  addAccount(id: string): FakeAccount;
  /** An OIDC provider for AssumeRoleWithWebIdentity; returns its ARN. Condition keys: the issuer without its scheme, `:aud`, `:sub`. */
  oidc(issuer: string, options: OidcOptions): string;
  /** May these credentials do that on that resource, now? Keys and session token are verified too. */
  can(keys: AwsKeys, action: string, resource: string): 'allowed' | 'denied' | 'expired' | 'invalid';
  /** Whether a token of GetWebIdentityToken would be accepted by whoever trusts this account. */
  webIdentity(token: string): 'valid' | 'expired' | 'invalid';
  readonly calls: readonly FakeCall[];
  readonly sessions: readonly FakeSession[];
  readonly faults: DoorFaults & {
    /** How long an IAM write takes to count in `can` and in authorization; of writes from now on. Default 0. */
    propagationMs: number;
    /** How long until IAM reads see a write; of writes from now on. Default 0. */
    readDelayMs: number;
  };
  door(): Promise<Door>;
  close(): Promise<void>;
}
