import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What `callers` loops of `work` came to: `count` calls, after a quarter as many that are left out of the figures. Whoever was not measured for
 * some seconds finds its caches cold and its timers due, and is held against others that were.
 */
export interface Figures {
  readonly callers: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/**
 * @param perSecond - how often all callers together ask, at moments that chance sets, and that are the same each time; absent: each asks as
 * soon as it was answered.
 */
export async function measure(
  callers: number,
  count: number,
  work: (caller: number) => Promise<void>,
  perSecond?: number,
): Promise<Figures> {
  const warmUp = Math.max(callers, Math.floor(count / 4));
  await run(callers, warmUp, work, [], turns(perSecond));
  const times: number[] = [];
  const start = performance.now();
  await run(callers, count, work, times, turns(perSecond));
  const seconds = (performance.now() - start) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { callers, perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) };
}

async function run(
  callers: number,
  count: number,
  work: (caller: number) => Promise<void>,
  times: number[],
  turn: () => Promise<void>,
): Promise<void> {
  let left = count;
  const loop = async (_: unknown, caller: number) => {
    while (left-- > 0) {
      await turn();
      const start = performance.now();
      await work(caller);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: callers }, loop));
}

/** Comes back when it is the next one's turn. */
function turns(perSecond: number | undefined): () => Promise<void> {
  if (perSecond === undefined) return async () => undefined;
  let at = performance.now();
  let seed = 1;
  return async () => {
    // Park and Miller's generator; the pauses of independent callers are exponential.
    seed = (seed * 48_271) % 2_147_483_647;
    at -= (Math.log(seed / 2_147_483_647) * 1_000) / perSecond;
    await sleep(Math.max(0, at - performance.now()));
  };
}
