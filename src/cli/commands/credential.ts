import { Option, type Command } from 'commander';
import type { Client, IssuedGrant } from '../../client/index.ts';
import { awaitApproval } from '../approval-wait.ts';
import { cachedGrant } from '../cache/cached.ts';
import { forget } from '../cache/forget.ts';
import { cacheKey } from '../cache/key.ts';
import { openStore } from '../cache/store.ts';
import { connectOnce, type Connected } from '../connect.ts';
import { CliError, EXIT, usage } from '../exit.ts';
import { FORMATS, formatCredential, type Format } from '../formats.ts';
import { giveBack } from '../giving-back.ts';
import { credentialEnd } from '../lifetime.ts';
import type { Shell } from '../shell.ts';
import {
  addWantedOptions,
  claimWanted,
  profileOption,
  requestOf,
  requestWanted,
  type WantedOptions,
} from '../wanted.ts';

interface CredentialOptions extends WantedOptions {
  readonly format: Format;
  readonly cache?: boolean;
}

interface Given extends Omit<CredentialOptions, 'profile' | 'format'> {
  readonly profile?: string;
  readonly format?: Format;
  readonly forget?: boolean;
}

export function addCredential(parent: Command, shell: Shell): void {
  const command = parent
    .command('credential')
    .description('print one credential; it lives until its end or until it is revoked')
    .addOption(profileOption());
  addWantedOptions(command)
    .addOption(new Option('--format <format>', 'for whoever reads it').choices(FORMATS))
    .option(
      '--cache',
      'print the same until shortly before its end, then the next of its grant; the default of aws-process',
    )
    .option('--no-cache', 'a grant for each call, and nothing is written to disk; the default of the other formats')
    .option('--forget', 'clear what the cache has of this broker and identity, or of one profile, and give it back')
    .addHelpText('after', HELP)
    .action(shell.action((given: Given) => (given.forget ? forgetAll(shell, given) : print(shell, complete(given)))));
}

const HELP = `
Where there is a choice take \`writ exec\`: what is printed can be kept, and is not revoked when you are done.
The cache is in XDG_RUNTIME_DIR, or else in a directory of yours below TMPDIR; docs/cli.md says what is in it.

  [profile invoices]                      # ~/.aws/config
  credential_process = writ credential --profile invoices-read --format aws-process`;

function complete({ profile, format, ...given }: Given): CredentialOptions {
  if (profile === undefined) throw usage('--profile is missing', 'see --help');
  if (format === undefined) throw usage('--format is missing', 'see --help');
  return { ...given, profile, format };
}

async function print(shell: Shell, options: CredentialOptions): Promise<number> {
  const { cache = options.format === 'aws-process' } = options;
  const connected = await connectOnce(shell, options);
  if (!cache) return printOnce(shell, connected.client, options);
  try {
    return await printCached(shell, connected, options);
  } catch (error) {
    // Nothing was asked for. Unless somebody wanted the cache by name, its absence costs a grant for each call.
    if (options.cache || !(error instanceof CliError && error.code === 'cache_unusable')) throw error;
    await shell.out.note(`writ: ${error.code}: ${error.message}; a grant for each call`);
    return printOnce(shell, connected.client, options);
  }
}

/** What is kept is not given back when nobody reads it here: others may have it. */
async function printCached(shell: Shell, { client, url, token }: Connected, options: CredentialOptions) {
  const store = await openStore(shell);
  const request = requestOf(options);
  const accept = (grant: IssuedGrant) => void formatCredential(grant, options.format);
  const key = cacheKey(url, token, request);
  const wanted = { shell, store, client, request, accept, key };
  const grant = await cachedGrant(wanted).catch(async (error: unknown) => {
    const waiting = options.wait && error instanceof CliError && error.code === 'approval_pending';
    const waits = waiting ? (await store.read(key.key))?.waits : undefined;
    if (!waits) throw error;
    await awaitApproval(shell, client, waits);
    return cachedGrant(wanted);
  });
  await shell.out.raw(formatCredential(grant, options.format));
  return tell(shell, options, grant);
}

/** A credential that could not be handed over is given back. */
async function printOnce(shell: Shell, client: Client, options: CredentialOptions): Promise<number> {
  const answer = await requestWanted(client, options);
  if (answer.state !== 'active') await awaitApproval(shell, client, answer);
  const grant = answer.state === 'active' ? answer : await claimWanted(client, answer.id);
  try {
    await shell.out.raw(formatCredential(grant, options.format));
  } catch (error) {
    await giveBack({ shell, client, grant, reason: 'credential: it could not be printed' });
    throw error;
  }
  return tell(shell, options, grant);
}

async function tell(shell: Shell, { verbose }: CredentialOptions, grant: IssuedGrant): Promise<number> {
  const of = grant.expires_at === credentialEnd(grant) ? '' : `, this credential until ${credentialEnd(grant)}`;
  if (verbose) await shell.out.note(`writ: grant ${grant.id}, until ${grant.expires_at}${of}`);
  return EXIT.ok;
}

async function forgetAll(shell: Shell, { profile, ...options }: Given): Promise<number> {
  const store = await openStore(shell);
  const all = await forget({ shell, store, ...(await connectOnce(shell, options)), profile });
  return all ? EXIT.ok : EXIT.failed;
}
