import type { KeyObject } from 'node:crypto';
import type { JsonObject } from '../domain/json.ts';
import type { Secret } from '../domain/secret.ts';
import type { TrustEntry } from '../domain/trust.ts';

/** What `writ.yaml` says, checked and typed: what belongs to one process. Durations are whole seconds, paths absolute. */
export interface Settings {
  /** Where `writ.yaml` lies; files that kinds name are relative to it. */
  readonly directory: string;
  /** Where `profiles/`, `policies/` and `tools/` lie. */
  readonly rulesDirectory: string;
  readonly server: ServerSettings;
  readonly database: { readonly url?: Secret<string> };
  readonly identity: {
    /** What evidence must be made out to. Absent: the address that is listened on. */
    readonly audience?: string;
    readonly trust: readonly TrustEntry[];
  };
  readonly operators: { readonly trust: readonly OperatorEntry[] };
  readonly providers: readonly ProviderSettings[];
  readonly clients: readonly ClientSettings[];
  /** Absent: nothing that signs can run. */
  readonly keys?: KeySettings;
  readonly audit: AuditSettings;
  readonly approvals: {
    /** How long a person has for an answer. */
    readonly lifetimeSeconds: number;
    /** Where it is told that one is wanted. */
    readonly webhooks: readonly WebhookSettings[];
  };
  readonly limits: LimitSettings;
  readonly tasks: TaskSettings;
  /** Hosts, or `host:port`, that the outbound client may reach although they are private. */
  readonly outbound: { readonly allow: readonly string[] };
}

export interface ServerSettings {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Absent: the address that is listened on. */
  readonly publicUrl?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Addresses and networks whose `X-Forwarded-*` is believed. */
  readonly trustedProxies: readonly string[];
}

/** One entry of `operators.trust`. */
export interface OperatorEntry<Config = unknown> {
  readonly issuer: string;
  readonly audience: string;
  /** `writ serve` refuses to start with it. */
  readonly development?: boolean;
  /** The whole entry but `development`, as the schema for operators parsed it. */
  readonly config: Config;
}

export interface ProviderSettings {
  readonly name: string;
  readonly kind: string;
  /** False: its `when` came out empty. Its profiles are listed as off. */
  readonly on: boolean;
  /** The entry without `kind` and `when`, as the kind parsed it; undefined while it is off. */
  readonly config: unknown;
}

export const CLIENT_RIGHTS = ['introspect', 'evaluate'] as const;
export type ClientRight = (typeof CLIENT_RIGHTS)[number];

/** A resource server or enforcement point that may ask about others. */
export interface ClientSettings {
  readonly name: string;
  readonly trust: string;
  readonly id: string;
  readonly may: readonly ClientRight[];
  readonly audiences: readonly string[];
}

/** The keys that wrap the broker's signing keys at rest. */
export interface KeySettings {
  /** The first wraps; the others only unwrap, until everything is rewrapped. */
  readonly encryption: readonly EncryptionKey[];
  /** How old a signing key gets. */
  readonly rotateEverySeconds: number;
}

export interface EncryptionKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Secret<Uint8Array>;
}

/** How the log is sealed, signed and made known. */
export interface AuditSettings {
  /** What checkpoints call the log. Absent: the name that its database has had from its first day. */
  readonly origin?: string;
  /** Signs checkpoints. Absent: a key of the ring, wrapped in the ledger. */
  readonly signer?: Secret<KeyObject>;
  readonly witnesses: readonly WitnessSettings[];
  readonly sinks: readonly SinkSettings[];
  /** How long after its commit an event is sealed, at most. */
  readonly sealEverySeconds: number;
  /** How often witnesses are given the newest checkpoint. */
  readonly publishEverySeconds: number;
}

/** Where sealed events are handed on to. */
export interface SinkSettings {
  /** The ledger keeps its cursor under this name. */
  readonly name: string;
  readonly url: Secret<string>;
  readonly secret: Secret<Uint8Array>;
  readonly format: 'jsonl' | 'ocsf';
  readonly from: 'start' | 'now';
}

export type WitnessSettings =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly latest?: string;
      readonly tokenFile?: string;
      readonly caFile?: string;
    }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly key: string;
      readonly region: string;
      readonly endpoint?: string;
      readonly credentials: {
        readonly accessKeyId: string;
        readonly secretAccessKey: Secret<string>;
        readonly sessionToken?: Secret<string>;
      };
    };

export interface LimitSettings {
  /** Refusals of one source. */
  readonly refusalsPerMinute: number;
  /** Requests of one workload at once, and what comes back each second. */
  readonly workloadBurst: number;
  readonly workloadPerSecond: number;
  /** Live grants of one workload. */
  readonly liveGrants: number;
  /** Tasks that one workload has open, those left aside that single calls made for themselves. */
  readonly openTasks: number;
  /** Approvals that one workload waits for at once. */
  readonly pendingApprovals: number;
}

/** Where approvers are told. */
export interface WebhookSettings {
  /** Its host and a part of a hash: what may be shown of it. */
  readonly name: string;
  readonly url: Secret<string>;
  readonly format: 'json' | 'slack';
  /** Signs what is sent; a chat does not look at it. */
  readonly secret?: Secret<Uint8Array>;
}

/** How long tasks may live, and how often they may be handed on. */
export interface TaskSettings {
  readonly defaultSeconds: number;
  readonly maxSeconds: number;
  readonly maxHops: number;
}

/** What the embedded default adds in memory, in the terms of `writ.yaml`. */
export interface Overlay {
  /** Appended to `identity.trust`. */
  readonly trust?: readonly JsonObject[];
  /** Appended to `operators.trust`. */
  readonly operators?: readonly JsonObject[];
  /** Appended to `outbound.allow`. */
  readonly outboundAllow?: readonly string[];
  /** Come before the environment's. */
  readonly env?: Readonly<Record<string, string>>;
}
