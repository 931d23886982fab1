import { Worker } from 'node:worker_threads';
import type { LookedMonth } from './audit/archived.ts';
import type { EventTaker, Taken } from './audit/event-taker.ts';
import type { FromVerifyWorker, ToVerifyWorker, VerifyWork } from './verify-worker.ts';

/** A ledger of fewer events is looked at sooner than a thread is started. */
const WORTH_A_THREAD = 20_000;
/** Events live for a moment: with room for some parts of them they are gone before anything has to be moved. */
const YOUNG_MIB = 256;
/** So many parts are on their way at once: enough that neither side waits, and no more than that is held in memory. */
const AHEAD = 4;

/** Has events looked at beside the reading and hashing of those that follow. */
export function makeVerifyThread({ url, snapshot }: Omit<VerifyWork, 'unseen'>) {
  let worker: Worker | undefined;

  function start(unseen: readonly LookedMonth[]): EventTaker {
    const data: VerifyWork = { url, snapshot, unseen };
    const thread = new Worker(new URL('./verify-worker.js', import.meta.url), {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    worker = thread;
    let waiting = 0;
    let taken: Taken | undefined;
    let failure: Error | undefined;
    let wake = (): void => undefined;
    thread.on('message', (told: FromVerifyWorker) => {
      waiting--;
      if ('taken' in told) taken = told.taken;
      wake();
    });
    const lose = (error: Error) => {
      failure ??= error;
      wake();
    };
    thread.on('error', (error: Error) => lose(error));
    thread.on('exit', () => lose(new Error('the thread that looks at events has ended')));

    async function until(condition: () => boolean): Promise<void> {
      while (!condition()) {
        if (failure) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    const tell = (told: ToVerifyWorker) => {
      waiting++;
      thread.postMessage(told);
    };
    return {
      async take(rows) {
        tell([
          rows.map(({ leaf }) => leaf),
          rows.map(({ seq }) => seq),
          rows.map(({ at }) => at),
          rows.map(({ type }) => type),
          rows.map(({ task }) => task),
          rows.map(({ grant }) => grant),
          rows.map(({ body }) => body),
        ]);
        await until(() => waiting < AHEAD);
      },
      async finish() {
        tell(null);
        await until(() => taken !== undefined);
        if (!taken) throw new Error('unreachable');
        return taken;
      },
    };
  }

  return {
    taker: (unseen: readonly LookedMonth[], size: number): EventTaker | undefined =>
      // run from its sources, there is nothing that a thread could be started from
      size < WORTH_A_THREAD || import.meta.url.endsWith('.ts') ? undefined : start(unseen),
    async close(): Promise<void> {
      await worker?.terminate();
    },
  };
}
