import type { JsonObject } from '../domain/json.ts';

/**
 * What there is to show for a span of time, as `GET /v1/audit/evidence` gives it. `events`, `policies` and `samples` are of the sealed
 * log and proven by the checkpoint; the rest is read from tables, as they stood when the pack was made.
 */
export interface EvidencePack {
  readonly from: string | null;
  readonly to: string | null;
  /** What events are counted up to, and samples are proven against. */
  readonly checkpoint: {
    readonly origin: string;
    readonly size: number;
    /** Base64. */
    readonly root: string;
    /** The signed note. */
    readonly checkpoint: string;
    readonly key: string;
  };
  /** The leaves that were looked at: `first` up to, not including, `end`. */
  readonly range: { readonly first: number; readonly end: number };
  readonly generations: readonly EvidenceGeneration[];
  /** There were more before these. */
  readonly generations_cut: boolean;
  readonly profiles: readonly EvidenceProfile[];
  readonly events: readonly EvidenceCount[];
  readonly policies: readonly EvidencePolicyCount[];
  readonly samples: readonly EvidenceSample[];
  /** There are more kinds of events and policies than samples. */
  readonly samples_cut: boolean;
  readonly usage: readonly EvidenceUsage[];
  readonly usage_cut: boolean;
  /** Newest first. */
  readonly exceptions: readonly JsonObject[];
  /** There were more before these. */
  readonly exceptions_cut: boolean;
  /** How the log fares: `ok`, `size`, `signed`, `witnesses`. */
  readonly log: JsonObject;
}

export interface EvidenceGeneration {
  readonly number: number;
  readonly hash: string;
  readonly author: JsonObject;
  readonly activated_at: string;
  readonly policies: readonly EvidencePolicy[];
}

export interface EvidencePolicy {
  readonly id: string;
  readonly file: string;
  readonly effect: 'permit' | 'forbid';
  readonly controls: readonly string[];
  readonly max_ttl_seconds: number | null;
  readonly requires_approval: boolean;
  readonly text: string;
}

export interface EvidenceProfile {
  readonly name: string;
  readonly provider: string;
  readonly owner: string;
  readonly environment: string;
  readonly effect: string;
  readonly max_ttl_seconds: number;
}

export interface EvidenceCount {
  readonly type: string;
  readonly success: boolean;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly count: number;
  /** Leaves of the first and the last of them. */
  readonly first: number;
  readonly last: number;
}

export interface EvidencePolicyCount {
  readonly rules_hash: string;
  readonly policy: string;
  readonly outcome: string;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

export interface EvidenceSample {
  readonly leaf: number;
  /** The event, to the byte. */
  readonly body: string;
  /** From it to the checkpoint's root, innermost first; base64. */
  readonly path: readonly string[];
}

export interface EvidenceUsage {
  readonly trust: string;
  readonly subject: string;
  readonly profile: string;
  readonly grants: number;
  /** Of these, grants under which a call was allowed. */
  readonly called: number;
  readonly renewed: number;
  readonly calls: number;
  readonly granted_seconds: number;
}
