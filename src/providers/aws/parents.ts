import type { GrantId } from '../../domain/ids.ts';
import { canonicalJson } from '../../domain/json.ts';
import type { Opened } from './assume.ts';
import type { AssumeRole } from './plan.ts';

/** More than one process hands out in the life of a session. */
const MOST = 20_000;

/**
 * The sessions that children are made of, one for each grant, in this process's memory alone. One that is not here, after a
 * restart or on another replica, is no loss: another is made.
 */
export interface Parents {
  /** One that was asked for with the same words, and that still lives for so long. */
  find(grant: GrantId, asked: AssumeRole, until: Date): Opened | undefined;
  keep(grant: GrantId, asked: AssumeRole, parent: Opened): void;
  drop(grant: GrantId): void;
  /** Forgets those that have ended. */
  prune(): void;
}

export function makeParents(now: () => Date): Parents {
  const kept = new Map<GrantId, { readonly asked: string; readonly parent: Opened }>();
  return {
    find(grant, asked, until) {
      const there = kept.get(grant);
      return there?.asked === wordsOf(asked) && there.parent.keys.expiration >= until ? there.parent : undefined;
    },
    keep(grant, asked, parent) {
      kept.delete(grant);
      for (const oldest of kept.keys()) {
        if (kept.size < MOST) break;
        kept.delete(oldest);
      }
      kept.set(grant, { asked: wordsOf(asked), parent });
    },
    drop: (grant) => void kept.delete(grant),
    prune() {
      const at = now();
      for (const [grant, { parent }] of kept) if (parent.keys.expiration <= at) kept.delete(grant);
    },
  };
}

/** All but what differs from mint to mint. */
function wordsOf({ RoleSessionName: _name, DurationSeconds: _seconds, ...asked }: AssumeRole): string {
  return canonicalJson(asked);
}
