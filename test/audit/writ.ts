import { run, thisProcess } from '../../src/cli/index.ts';
import { makeLocalCommands } from '../../src/local-commands.ts';
import { streamOf } from '../cli/harness.ts';

/** The command line with its real local commands: exit code, and what it printed. */
export async function runWrit(
  cwd: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const note = (line: string) => void lines.push(line);
  const write = (text: string, done: () => void) => {
    lines.push(...text.split('\n').filter(Boolean));
    done();
    return true;
  };
  const code = await run(argv, {
    version: '1',
    env,
    cwd,
    stdin: { fd: 0 },
    stdout: { ...streamOf(1), write },
    stderr: { ...streamOf(2), write },
    signals: { on: () => undefined, off: () => undefined },
    now: () => new Date(),
    sleep: () => Promise.resolve(),
    self: thisProcess(),
    local: makeLocalCommands({ env, print: note, printError: note }),
  });
  return { code, lines };
}
