import { Refusal } from '../domain/errors.ts';
import type { ApprovalId } from '../domain/ids.ts';

export interface WaitingOptions {
  /** Of these, the ones that nobody waits for an answer to any more. */
  readonly settled: (ids: readonly ApprovalId[]) => Promise<readonly ApprovalId[]>;
  /** Behind the notices, which are a courtesy. Default 1,000. */
  readonly pollMs?: number;
  /** At once, of this process and of one caller. */
  readonly most?: number;
  readonly mostOfOne?: number;
}

export interface Waiting {
  /**
   * Resolves once the approval is answered or over, the time has passed, the caller is gone, or the process is closing; whoever
   * waited looks for itself. @throws Refusal `too_many_requests` when as many wait already as may.
   */
  wait(id: ApprovalId, caller: string, seconds: number, gone: AbortSignal): Promise<void>;
  /** Something was answered: look now. */
  wake(): void;
  /** Lets everybody go, and nobody wait from now on. */
  close(): void;
  count(): number;
}

interface Waiter {
  readonly id: ApprovalId;
  readonly caller: string;
  readonly go: () => void;
}

/** Long polls: one question to the ledger for all that wait, however many they are. */
export function makeWaiting({ settled, pollMs = 1_000, most = 2_000, mostOfOne = 50 }: WaitingOptions): Waiting {
  const waiters = new Set<Waiter>();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  let again = false;
  let closed = false;

  async function look(): Promise<void> {
    again = looking;
    if (looking || waiters.size === 0) return;
    looking = true;
    clearTimeout(timer);
    // While the ledger is away nobody can be answered: they wait on.
    const done = new Set(await settled([...new Set([...waiters].map(({ id }) => id))]).catch(() => []));
    for (const waiter of waiters) if (done.has(waiter.id)) waiter.go();
    looking = false;
    if (again) void look();
    else schedule();
  }

  function schedule(): void {
    clearTimeout(timer);
    if (waiters.size === 0 || closed) return;
    timer = setTimeout(() => void look(), pollMs);
    timer.unref();
  }

  return {
    async wait(id, caller, seconds, gone) {
      if (closed || gone.aborted || seconds <= 0) return;
      const ofOne = [...waiters].filter((waiter) => waiter.caller === caller).length;
      if (waiters.size >= most || ofOne >= mostOfOne) throw new Refusal('too_many_requests', { waiting: ofOne });
      await new Promise<void>((resolve) => {
        const waiter: Waiter = {
          id,
          caller,
          go: () => {
            clearTimeout(late);
            gone.removeEventListener('abort', waiter.go);
            waiters.delete(waiter);
            resolve();
          },
        };
        const late = setTimeout(waiter.go, seconds * 1000);
        gone.addEventListener('abort', waiter.go, { once: true });
        waiters.add(waiter);
        // It may have been answered between the caller's own look and now.
        void look();
      });
    },
    wake: () => void look(),
    close() {
      closed = true;
      clearTimeout(timer);
      for (const { go } of waiters) go();
    },
    count: () => waiters.size,
  };
}
