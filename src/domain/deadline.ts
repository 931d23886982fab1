export interface Deadline {
  /** Aborted when the time is up, or with the caller's own reason when the caller goes away. */
  readonly signal: AbortSignal;
  /** What was bounded is over. */
  clear(): void;
}

/**
 * A caller's signal with a limit of time, which begins once `from` is done; at once without it. Not `AbortSignal.any` with an
 * `AbortSignal.timeout` in it: nothing keeps that alive, and once it has been collected as garbage the time is never up (seen on Node 20.20.2).
 */
export function deadline(ms: number, caller?: AbortSignal, from?: Promise<void>): Deadline {
  const controller = new AbortController();
  const leave = () => controller.abort(caller?.reason);
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const begin = () => {
    if (!over) timer = setTimeout(() => controller.abort(new DOMException('the time is up', 'TimeoutError')), ms);
  };
  // What waits for something that fails ends by that.
  if (from) from.then(begin, () => undefined);
  else begin();
  if (caller?.aborted) leave();
  else caller?.addEventListener('abort', leave, { once: true });
  return {
    signal: controller.signal,
    clear() {
      over = true;
      clearTimeout(timer);
      caller?.removeEventListener('abort', leave);
    },
  };
}

/** What `work` comes to, or what `late` says where it takes longer: it goes on then, for whoever else asks after it. */
export function within<T, Late>(ms: number, work: Promise<T>, late: () => Late): Promise<T | Late> {
  let timer: NodeJS.Timeout | undefined;
  const up = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))).then(late);
  return Promise.race([work, up]).finally(() => clearTimeout(timer));
}
