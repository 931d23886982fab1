/**
 * Compiles some functions, has garbage collected until V8 has let go of what is not interpreted any more, and says how much of their bytecode is
 * there then, of all that was. With `broker` as its argument a broker is started before that, which finds that it cannot listen.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import type { PerformanceEntry } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapCodeStatistics } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { startBroker } from '../../src/broker.ts';
import type { Settings } from '../../src/config/index.ts';

const FUNCTIONS = 20_000;
/** V8 of Node 20 lets go at the sixth. A collection that is asked for would not count. */
const COLLECTIONS = 9;
const OBJECTS = 400_000;

const log = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };
if (process.argv[2] === 'broker') {
  const settings = { server: { host: '192.0.2.1', port: 0 } } as Settings;
  const started = startBroker(settings, { databaseUrl: '', log });
  const code = await started.then(
    () => 'started',
    (error: unknown) => (error as { code?: string }).code,
  );
  if (code !== 'address_not_here') throw new Error(`the broker was to find that it cannot listen: ${code}`);
}

let collections = 0;
const observer = new PerformanceObserver((list) => {
  const kinds = list
    .getEntries()
    .map((entry) => (entry as PerformanceEntry & { detail: { kind: number } }).detail.kind);
  collections += kinds.filter((kind) => kind === constants.NODE_PERFORMANCE_GC_MAJOR).length;
});
observer.observe({ entryTypes: ['gc'] });

/** What bytecode takes once everything that can be let go of is gone. */
async function settled(): Promise<number> {
  const until = collections + COLLECTIONS;
  while (collections < until) {
    Array.from({ length: OBJECTS }, (_, n) => ({ n, list: [n] }));
    await sleep(1);
  }
  return getHeapCodeStatistics().bytecode_and_metadata_size;
}

const texts = Array.from(
  { length: FUNCTIONS },
  (_, n) => `(a) => { let sum = ${n}; for (const x of a) sum += x * ${n}; return sum; }`,
);
const before = await settled();
const functions = runInThisContext(`[${texts.join()}]`) as ((numbers: number[]) => number)[];
const call = () => functions.map((each) => each([1, 2, 3]));
call();
const compiled = getHeapCodeStatistics().bytecode_and_metadata_size - before;
const kept = ((await settled()) - before) / compiled;
call(); // until here they could be called
process.stdout.write(JSON.stringify({ kept }));
