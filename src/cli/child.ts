import { spawn, type ChildProcess } from 'node:child_process';
import { EXIT } from './exit.ts';
import { exitCodeOf, type Relay } from './relay.ts';

export interface ChildPlan {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Descriptors of its stdin, stdout and stderr. */
  readonly stdio: readonly [number, number, number];
  /** It shares a terminal with Writ, which then sends Ctrl-C and Ctrl-\ to both by itself. */
  readonly terminal: boolean;
  /** Told when a second stopping signal kills it. */
  readonly onKill: () => void;
}

export type ChildEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly code: number; readonly signal: NodeJS.Signals }
  | { readonly kind: 'not_started'; readonly code: number; readonly reason: string };

/**
 * Runs a command to its end and passes signals on. The first stopping signal is the command's to obey or not; the second
 * kills it, so that its credential can be taken back. What came before it started is passed on as soon as it has.
 */
export function runChild(plan: ChildPlan, relay: Relay): Promise<ChildEnd> {
  const child = start(plan);
  if (typeof child === 'string') return Promise.resolve(notStarted(child));
  let asked = 0;
  const pass = (signal: NodeJS.Signals, stopping: boolean) => {
    if (plan.terminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
    if (stopping) asked += 1;
    if (asked > 1) {
      plan.onKill();
      child.kill('SIGKILL');
    } else child.kill(signal);
  };
  relay.to(pass);
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve(notStarted(error.code ?? 'unknown'));
    });
    child.once('exit', (code, signal) => {
      resolve(
        signal
          ? { kind: 'signalled', code: exitCodeOf(signal), signal }
          : { kind: 'exited', code: code ?? EXIT.failed },
      );
    });
  });
}

/** The child, or the system's code: an error's message may quote the environment. */
function start({ command, args, env, stdio }: ChildPlan): ChildProcess | string {
  try {
    return spawn(command, args, { env, stdio: [...stdio] });
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return code;
  }
}

function notStarted(reason: string): ChildEnd {
  return { kind: 'not_started', code: reason === 'ENOENT' ? EXIT.notFound : EXIT.notExecutable, reason };
}
