import { Command } from 'commander';
import { commands } from './commands/index.ts';
import type { Context } from './context.ts';
import { report } from './report.ts';
import { makeShell, type Shell } from './shell.ts';

/**
 * Runs one command and answers its exit code (`exit.ts`). Never throws and never ends the process: what was written may
 * still be on its way, so the caller sets `process.exitCode` rather than calling `process.exit`.
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const shell = makeShell(context);
  try {
    await makeProgram(shell).parseAsync([...argv], { from: 'user' });
    return shell.exitCode();
  } catch (error) {
    return report(shell.out, error, wantsJson(argv));
  }
}

function makeProgram(shell: Shell): Command {
  const program = new Command('writ')
    .description('A just-in-time credential broker for agents.')
    .version(shell.version)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void shell.out.raw(text).catch(() => undefined),
      writeErr: (text) => void shell.stderr.write(text, () => undefined),
      outputError: () => undefined, // told by `report`
    })
    .addHelpText('after', HELP);
  for (const add of commands) add(program, shell);
  return program;
}

/** Also of a command line that does not parse. What is behind `--`, or under `exec`, is not ours. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv[0] !== 'exec' && (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

const HELP = `
Environment:
  WRIT_URL                   the broker; default: the embedded default's in .writ/dev.json, or http://127.0.0.1:8080
  WRIT_IDENTITY_TOKEN_FILE   a workload's identity, read each time; or
  WRIT_IDENTITY_TOKEN        the token itself
  WRIT_OPERATOR_TOKEN        an operator's token; towards the embedded default: those of .writ/dev.json

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 revocation still pending, 4 not available now; exec: its command's.`;
