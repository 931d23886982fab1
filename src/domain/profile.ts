import type { JsonObject } from './json.ts';

export const EFFECTS = ['read', 'write', 'delete', 'purchase'] as const;
export type Effect = (typeof EFFECTS)[number];

/** What a platform team offers: a provider, a template of the narrow credential, its parameters and TTL rule. */
export interface Profile {
  readonly name: string;
  /** Name of a provider in `writ.yaml`. */
  readonly provider: string;
  readonly owner: string;
  readonly environment: string;
  readonly effect: Effect;
  readonly ttl: TtlRule;
  readonly parameters: Readonly<Record<string, ParameterRule>>;
  /** The section named after the provider's kind, as that kind's schema parsed it; never a secret. */
  readonly section: JsonObject;
}

/** Whole seconds. */
export interface TtlRule {
  readonly default: number;
  readonly max: number;
  readonly min: number;
}

export interface ParameterRule {
  /** Anchored when compiled: `^(?:pattern)$`, with the `u` flag. */
  readonly pattern: string;
  readonly optional: boolean;
}

export type Parameters = Readonly<Record<string, string>>;
