import { constants } from 'node:os';
import type { SignalListener, SignalSource } from './context.ts';

/** Those that ask a program to stop; SIGQUIT among them. */
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const satisfies readonly NodeJS.Signals[];
/** Those that mean something to the command only. Unhandled, SIGUSR1 would open Node's debugger beside a credential. */
const CUSTOM = ['SIGUSR1', 'SIGUSR2'] as const satisfies readonly NodeJS.Signals[];

/** The signals that reach Writ while `exec` runs, given to whoever has the floor. */
export interface Relay {
  /** From now on signals go to `listener`. */
  to(listener: (signal: NodeJS.Signals, stopping: boolean) => void): void;
  /** The first stopping signal that came at all. */
  first(): NodeJS.Signals | undefined;
  close(): void;
}

export function makeRelay(source: SignalSource): Relay {
  const stopping: ReadonlySet<NodeJS.Signals> = new Set(STOPPING);
  let first: NodeJS.Signals | undefined;
  let current: (signal: NodeJS.Signals, stopping: boolean) => void = () => undefined;
  const listener: SignalListener = (signal) => {
    if (stopping.has(signal)) first ??= signal;
    current(signal, stopping.has(signal));
  };
  const signals = [...STOPPING, ...CUSTOM];
  for (const signal of signals) source.on(signal, listener);
  return {
    to: (next) => {
      current = next;
    },
    first: () => first,
    close: () => {
      for (const signal of signals) source.off(signal, listener);
    },
  };
}

/**
 * Work that a stopping signal does not cut short, because its outcome must be known; a second one aborts it.
 * `warn` is told of the first.
 */
export async function untilAskedTwice<T>(
  relay: Relay,
  warn: () => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  let asked = 0;
  relay.to((_signal, stopping) => {
    if (!stopping) return;
    asked += 1;
    if (asked === 1) warn();
    else abort.abort();
  });
  return work(abort.signal);
}

/** What a shell reports of a process that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
