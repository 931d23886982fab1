import { Refusal } from '../domain/errors.ts';

/** How long a count is trusted before it is taken again. */
const FRESH_MS = 5_000;
/** How long one that left much room, more than half of the limit and not just a few, lets somebody in who does not wait for the next. */
const ROOMY_MS = 60_000;
const FEW = 16;
/** When such a count begins: whoever found it due has been answered by then, as a rule, and shares neither cores nor ledger with it. */
const BEHIND_MS = 100;
const MAX_REMEMBERED = 10_000;

interface Entry {
  headroom: number;
  countedAt: number;
  readonly opening: Set<Promise<unknown>>;
  /** Let in since the count that is under way began. */
  letIn: number;
  /** A count is to begin soon. */
  soon: boolean;
  counting?: Promise<void> | undefined;
}

/**
 * The limit on live grants of a workload, exact in one process and counted anew where the last count is older than five seconds; between
 * counts an issuance only takes from the headroom, so that its cost does not grow with the number of live grants. What other processes open
 * is in the counts: with little room a count that is due is waited for, with much room it is taken soon, and whoever comes after it goes by it.
 */
export function makeLiveLimit(options: {
  readonly limit: number;
  readonly count: (trust: string, id: string, upTo: number) => Promise<number>;
  readonly nowMs: () => number;
  /** Calls once, later; a timer where it is not given. */
  readonly later?: (call: () => void) => void;
}) {
  const later = options.later ?? ((call) => void setTimeout(call, BEHIND_MS).unref());
  const entries = new Map<string, Entry>();

  /**
   * What is being opened meanwhile may be in the count or not, so it is added to it; where that would refuse somebody, nobody is let in any
   * more, and it is waited for and counted again.
   */
  async function recount(entry: Entry, trust: string, id: string): Promise<void> {
    const under = entry.opening.size;
    entry.letIn = 0;
    let live = (await options.count(trust, id, options.limit)) + under + entry.letIn;
    if (live >= options.limit && under + entry.letIn > 0) {
      entry.headroom = 0;
      await Promise.allSettled(entry.opening);
      live = await options.count(trust, id, options.limit);
    }
    entry.headroom = options.limit - live;
    entry.countedAt = options.nowMs();
  }

  function entryOf(trust: string, id: string) {
    const key = `${trust}\n${id}`;
    const entry = entries.get(key) ?? { headroom: 0, countedAt: -Infinity, opening: new Set(), letIn: 0, soon: false };
    entries.set(key, entry);
    if (entries.size > MAX_REMEMBERED) forgetIdle(entries, key);
    const isOlderThan = (ms: number) => options.nowMs() - entry.countedAt > ms;
    const isOld = () => isOlderThan(FRESH_MS);
    const counted = () => (entry.counting ??= recount(entry, trust, id).finally(() => (entry.counting = undefined)));
    return {
      entry,
      isOld,
      isRoomy: () => entry.headroom > Math.max(options.limit / 2, FEW) && !isOlderThan(ROOMY_MS),
      counted,
      countSoon() {
        if (entry.soon || !isOld()) return;
        entry.soon = true;
        later(() => {
          entry.soon = false;
          if (isOld()) counted().catch(() => undefined); // one that fails is due still
        });
      },
    };
  }

  return {
    /**
     * Begins the count that `within` would wait for because the last one is old, so that it is there once everything else is decided: that is at
     * the end of this turn of the event loop (`decideSoon`), and by then its statement is on its way. Refuses nothing: whoever is refused for
     * something else is told that.
     */
    ahead(trust: string, id: string): void {
      const { isOld, isRoomy, counted } = entryOf(trust, id);
      // one that fails is for `within`, which waits for it or, where it has failed by then, counts again
      if (isOld() && !isRoomy()) counted().catch(() => undefined);
    },

    /** Runs `open` within the limit. @throws Refusal `too_many_live_grants`. */
    async within<T>(trust: string, id: string, open: () => Promise<T>): Promise<T> {
      const { entry, isOld, isRoomy, counted, countSoon } = entryOf(trust, id);
      if ((entry.counting || entry.headroom <= 0 || isOld()) && !isRoomy()) await counted();
      // whoever took the last place may yet fail to open
      while (entry.headroom <= 0 && entry.opening.size > 0) await counted();
      if (entry.headroom <= 0) throw new Refusal('too_many_live_grants', { limit: options.limit });
      entry.headroom -= 1;
      entry.letIn += 1;
      const opening = open();
      entry.opening.add(opening);
      countSoon();
      try {
        return await opening;
      } finally {
        entry.opening.delete(opening);
      }
    },
  };
}

function forgetIdle(entries: Map<string, Entry>, keep: string): void {
  for (const [key, entry] of entries) {
    if (key !== keep && entry.opening.size === 0 && !entry.counting) entries.delete(key);
    if (entries.size <= MAX_REMEMBERED) return;
  }
}
