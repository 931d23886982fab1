/** A thread that looks at events and holds the tables against them, as of the moment that the main one reads of. Started by verify-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { makeUnseen } from './audit/archived.ts';
import type { LookedMonth } from './audit/archived.ts';
import type { EventRow } from './audit/event.ts';
import { makeEventTaker } from './audit/event-taker.ts';
import type { Taken } from './audit/event-taker.ts';
import { openSnapshot } from './ledger/verification.ts';

export interface VerifyWork {
  readonly url: string;
  readonly snapshot: string;
  readonly unseen: readonly LookedMonth[];
}

/** Rows by column: a few long lists are handed over faster than many small objects. Null: that was all. */
export type ToVerifyWorker = readonly (readonly (number | string | null)[])[] | null;
export type FromVerifyWorker = { readonly ready: true } | { readonly taken: Taken };

const { url, snapshot, unseen } = workerData as VerifyWork;
const source = await openSnapshot(url, snapshot);
const taker = makeEventTaker(source, makeUnseen(unseen));

async function handle(told: ToVerifyWorker): Promise<FromVerifyWorker> {
  if (told) {
    await taker.take(rowsOf(told));
    return { ready: true };
  }
  const taken = await taker.finish();
  await source.close();
  return { taken };
}

function rowsOf(columns: NonNullable<ToVerifyWorker>): EventRow[] {
  const [leaf = [], seq = [], at = [], type = [], task = [], grant = [], body = []] = columns;
  return body.map((text, n) => ({
    leaf: leaf[n] as number | null,
    seq: String(seq[n]),
    at: String(at[n]),
    type: String(type[n]),
    task: task[n] as string | null,
    grant: grant[n] as string | null,
    body: String(text),
  }));
}

let last: Promise<unknown> = Promise.resolve();
parentPort?.on('message', (told: ToVerifyWorker) => {
  // one after another; what goes wrong ends the thread, and the main one is told by that
  last = last.then(async () => parentPort?.postMessage(await handle(told)));
});
