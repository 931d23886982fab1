import { Option, type Command } from 'commander';
import { configOption, stateOption, wholeNumber } from '../options.ts';
import type { Shell } from '../shell.ts';

interface DevOptions {
  readonly config: string;
  readonly state: string;
  readonly port?: number;
}

export function addDev(parent: Command, shell: Shell): void {
  parent
    .command('dev')
    .description(
      'the embedded default: the broker with databases and an identity issuer of its own, on this machine only',
    )
    .addOption(configOption())
    .addOption(stateOption())
    .addOption(new Option('--port <port>', 'instead of PORT, or 8080').argParser(wholeNumber))
    .action(
      shell.action(({ config, state, port }: DevOptions) =>
        shell.local.dev({ config, state, ...(port !== undefined && { port }) }),
      ),
    );
}
