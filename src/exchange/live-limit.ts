import { Refusal } from '../domain/errors.ts';

/** How long a count is trusted before it is taken again. */
const FRESH_MS = 5_000;
const MAX_REMEMBERED = 10_000;

interface Entry {
  headroom: number;
  countedAt: number;
  opening: number;
  counting?: Promise<void> | undefined;
}

/**
 * The limit on live grants of a workload, exact in one process and counted anew at least every five seconds; between counts an
 * issuance only takes from the headroom, so that its cost does not grow with the number of live grants.
 */
export function makeLiveLimit(options: {
  readonly limit: number;
  readonly count: (trust: string, id: string, upTo: number) => Promise<number>;
  readonly nowMs: () => number;
}) {
  const entries = new Map<string, Entry>();

  async function recount(entry: Entry, trust: string, id: string): Promise<void> {
    const live = await options.count(trust, id, options.limit);
    entry.headroom = options.limit - live - entry.opening;
    entry.countedAt = options.nowMs();
  }

  return {
    /** Runs `open` within the limit. @throws Refusal `too_many_live_grants`. */
    async within<T>(trust: string, id: string, open: () => Promise<T>): Promise<T> {
      const key = JSON.stringify([trust, id]);
      const entry = entries.get(key) ?? { headroom: 0, countedAt: -Infinity, opening: 0 };
      entries.set(key, entry);
      if (entries.size > MAX_REMEMBERED) forgetIdle(entries, key);
      if (entry.headroom <= 0 || options.nowMs() - entry.countedAt > FRESH_MS) {
        entry.counting ??= recount(entry, trust, id).finally(() => (entry.counting = undefined));
        await entry.counting;
      }
      if (entry.headroom <= 0) throw new Refusal('too_many_live_grants', { limit: options.limit });
      entry.headroom -= 1;
      entry.opening += 1;
      try {
        return await open();
      } finally {
        entry.opening -= 1;
      }
    },
  };
}

function forgetIdle(entries: Map<string, Entry>, keep: string): void {
  for (const [key, entry] of entries) {
    if (key !== keep && entry.opening === 0) entries.delete(key);
    if (entries.size <= MAX_REMEMBERED) return;
  }
}
