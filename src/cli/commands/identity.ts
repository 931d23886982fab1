import type { Command } from 'commander';
import { stateOption, ttlOption } from '../options.ts';
import type { Shell } from '../shell.ts';

interface IdentityOptions {
  readonly state: string;
  readonly ttl?: number;
}

export function addIdentity(parent: Command, shell: Shell): void {
  parent
    .command('identity')
    .description('print a development identity token (embedded default only)')
    .argument('<spiffe-id>', 'such as spiffe://dev.local/agent/me')
    .addOption(stateOption())
    .addOption(ttlOption())
    .addHelpText('after', '\n  export WRIT_IDENTITY_TOKEN="$(writ identity spiffe://dev.local/agent/me)"')
    .action(
      shell.action((id: string, { state, ttl }: IdentityOptions) =>
        shell.local.identity({ id, state, ...(ttl !== undefined && { ttl }) }),
      ),
    );
}
