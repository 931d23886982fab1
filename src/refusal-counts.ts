/** Refusals before authentication are counted, and written once a minute as one event: not row by row. */
export function startRefusalCounts(
  record: (counts: Readonly<Record<string, number>>, since: Date) => Promise<void>,
  now: () => Date,
) {
  let counts: Record<string, number> = {};
  let since = now();

  /** One after the other: what a failed one has counted on is there for the next. */
  let flushing = Promise.resolve();
  const flush = () => (flushing = flushing.then(write));

  async function write(): Promise<void> {
    if (Object.keys(counts).length === 0) return;
    const [taken, from] = [counts, since];
    counts = {};
    since = now();
    try {
      await record(taken, from);
    } catch {
      // The ledger is away: they are counted on.
      since = from;
      for (const [code, count] of Object.entries(taken)) counts[code] = (counts[code] ?? 0) + count;
    }
  }

  const timer = setInterval(() => void flush(), 60_000);
  timer.unref();
  return {
    count: (code: string) => {
      counts[code] = (counts[code] ?? 0) + 1;
    },
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
