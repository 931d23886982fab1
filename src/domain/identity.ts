/** What an attester makes of evidence: who the workload is, and for how long its trust entry vouches for that. */
export interface Identity {
  /** The workload's id, a SPIFFE id where there is one. Unique only together with `trust`. */
  readonly id: string;
  /** Name of the trust entry that verified it. */
  readonly trust: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Groups as the issuer names them, without the trust entry's prefix. */
  readonly groups: readonly string[];
  /** When the evidence itself ends. */
  readonly expiresAt: Date;
  /** No grant may outlive this: now + `vouches_for`, or `expiresAt` where the trust entry has none. */
  readonly vouchedUntil: Date;
  /** `iss` and `sub` of the evidence, where the trust entry pins its issuer: by these a person is known again as an operator. */
  readonly issuer?: string;
  readonly subject?: string;
  /** The key that the caller has proven to hold, where the evidence binds one (RFC 7800). */
  readonly confirmation?: { readonly jkt?: string; readonly x5tS256?: string };
}

/** A person or system with a role on this broker; keyed by issuer and subject, never by an e-mail address. */
export interface Operator {
  readonly issuer: string;
  readonly subject: string;
  /** For people to read; decides nothing. */
  readonly display: string;
  readonly roles: readonly OperatorRole[];
  /** Of roles that are limited, how far they reach: as far as all of these together. A role that is not here reaches everything. */
  readonly reaches?: Readonly<Partial<Record<OperatorRole, readonly Reach[]>>>;
}

/** What a limited role reaches: where both are given, what lies within both. */
export interface Reach {
  readonly owners?: readonly string[];
  readonly environments?: readonly string[];
}

export const OPERATOR_ROLES = ['platform', 'security', 'approver', 'auditor'] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

/** Who did something, as an event names them. */
export type Actor =
  | { readonly kind: 'workload'; readonly trust: string; readonly id: string }
  | { readonly kind: 'operator'; readonly issuer: string; readonly subject: string }
  | { readonly kind: 'system'; readonly name: string };
