import { Option, type Command } from 'commander';
import { DEFAULT_CONFIG } from '../options.ts';
import type { Shell } from '../shell.ts';

export function addMigrate(parent: Command, shell: Shell): void {
  parent
    .command('migrate')
    .description(
      "bring the ledger's database up to date: of DATABASE_URL, or of the configuration where that is named or it is not set",
    )
    .addOption(new Option('--config <dir>', `the configuration (default: DATABASE_URL, or "${DEFAULT_CONFIG}")`))
    .action(
      shell.action(({ config }: { readonly config?: string }) => {
        const url = shell.env['DATABASE_URL'];
        return shell.local.migrate(config === undefined && url ? { url } : { config: config ?? DEFAULT_CONFIG });
      }),
    );
}
