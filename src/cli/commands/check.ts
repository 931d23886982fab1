import type { Command } from 'commander';
import { configOption, jsonOption } from '../options.ts';
import type { Shell } from '../shell.ts';

interface CheckOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly writeSchema?: boolean;
}

export function addCheck(parent: Command, shell: Shell): void {
  parent
    .command('check')
    .description('read configuration, profiles and policies and report every problem; exit code 1 on any')
    .addOption(configOption())
    .option('--write-schema', 'write policies/schema.cedarschema anew first')
    .addOption(jsonOption())
    .action(
      shell.action(({ config, json, writeSchema }: CheckOptions) =>
        shell.local.check({ config, json: Boolean(json), writeSchema: Boolean(writeSchema) }),
      ),
    );
}
