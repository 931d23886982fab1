export interface Deadline {
  /** Aborted when the time is up, or with the caller's own reason when the caller goes away. */
  readonly signal: AbortSignal;
  /** What was bounded is over. */
  clear(): void;
}

/**
 * A caller's signal with a limit of time. Not `AbortSignal.any` with an `AbortSignal.timeout` in it: nothing keeps that alive,
 * and once it has been collected as garbage the time is never up (seen on Node 20.20.2).
 */
export function deadline(ms: number, caller?: AbortSignal): Deadline {
  const controller = new AbortController();
  const leave = () => controller.abort(caller?.reason);
  const timer = setTimeout(() => controller.abort(new DOMException('the time is up', 'TimeoutError')), ms);
  if (caller?.aborted) leave();
  else caller?.addEventListener('abort', leave, { once: true });
  return {
    signal: controller.signal,
    clear() {
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
