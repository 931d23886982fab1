import { Worker } from 'node:worker_threads';
import type { PolicyAnswer } from './policy.ts';
import type { FromWorker, ToWorker } from './worker.ts';

/** Threads that decide many questions beside the process's own, so that a batch holds up nobody. */
export interface DecisionPool {
  /** Undefined when no thread has this set of policies (yet): whoever asks then decides by itself, which comes to the same. Never throws. */
  begin(set: PooledSet): PooledBatch | undefined;
  close(): Promise<void>;
}

export interface PooledBatch {
  /**
   * Has a piece of the batch decided by one thread: its answers, in the sequence of the questions, each the canonical JSON of a request; undefined
   * when the threads have failed, or no longer have the set. What a thread does not come to an end with is denied, and never asked of whoever asks:
   * it would be held up by it as well. Batches take turns, however many pieces each is handed over in. Never rejects.
   */
  decide(requests: readonly string[]): Promise<PolicyAnswer[] | undefined>;
}

/** A set of policies, by identity: its text goes to each thread once. */
export interface PooledSet {
  readonly files: Readonly<Record<string, string>>;
  readonly schema: string;
}

/** Pieces that a thread has at once, so that it need not wait for the next one to come. */
const AHEAD = 3;
const RESTART_MS = 5_000;
/** How often it is looked whether a thread is stuck, and how many looks it has for a piece, or for a set that it is to load. */
const LOOK_MS = 1_000;
const LOOKS_AT_A_PIECE = 10;
const LOOKS_AT_A_SET = 30;

interface Piece {
  readonly batch: Batch;
  readonly requests: readonly string[];
  readonly done: (answers: PolicyAnswer[] | undefined) => void;
  /** Whether it was with a thread that was lost before its turn came. */
  readonly again?: true;
}

interface Batch {
  readonly set: number;
  readonly waiting: Piece[];
}

interface Thread {
  readonly worker: Worker;
  readonly loaded: Set<number>;
  /** What it has to decide or to load now, by the number of the job or the set: the first is the one that it is at. */
  readonly work: Map<number, Piece | 'load'>;
  /** Looks since it last said something, while there was something to say. */
  silent: number;
}

export interface PoolOptions {
  readonly nowMs?: () => number;
  readonly lookMs?: number;
}

/** @param file - the compiled worker.js. Threads are started when there is first something to decide, and each that is lost is replaced. */
export function makeDecisionPool(
  file: URL,
  size: number,
  { nowMs = Date.now, lookMs = LOOK_MS }: PoolOptions = {},
): DecisionPool {
  const numbers = new WeakMap<PooledSet, number>();
  /** Every batch of which pieces wait, once: the one whose turn is next comes first. */
  let turns: Batch[] = [];
  let threads: Thread[] = [];
  let looking: NodeJS.Timeout | undefined;
  let next = 1;
  let mayStartAt = 0;
  let closed = false;

  function start(): void {
    if (closed || threads.length >= size || nowMs() < mayStartAt) return;
    try {
      while (threads.length < size) threads.push(startThread());
    } catch {
      // the machine gives no more of them now: those that are there decide, or whoever asks
      mayStartAt = nowMs() + RESTART_MS;
    }
    looking ??= setInterval(look, lookMs).unref();
  }

  function startThread(): Thread {
    const thread: Thread = { worker: new Worker(file), loaded: new Set(), work: new Map(), silent: 0 };
    thread.worker.unref();
    thread.worker.on('message', (told: FromWorker) => hear(thread, told));
    thread.worker.on('error', () => lose(thread));
    thread.worker.on('exit', () => lose(thread));
    return thread;
  }

  function hear(thread: Thread, told: FromWorker): void {
    thread.silent = 0;
    if ('loaded' in told) {
      thread.work.delete(told.loaded);
      thread.loaded.add(told.loaded);
      for (const dropped of told.dropped) thread.loaded.delete(dropped);
      release();
    } else {
      const piece = thread.work.get(told.job);
      thread.work.delete(told.job);
      settle(piece, told.answers === undefined ? undefined : (JSON.parse(told.answers) as PolicyAnswer[]));
    }
    feed();
  }

  /**
   * What it was at, and what no other can decide, is decided by whoever asked; another thread comes after a while. What waited behind that goes
   * to the others, once: should it be what threads are lost by, it takes two of them and no more.
   */
  function lose(thread: Thread): void {
    if (!threads.includes(thread)) return;
    threads = threads.filter((other) => other !== thread);
    mayStartAt = nowMs() + RESTART_MS;
    const [at, ...behind] = thread.work.values();
    thread.work.clear();
    settle(at, undefined);
    for (const work of behind.reverse()) {
      if (work === 'load' || work.again) settle(work, undefined);
      else putBack(work);
    }
    release();
    feed();
  }

  /** Before everything else that waits. */
  function putBack(piece: Piece): void {
    const { batch } = piece;
    batch.waiting.unshift({ ...piece, again: true });
    turns = [batch, ...turns.filter((other) => other !== batch)];
  }

  /** Lets go of what no thread has the set for any more. */
  function release(): void {
    const stranded = turns.filter(({ set }) => !threads.some(({ loaded }) => loaded.has(set)));
    turns = turns.filter((batch) => !stranded.includes(batch));
    for (const { done } of stranded.flatMap(({ waiting }) => waiting.splice(0))) done(undefined);
  }

  /** Counted in looks and not in time: while the process stood still, so did its threads. */
  function look(): void {
    for (const thread of threads) {
      const [at] = thread.work.values();
      thread.silent = at ? thread.silent + 1 : 0;
      if (thread.silent > (at === 'load' ? LOOKS_AT_A_SET : LOOKS_AT_A_PIECE)) giveUp(thread);
    }
  }

  /** Whatever it is at, it is not waited for any longer, and that piece is denied. */
  function giveUp(thread: Thread): void {
    const [at] = thread.work.values();
    if (at && at !== 'load') at.done(at.requests.map(() => STUCK));
    lose(thread);
    void thread.worker.terminate();
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
      for (const thread of threads) if (thread.work.size <= ahead) giveNext(thread);
    }
  }

  function giveNext(thread: Thread): void {
    const batch = turns.find(({ set }) => thread.loaded.has(set));
    const piece = batch?.waiting.shift();
    if (!batch || !piece) return;
    turns = turns.filter((other) => other !== batch);
    if (batch.waiting.length > 0) turns.push(batch);
    const job = next++;
    thread.work.set(job, piece);
    tell(thread, { job, set: batch.set, requests: `[${piece.requests.join(',')}]` });
  }

  async function decide(batch: Batch, requests: readonly string[]): Promise<PolicyAnswer[] | undefined> {
    if (!threads.some(({ loaded }) => loaded.has(batch.set))) return undefined;
    const answers = await new Promise<PolicyAnswer[] | undefined>((done) => {
      batch.waiting.push({ batch, requests, done });
      if (!turns.includes(batch)) turns.push(batch);
      feed();
    });
    return answers?.length === requests.length ? answers : undefined;
  }

  return {
    begin(set) {
      start();
      const number = numberOf(set);
      for (const thread of threads.filter(({ loaded, work }) => !loaded.has(number) && !work.has(number))) {
        thread.work.set(number, 'load');
        tell(thread, { load: number, files: set.files, schema: set.schema });
      }
      if (!threads.some(({ loaded }) => loaded.has(number))) return undefined;
      const batch: Batch = { set: number, waiting: [] };
      return { decide: (requests) => decide(batch, requests) };
    },
    async close() {
      closed = true;
      clearInterval(looking);
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function settle(work: Piece | 'load' | undefined, answers: PolicyAnswer[] | undefined): void {
  if (work && work !== 'load') work.done(answers);
}

/** As any policy that errs. */
const STUCK: PolicyAnswer = {
  outcome: 'deny',
  policies: [],
  controls: [],
  errors: [{ policy: '', message: 'was not decided in time' }],
};
