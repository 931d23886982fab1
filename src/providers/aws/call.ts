import { AsyncLocalStorage } from 'node:async_hooks';
import { ProviderError } from '../../domain/errors.ts';
import { asProviderError, leavesNothing, nameOf } from './errors.ts';

/** What became of the attempts of one call; the SDK itself shows the last one alone. */
interface Attempts {
  /** One is under way, or went wrong so that nobody knows what came of it. */
  open: boolean;
  /** As the server gave it last. */
  date?: string;
}

const attemptsOfCall = new AsyncLocalStorage<Attempts>();

/** Inside of the retries and of the signature: what fails before has not been sent. */
export const WATCHING = { step: 'finalizeRequest', priority: 'low', name: 'writAttempts' } as const;

/** A middleware that reports each attempt to the call that makes it. */
export function watching<Request, Result extends { readonly response: unknown }>(
  next: (request: Request) => Promise<Result>,
): (request: Request) => Promise<Result> {
  return async (request) => {
    const attempts = attemptsOfCall.getStore() ?? { open: false };
    const before = attempts.open;
    attempts.open = true;
    try {
      const result = await next(request);
      Object.assign(attempts, dateOf(result.response));
      return result;
    } catch (error) {
      if (leavesNothing(error)) attempts.open = before;
      // A quota that is used up is on the SDK's list of what to try again.
      if (nameOf(error) === 'LimitExceededException') throw asProviderError(error, true);
      throw error;
    }
  };
}

function dateOf(response: unknown): { date?: string } {
  const { headers } = (response ?? {}) as { headers?: Readonly<Record<string, string>> };
  const date = headers?.['date'];
  return date === undefined ? {} : { date };
}

function readDate(text: string | undefined): Date | undefined {
  const date = new Date(text ?? NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** One call, with the SDK's own attempts. @throws ProviderError as soon as it fails, or as the caller has gone. */
export async function ask<T>(
  signal: AbortSignal,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  return (await askDated(signal, send)).answer;
}

/** The same, with what the server says that the time is. */
export function askDated<T>(
  signal: AbortSignal,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<{ readonly answer: T; readonly date: Date | undefined }> {
  const attempts: Attempts = { open: false };
  return new Promise((resolve, reject) => {
    // Between two attempts the SDK waits without looking at the signal.
    const gone = () => reject(new ProviderError('provider_timeout', { nothingLives: !attempts.open }));
    if (signal.aborted) {
      gone();
      return;
    }
    signal.addEventListener('abort', gone, { once: true });
    attemptsOfCall
      .run(attempts, () => send({ abortSignal: signal }))
      .then(
        (answer) => resolve({ answer, date: readDate(attempts.date) }),
        (error: unknown) => reject(asProviderError(error, !attempts.open)),
      )
      .finally(() => signal.removeEventListener('abort', gone));
  });
}
