import { Option, type Command } from 'commander';
import { connectWorkload } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { FORMATS, formatCredential, type Format } from '../formats.ts';
import { giveBack } from '../giving-back.ts';
import type { Shell } from '../shell.ts';
import { addWantedOptions, issueWanted, type WantedOptions } from '../wanted.ts';

interface CredentialOptions extends WantedOptions {
  readonly format: Format;
}

export function addCredential(parent: Command, shell: Shell): void {
  const command = parent
    .command('credential')
    .description('print one credential; it lives until its end or until it is revoked');
  addWantedOptions(command)
    .addOption(new Option('--format <format>', 'for whoever reads it').choices(FORMATS).makeOptionMandatory())
    .addHelpText('after', HELP)
    .action(shell.action((options: CredentialOptions) => credential(shell, options)));
}

const HELP = `
Where there is a choice take \`writ exec\`: what is printed can be kept, and is not revoked when you are done.

  [profile invoices]                      # ~/.aws/config
  credential_process = writ credential --profile invoices-read --format aws-process`;

/** A credential that could not be handed over is given back. */
async function credential(shell: Shell, options: CredentialOptions): Promise<number> {
  const client = await connectWorkload(shell, options);
  const grant = await issueWanted(shell, client, options);
  try {
    await shell.out.raw(formatCredential(grant, options.format));
  } catch (error) {
    await giveBack({ shell, client, grant, reason: 'credential: it could not be printed' });
    throw error;
  }
  if (options.verbose) await shell.out.note(`writ: grant ${grant.id}, until ${grant.expires_at}`);
  return EXIT.ok;
}
