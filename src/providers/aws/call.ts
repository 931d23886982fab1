import type { STSClient } from '@aws-sdk/client-sts';
import { ProviderError } from '../../domain/errors.ts';
import { asProviderError, leavesNothing, nameOf } from './errors.ts';

/** Until when a call goes on, and from when on it may go out. */
export interface Pace {
  /** Whoever asked has gone. */
  readonly signal: AbortSignal;
  /** Where what is asked is not on record yet: it is made ready, signed, and held until this is done. Where this fails nothing goes out. */
  readonly recorded?: Promise<void>;
}

/** What became of the attempts of one call; the SDK itself shows the last one alone. */
interface Attempts extends Pace {
  /** One is under way, or went wrong so that nobody knows what came of it. */
  open: boolean;
  /** As the server gave it last. */
  date?: string;
}

/** A command in the SDK's terms: what is asked for, as an object that the SDK passes through to each attempt. */
interface Command {
  readonly input: object;
}

/** One attempt of a command, with what goes out for it. */
interface Attempt extends Command {
  readonly request?: unknown;
}

/** By what a command asks for. Not an `AsyncLocalStorage`: on Node 20 one that was used once slows every promise of the process. */
const attemptsOfInput = new WeakMap<object, Attempts>();

/** By what goes out for an attempt: who cuts it off. */
const signalOfRequest = new WeakMap<object, AbortSignal>();

/** Inside of the retries and of the signature: what fails before has not been sent. */
export const WATCHING = { step: 'finalizeRequest', priority: 'low', name: 'writAttempts' } as const;

/**
 * A middleware that reports each attempt to the call that makes it. No attempt begins that nobody asked for, that is not on record, or whose
 * caller has gone.
 */
export function watching<Request extends Attempt, Result extends { readonly response: unknown }>(
  next: (request: Request) => Promise<Result>,
): (request: Request) => Promise<Result> {
  return async (request) => {
    const attempts = attemptsOfInput.get(request.input);
    if (!attempts) throw new TypeError('a command that was not asked for by `ask`');
    await attempts.recorded;
    attempts.signal.throwIfAborted();
    const before = attempts.open;
    attempts.open = true;
    const { request: outgoing }: Attempt = request;
    if (typeof outgoing === 'object' && outgoing) signalOfRequest.set(outgoing, attempts.signal);
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

/**
 * What is under way ends with the caller's going. With a call the SDK takes a signal too, but puts its middleware together anew for it; this one
 * is for clients that keep theirs. Whether a request that was cut off has been heeded nobody knows.
 */
export function cutOffWithCaller(handler: STSClient['config']['requestHandler']): void {
  const handle = handler.handle.bind(handler);
  handler.handle = (request: object, options) => {
    const abortSignal = signalOfRequest.get(request);
    return handle(request, abortSignal ? { ...options, abortSignal } : options);
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

/**
 * One call, with the SDK's own attempts. @throws ProviderError as soon as it fails, or as the caller has gone.
 * @param send - sends the command, which is of this call alone. With the options an attempt under way is cut off when the caller goes; without
 * them only where the client's handler sees to that.
 */
export async function ask<T>(
  signal: AbortSignal,
  command: Command,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  return (await askDated({ signal }, command, send)).answer;
}

/** The same at a pace, with what the server says that the time is. */
export function askDated<T>(
  pace: Pace,
  { input }: Command,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<{ readonly answer: T; readonly date: Date | undefined }> {
  const { signal } = pace;
  const attempts: Attempts = { ...pace, open: false };
  attemptsOfInput.set(input, attempts);
  return new Promise((resolve, reject) => {
    // Between two attempts the SDK waits without looking at the signal.
    const gone = () => reject(new ProviderError('provider_timeout', { nothingLives: !attempts.open }));
    if (signal.aborted) {
      gone();
      return;
    }
    signal.addEventListener('abort', gone, { once: true });
    const sent = async () => send({ abortSignal: signal }); // what it throws is a failure like others
    sent()
      .then(
        (answer) => resolve({ answer, date: readDate(attempts.date) }),
        (error: unknown) => reject(asProviderError(error, !attempts.open)),
      )
      .finally(() => signal.removeEventListener('abort', gone));
  });
}
