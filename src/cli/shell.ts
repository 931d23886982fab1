import type { Context } from './context.ts';
import { EXIT } from './exit.ts';
import { makeOutput, type Output } from './output.ts';

/** What a command works with, and where its exit code goes. */
export interface Shell extends Context {
  readonly out: Output;
  /** Makes a commander action of work that ends with an exit code. */
  action<Args extends unknown[]>(work: (...args: Args) => Promise<number>): (...args: Args) => Promise<void>;
  exitCode(): number;
}

export function makeShell(context: Context): Shell {
  let code: number = EXIT.ok;
  return {
    ...context,
    now: () => context.now(),
    sleep: (ms) => context.sleep(ms),
    out: makeOutput(context.stdout, context.stderr),
    action:
      (work) =>
      async (...args) => {
        code = await work(...args);
      },
    exitCode: () => code,
  };
}
