/** Work that comes round by itself: every `intervalMs`, at once when woken, never twice at a time. */
export interface Loop {
  wake(): void;
  /** Starts nothing new and waits for the round under way. */
  stop(): Promise<void>;
}

/** Somebody looks for what there is to do, and wakes; should that fail, it comes round by itself nevertheless. */
const UNWOKEN_MS = 10_000;

export const startWoken = (work: () => Promise<boolean>, onError: (error: unknown) => void): Loop =>
  startLoop(UNWOKEN_MS, work, onError);

/** `work` answers whether there was more than it could take: then the next round follows at once. Failures are told and waited out. */
export function startLoop(intervalMs: number, work: () => Promise<boolean>, onError: (error: unknown) => void): Loop {
  let stopped = false;
  let woken = false;
  let wakeUp: (() => void) | undefined;

  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, intervalMs);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const resting = () => !woken && !stopped;
  const rounds = async () => {
    while (!stopped) {
      woken = false;
      let more = false;
      try {
        more = await work();
      } catch (error) {
        onError(error);
      }
      if (!more && resting()) await pause();
    }
  };
  const done = rounds();
  const wake = () => {
    woken = true;
    wakeUp?.();
  };
  return {
    wake,
    async stop() {
      stopped = true;
      wake();
      await done;
    },
  };
}
