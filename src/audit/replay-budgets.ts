import { textOrNull } from './event.ts';
import type { Event } from './event.ts';

/** What a task and all below it have used of its budget, by its events. */
interface Used {
  readonly parent: Used | undefined;
  /** Whether it, or one above it, has a budget: what has none is not written to. */
  readonly counts: { readonly grants: boolean; readonly calls: boolean };
  grants: number;
  calls: number;
}

export interface UsedBudget {
  readonly task: string;
  readonly grants: number;
  readonly calls: number;
}

/** Long after a task has ended nothing more is spent of it: its transactions are over. In milliseconds. */
const SETTLED_MS = 120_000;

/**
 * Budgets are spent by what is given, and by nothing else: a grant that was opened and a call that was allowed count for their task and
 * for every one above it, where one of these has a budget. A task that a single call made for itself has one grant.
 */
export function makeBudgets() {
  const open = new Map<string, Used>();
  /** Those that have ended, in the order in which they did. */
  const ended: { readonly task: string; readonly at: number }[] = [];

  function make({ task, facts }: Event): void {
    if (task === null || facts['implicit'] === true) return;
    const above = textOrNull(facts['parent']);
    const parent = above === null ? undefined : open.get(above);
    if (above !== null && !parent) return; // its tree began before what there is to see
    const counts = {
      grants: parent?.counts.grants === true || typeof facts['max_grants'] === 'number',
      calls: parent?.counts.calls === true || typeof facts['max_calls'] === 'number',
    };
    open.set(task, { parent, counts, grants: 0, calls: 0 });
  }

  function spend(task: string | null, what: 'grants' | 'calls'): void {
    let used = task === null ? undefined : open.get(task);
    if (!used?.counts[what]) return;
    for (; used; used = used.parent) used[what]++;
  }

  return {
    take(event: Event): void {
      switch (event.type) {
        case 'task.created':
        case 'task.delegated':
          return make(event);
        case 'grant.opened':
          return spend(event.task, 'grants');
        case 'call.decided':
          if (event.body['success'] === true) spend(event.task, 'calls');
          return;
        case 'task.ended':
          if (event.task !== null && open.has(event.task)) ended.push({ task: event.task, at: Date.parse(event.at) });
          return;
        default:
      }
    },

    /** Those that are settled by that time; all of them where none is given. Each is told once. */
    settled(time?: string): UsedBudget[] {
      const told: UsedBudget[] = [];
      const tell = (task: string) => {
        const used = open.get(task);
        if (used) told.push({ task, grants: used.grants, calls: used.calls });
        open.delete(task);
      };
      const before = time === undefined ? Infinity : Date.parse(time) - SETTLED_MS;
      let count = 0;
      while (count < ended.length && (ended[count]?.at ?? Infinity) < before) tell(ended[count++]?.task ?? '');
      ended.splice(0, count);
      if (time === undefined) for (const task of [...open.keys()]) tell(task);
      return told;
    },
  };
}
