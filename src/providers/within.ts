import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderError } from '../domain/errors.ts';

/**
 * The outcome of `work`, or a ProviderError `provider_timeout` as soon as `ms` have passed or the caller has gone. What
 * comes after that is given to `late`, and a late failure is dropped.
 */
export function within<T>(ms: number, signal: AbortSignal, work: Promise<T>, late?: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let waiting = true;
    const stop = () => {
      waiting = false;
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    };
    const giveUp = () => {
      stop();
      reject(new ProviderError('provider_timeout', { nothingLives: false }));
    };
    const timer = setTimeout(giveUp, ms);
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp);
    work.then(
      (value) => {
        if (!waiting) return late?.(value);
        stop();
        resolve(value);
      },
      (error: unknown) => {
        if (!waiting) return;
        stop();
        reject(error);
      },
    );
  });
}

/** Waits, unless the caller goes away. @throws ProviderError `provider_timeout`. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (cause) {
    throw new ProviderError('provider_timeout', { nothingLives: false, cause });
  }
}
