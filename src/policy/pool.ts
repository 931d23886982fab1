import { Worker } from 'node:worker_threads';
import type { PolicyAnswer } from './policy.ts';
import type { FromWorker, ToWorker } from './worker.ts';

/** Threads that decide many questions beside the process's own, so that a batch holds up nobody. */
export interface DecisionPool {
  /**
   * Answers, in the sequence of the questions, each the canonical JSON of a request; undefined when the threads do not have this set of policies
   * (yet) or have failed: whoever asks then decides by itself, which comes to the same.
   */
  decide(set: PooledSet, requests: readonly string[]): Promise<PolicyAnswer[] | undefined>;
  close(): Promise<void>;
}

/** A set of policies, by identity: its text goes to each thread once. */
export interface PooledSet {
  readonly files: Readonly<Record<string, string>>;
  readonly schema: string;
}

/** Small enough that threads share a batch evenly, and that two batches take turns. */
const CHUNK = 4;
/** Chunks that a thread has at once, so that it need not wait for the next one to come. */
const AHEAD = 2;
const RESTART_MS = 5_000;

interface Thread {
  readonly worker: Worker;
  readonly loaded: Set<number>;
  readonly asked: Set<number>;
}

/** @param file - the compiled worker.js. Threads are started when there is first something to decide. */
export function makeDecisionPool(file: URL, size: number, nowMs: () => number = Date.now): DecisionPool {
  const numbers = new WeakMap<PooledSet, number>();
  const jobs = new Map<number, { readonly thread: Thread; done(answers: PolicyAnswer[] | undefined): void }>();
  let threads: Thread[] = [];
  let next = 1;
  let mayStartAt = 0;
  let closed = false;

  function start(): void {
    if (closed || threads.length > 0 || nowMs() < mayStartAt) return;
    threads = Array.from({ length: size }, () => {
      const thread: Thread = { worker: new Worker(file), loaded: new Set(), asked: new Set() };
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
      return;
    }
    const job = jobs.get(told.job);
    jobs.delete(told.job);
    job?.done(told.answers === undefined ? undefined : (JSON.parse(told.answers) as PolicyAnswer[]));
  }

  /** What it had to decide is decided by whoever asked; new threads come after a while. */
  function lose(thread: Thread): void {
    threads = threads.filter((other) => other !== thread);
    mayStartAt = nowMs() + RESTART_MS;
    for (const [number, job] of jobs) {
      if (job.thread !== thread) continue;
      jobs.delete(number);
      job.done(undefined);
    }
  }

  function numberOf(set: PooledSet): number {
    const number = numbers.get(set) ?? next++;
    numbers.set(set, number);
    return number;
  }

  const tell = (thread: Thread, message: ToWorker) => thread.worker.postMessage(message);

  function ask(thread: Thread, set: number, requests: readonly string[]): Promise<PolicyAnswer[] | undefined> {
    const job = next++;
    return new Promise((done) => {
      jobs.set(job, { thread, done });
      tell(thread, { job, set, requests: `[${requests.join(',')}]` });
    });
  }

  return {
    async decide(set, requests) {
      start();
      const number = numberOf(set);
      for (const thread of threads.filter((each) => !each.asked.has(number))) {
        thread.asked.add(number);
        tell(thread, { load: number, files: set.files, schema: set.schema });
      }
      const ready = threads.filter(({ loaded }) => loaded.has(number));
      if (ready.length === 0) return undefined;
      const answers: (PolicyAnswer[] | undefined)[] = [];
      let from = 0;
      // Dealt out as threads come free, not in advance: one that the machine does not run keeps nothing back.
      const work = async (thread: Thread) => {
        while (from < requests.length && threads.includes(thread)) {
          const [at, chunk] = [from / CHUNK, requests.slice(from, from + CHUNK)];
          from += CHUNK;
          answers[at] = await ask(thread, number, chunk);
          if (!answers[at]) return;
        }
      };
      await Promise.all(ready.flatMap((thread) => Array.from({ length: AHEAD }, () => work(thread))));
      const all = answers.flatMap((part) => part ?? []);
      return all.length === requests.length ? all : undefined;
    },
    async close() {
      closed = true;
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
