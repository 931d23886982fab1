/** What a revocation order covers: exactly one thing by exactly one name, or everything. */
export const SELECTOR_KINDS = ['agent', 'task', 'profile', 'owner', 'environment', 'provider', 'all'] as const;
export type SelectorKind = (typeof SELECTOR_KINDS)[number];

export interface Selector {
  readonly kind: SelectorKind;
  /** The workload's id, task's id, or name; `*` for `all`. */
  readonly value: string;
}
