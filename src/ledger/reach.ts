import type { Reach } from '../domain/identity.ts';

/** Of rows that have an owner and an environment, those that one of the reaches covers: the same as `mayActOn` says of one. */
export function withinReach(reaches: readonly Reach[]) {
  return {
    OR: reaches.map(({ owners, environments }) => ({
      ...(owners ? { owner: { in: [...owners] } } : {}),
      ...(environments ? { environment: { in: [...environments] } } : {}),
    })),
  };
}
