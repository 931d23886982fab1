/** What `callers` loops of `work` came to: `count` calls in all, the first tenth left out of the figures. */
export interface Figures {
  readonly callers: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** @param work - answers how much of its time does not count, where there is such. */
export async function measure(
  callers: number,
  count: number,
  work: (caller: number) => Promise<number | void>,
): Promise<Figures> {
  const warmUp = Math.max(callers, Math.floor(count / 10));
  await run(callers, warmUp, work, []);
  const times: number[] = [];
  const start = performance.now();
  await run(callers, count, work, times);
  const seconds = (performance.now() - start) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { callers, perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) };
}

async function run(
  callers: number,
  count: number,
  work: (caller: number) => Promise<number | void>,
  times: number[],
): Promise<void> {
  let left = count;
  const loop = async (_: unknown, caller: number) => {
    while (left-- > 0) {
      const start = performance.now();
      const aside = (await work(caller)) ?? 0;
      times.push(performance.now() - start - aside);
    }
  };
  await Promise.all(Array.from({ length: callers }, loop));
}
