import type { Command } from 'commander';
import { configOption } from '../options.ts';
import type { Shell } from '../shell.ts';

export function addServe(parent: Command, shell: Shell): void {
  parent
    .command('serve')
    .description(
      'run the broker; needs DATABASE_URL or database.url, and a schema that `writ migrate` brought up to date',
    )
    .addOption(configOption())
    .action(shell.action((options: { readonly config: string }) => shell.local.serve({ config: options.config })));
}
