import type { Fetch } from '../client/index.ts';
import type { LocalCommands } from './local.ts';
import type { ProcessInfo } from './self.ts';

/** Everything that the command line takes from the process it runs in. `process` and its streams fit as they are. */
export interface Context {
  readonly version: string;
  readonly env: Environment;
  /** Where `.writ/dev.json` is looked for. */
  readonly cwd: string;
  readonly stdin: Terminal;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly signals: SignalSource;
  /** `thisProcess()`. */
  readonly self: ProcessInfo;
  now(): Date;
  sleep(ms: number): Promise<unknown>;
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  readonly local: LocalCommands;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A descriptor that a child can be given. */
export interface Terminal {
  readonly fd: number;
  readonly isTTY?: boolean;
}

export interface TextStream extends Terminal {
  write(text: string, done: (error?: Error | null) => void): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: SignalListener): unknown;
  off(signal: NodeJS.Signals, listener: SignalListener): unknown;
}
export type SignalListener = (signal: NodeJS.Signals) => void;
