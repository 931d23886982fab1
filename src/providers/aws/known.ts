import type { AwsConfig } from './config.ts';
import { LONGEST_CHAINED } from './limits.ts';

/**
 * What was found out at AWS and what plans depend on. A plan is made without asking anybody, so what has not been found out
 * counts as what promises less.
 */
export interface Known {
  /** Whether sessions are followed by short children. */
  scoped(): boolean;
  noteScoped(available: boolean): void;
  /** Whether the deny list of its account reaches sessions of this role. */
  deniable(role: string): boolean;
  noteDeniable(role: string, deniable: boolean): void;
  /** The longest session of a role, in seconds. @param most - the role's own maximum. */
  longestSession(most: number): number;
  /** The broker itself is a session, whose sessions have an hour at most. */
  chained(): boolean;
  noteChained(chained: boolean): void;
}

/** Regions outside the partition `aws`, which have GetScopedCredentials later or never. */
const OTHER_PARTITION = /^(cn|us-gov|us-iso|us-isob|us-isof|eu-isoe|eusc)-/;

export function makeKnown({ scoped: mode, endpoint, region, credentials }: AwsConfig): Known {
  // AWS itself has it; what another endpoint has is seen by the first check, and by the first mint that is refused.
  let available = endpoint === undefined && !OTHER_PARTITION.test(region);
  let chained = credentials?.web_identity !== undefined;
  const deniable = new Map<string, boolean>();
  return {
    scoped: () => mode === 'on' || (mode === 'auto' && available),
    noteScoped: (found) => void (available = found),
    deniable: (role) => deniable.get(role) === true,
    noteDeniable: (role, found) => void deniable.set(role, found),
    longestSession: (most) => (chained ? Math.min(most, LONGEST_CHAINED) : most),
    chained: () => chained,
    noteChained: (found) => void (chained = found),
  };
}
