/** What a revocation order covers: exactly one thing by exactly one name, or everything. */
export const SELECTOR_KINDS = [
  'agent',
  'on_behalf_of',
  'task',
  'profile',
  'owner',
  'environment',
  'provider',
  'all',
] as const;
export type SelectorKind = (typeof SELECTOR_KINDS)[number];

export interface Selector {
  readonly kind: SelectorKind;
  /** The workload's id, the principal's, the task's, or a name; `*` for `all`. A task's is that of all below it. */
  readonly value: string;
}
