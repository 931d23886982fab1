import type { EndReason, GrantState } from '../domain/grant.ts';
import type { Json } from '../domain/json.ts';
import type { ApprovalState } from './approvals.ts';

/** The wire's words for grants (CONTRACT, *HTTP for workloads*). Times are RFC 3339 UTC. */
export interface GrantRequest {
  readonly profile: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** Whole seconds, 1 to 2,592,000. Capped by the rules; refused below the profile's minimum. */
  readonly ttl_seconds?: number;
  readonly purpose?: string;
  readonly task?: string;
  readonly on_behalf_of?: string;
}

/** What is known of a grant at any time; never its credential. */
export interface Grant {
  readonly id: string;
  readonly state: GrantState;
  readonly task: string;
  readonly profile: string;
  readonly provider: string;
  /** The workload's id. */
  readonly subject: string;
  readonly owner?: string;
  readonly environment?: string;
  /** Null until its credential was handed out. */
  readonly issued_at?: string | null;
  readonly expires_at: string;
  readonly revocability?: GrantRevocability;
  readonly ttl?: GrantTtl;
  readonly decision?: GrantDecision;
  /** Why it ended or is ending. */
  readonly why?: EndReason | null;
  readonly closed_at?: string | null;
  /** The revocation order that ended it. */
  readonly order?: string | null;
}

export interface GrantTtl {
  readonly seconds: number;
  /** `request`, `profile_default`, `profile_max`, `policy:<id>`, `task`, `exception`, `identity` or `provider`. */
  readonly decided_by: string;
}

export type GrantRevocability =
  | { readonly mode: 'immediate' }
  | { readonly mode: 'bounded'; readonly within_seconds: number }
  | { readonly mode: 'eventual'; readonly expected_seconds: number }
  | { readonly mode: 'expiry_only' };

export interface GrantDecision {
  readonly id: string;
  readonly generation: number;
  readonly policies: readonly string[];
}

/** The answer to issuing and renewing that holds the credential; it is given once. */
export interface IssuedGrant extends Grant {
  readonly state: 'active';
  readonly issued_at: string;
  readonly revocability: GrantRevocability;
  readonly ttl: GrantTtl;
  readonly decision: GrantDecision;
  /** Earlier than `expires_at` where the credential is a short child of the grant; otherwise it may be left out. */
  readonly credential_expires_at?: string;
  readonly credential: Credential;
}

/** `202`: a person has to answer first. */
export interface PendingGrant extends Grant {
  readonly state: 'pending_approval';
  readonly approval: {
    readonly id: string;
    readonly state?: ApprovalState;
    readonly url: string;
    readonly expires_at: string;
  };
}

export type IssueAnswer = IssuedGrant | PendingGrant;

/** CONTRACT, *Credentials*. */
export type Credential = AwsCredential | VaultToken | VaultSecret | PostgresLogin | JwtCredential;
export type CredentialType = Credential['type'];

export interface AwsCredential {
  readonly type: 'aws';
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token: string;
  readonly region: string;
  readonly expiration: string;
}

/** Exactly one of `token` and `wrapping_token`. */
export interface VaultToken {
  readonly type: 'vault_token';
  readonly address: string;
  readonly namespace: string;
  readonly token?: string;
  readonly wrapping_token?: string;
}

export interface VaultSecret {
  readonly type: 'vault_secret';
  readonly data: Readonly<Record<string, Json>>;
}

export interface PostgresLogin {
  readonly type: 'postgres';
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username: string;
  readonly password: string;
  readonly url: string;
}

export interface JwtCredential {
  readonly type: 'jwt';
  readonly token: string;
  readonly audience: string;
}

/** What an operator's list may be narrowed by. */
export interface GrantFilter {
  readonly state?: GrantState;
  readonly agent?: string;
  readonly task?: string;
  readonly profile?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly provider?: string;
  readonly on_behalf_of?: string;
}

export interface GrantPage {
  readonly grants: readonly Grant[];
  /** Absent on the last page. */
  readonly next_cursor?: string;
}
