import type { Command } from 'commander';
import { configOption, jsonOption } from '../options.ts';
import type { Shell } from '../shell.ts';

interface PolicyOptions {
  readonly config: string;
  readonly json?: boolean;
}

export function addPolicy(parent: Command, shell: Shell): void {
  const group = parent.command('policy').description('test policies, and see what they would decide');
  group
    .command('test')
    .description('run the cases of a directory; exit code 1 when one fails')
    .argument('[dir]', "where the cases are (default: the rules' own)")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(
      shell.action((directory: string | undefined, { config, json }: PolicyOptions) =>
        shell.local.policyTest({ config, json: Boolean(json), ...(directory !== undefined && { directory }) }),
      ),
    );
  group
    .command('explain')
    .description('what would be decided of a request and by which policy, and what would be asked of the provider')
    .argument('<request.json>', 'the request')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(
      shell.action((file: string, { config, json }: PolicyOptions) =>
        shell.local.policyExplain({ file, config, json: Boolean(json) }),
      ),
    );
}
