import { Worker } from 'node:worker_threads';
import type { PolicyAnswer } from './policy.ts';
import type { FromWorker, ToWorker } from './worker.ts';

/** Threads that decide many questions beside the process's own, so that a batch holds up nobody. */
export interface DecisionPool {
  /** Undefined when no thread has this set of policies (yet): whoever asks then decides by itself, which comes to the same. */
  begin(set: PooledSet): PooledBatch | undefined;
  close(): Promise<void>;
}

export interface PooledBatch {
  /**
   * Answers, in the sequence of the questions, each the canonical JSON of a request; undefined when the threads have failed, or no longer have
   * the set. Batches take turns, however many pieces each is handed over in. Never rejects.
   */
  decide(requests: readonly string[]): Promise<PolicyAnswer[] | undefined>;
}

/** A set of policies, by identity: its text goes to each thread once. */
export interface PooledSet {
  readonly files: Readonly<Record<string, string>>;
  readonly schema: string;
}

/** Small enough that threads share a batch evenly, and that two batches take turns. */
const CHUNK = 8;
/** Chunks that a thread has at once, so that it need not wait for the next one to come. */
const AHEAD = 3;
const RESTART_MS = 5_000;

type Done = (answers: PolicyAnswer[] | undefined) => void;

interface Chunk {
  readonly requests: readonly string[];
  readonly done: Done;
}

interface Batch {
  readonly set: number;
  readonly waiting: Chunk[];
}

interface Thread {
  readonly worker: Worker;
  readonly loaded: Set<number>;
  readonly asked: Set<number>;
  /** What it has to decide now, by the number of the job. */
  readonly jobs: Map<number, Done>;
}

/** @param file - the compiled worker.js. Threads are started when there is first something to decide. */
export function makeDecisionPool(file: URL, size: number, nowMs: () => number = Date.now): DecisionPool {
  const numbers = new WeakMap<PooledSet, number>();
  /** Every batch of which chunks wait, once: the one whose turn is next comes first. */
  let turns: Batch[] = [];
  let threads: Thread[] = [];
  let next = 1;
  let mayStartAt = 0;
  let closed = false;

  function start(): void {
    if (closed || threads.length > 0 || nowMs() < mayStartAt) return;
    threads = Array.from({ length: size }, () => {
      const thread: Thread = { worker: new Worker(file), loaded: new Set(), asked: new Set(), jobs: new Map() };
      thread.worker.unref();
      thread.worker.on('message', (told: FromWorker) => hear(thread, told));
      thread.worker.on('error', () => lose(thread));
      thread.worker.on('exit', () => lose(thread));
      return thread;
    });
  }

  function hear(thread: Thread, told: FromWorker): void {
    if ('loaded' in told) {
      thread.loaded.add(told.loaded);
    } else {
      const done = thread.jobs.get(told.job);
      thread.jobs.delete(told.job);
      done?.(told.answers === undefined ? undefined : (JSON.parse(told.answers) as PolicyAnswer[]));
    }
    feed();
  }

  /** What it had to decide, and what no other can, is decided by whoever asked; new threads come after a while. */
  function lose(thread: Thread): void {
    threads = threads.filter((other) => other !== thread);
    mayStartAt = nowMs() + RESTART_MS;
    const stranded = turns.filter(({ set }) => !threads.some(({ loaded }) => loaded.has(set)));
    turns = turns.filter((batch) => !stranded.includes(batch));
    const lost = [
      ...thread.jobs.values(),
      ...stranded.flatMap(({ waiting }) => waiting.splice(0)).map(({ done }) => done),
    ];
    thread.jobs.clear();
    for (const done of lost) done(undefined);
  }

  function numberOf(set: PooledSet): number {
    const number = numbers.get(set) ?? next++;
    numbers.set(set, number);
    return number;
  }

  const tell = (thread: Thread, message: ToWorker) => thread.worker.postMessage(message);

  /** Not dealt out in advance: a thread that the machine does not run keeps little back. Those that have least to do come first. */
  function feed(): void {
    for (let ahead = 0; ahead < AHEAD; ahead++) {
      for (const thread of threads) if (thread.jobs.size <= ahead) giveNext(thread);
    }
  }

  function giveNext(thread: Thread): void {
    const batch = turns.find(({ set }) => thread.loaded.has(set));
    const chunk = batch?.waiting.shift();
    if (!batch || !chunk) return;
    turns = turns.filter((other) => other !== batch);
    if (batch.waiting.length > 0) turns.push(batch);
    const job = next++;
    thread.jobs.set(job, chunk.done);
    tell(thread, { job, set: batch.set, requests: `[${chunk.requests.join(',')}]` });
  }

  async function decide(batch: Batch, requests: readonly string[]): Promise<PolicyAnswer[] | undefined> {
    if (!threads.some(({ loaded }) => loaded.has(batch.set))) return undefined;
    const chunks = Array.from({ length: Math.ceil(requests.length / CHUNK) }, (_, n) =>
      requests.slice(n * CHUNK, (n + 1) * CHUNK),
    );
    const decided = chunks.map(
      (chunk) => new Promise<PolicyAnswer[] | undefined>((done) => batch.waiting.push({ requests: chunk, done })),
    );
    if (!turns.includes(batch)) turns.push(batch);
    feed();
    const answers = (await Promise.all(decided)).flatMap((part) => part ?? []);
    return answers.length === requests.length ? answers : undefined;
  }

  return {
    begin(set) {
      start();
      const number = numberOf(set);
      for (const thread of threads.filter((each) => !each.asked.has(number))) {
        thread.asked.add(number);
        tell(thread, { load: number, files: set.files, schema: set.schema });
      }
      if (!threads.some(({ loaded }) => loaded.has(number))) return undefined;
      const batch: Batch = { set: number, waiting: [] };
      return { decide: (requests) => decide(batch, requests) };
    },
    async close() {
      closed = true;
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
