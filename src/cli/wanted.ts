import { Option, type Command } from 'commander';
import { WritError, type Client, type GrantRequest, type IssueAnswer, type IssuedGrant } from '../client/index.ts';
import { CliError, EXIT } from './exit.ts';
import { parameter, ttlOption, urlOption } from './options.ts';

/** What `exec` and `credential` ask for, in the same words. */
export interface WantedOptions {
  readonly profile: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly ttl?: number;
  readonly purpose?: string;
  readonly url?: string;
  readonly wait?: boolean;
  readonly verbose?: boolean;
}

export function addWantedOptions(command: Command): Command {
  return command
    .requiredOption('--profile <name>', 'what is offered, by the name that the platform team gave it')
    .addOption(new Option('--param <name=value>', 'a parameter of the profile; may be repeated').argParser(parameter))
    .addOption(ttlOption())
    .option('--purpose <text>', 'what it is for; many policies want it stated')
    .option('--wait', 'where a person has to approve it first, wait for the answer')
    .addOption(urlOption())
    .option('--verbose', "say the grant's id and end on stderr");
}

/** @throws CliError `approval_pending` where a person has to answer first and nobody wants to wait for that; WritError. */
export async function requestWanted(
  client: Client,
  options: WantedOptions,
  signal?: AbortSignal,
): Promise<IssueAnswer> {
  const request: GrantRequest = {
    profile: options.profile,
    parameters: options.param ?? {},
    ...(options.ttl !== undefined && { ttl_seconds: options.ttl }),
    ...(options.purpose !== undefined && { purpose: options.purpose }),
  };
  const grant = await client.workload.issue(request, signal ? { signal } : {});
  if (grant.state === 'active' || options.wait) return grant;
  throw new CliError('approval_pending', `grant ${grant.id} waits for an approval until ${grant.approval.expires_at}`, {
    exit: EXIT.failed,
    help: `${grant.approval.url}; --wait waits for the answer`,
  });
}

/** A claim whose answer is lost is asked for again under its key: it never leaves two credentials alive. */
export async function claimWanted(client: Client, grant: string, signal?: AbortSignal): Promise<IssuedGrant> {
  const options = { idempotencyKey: `claim-${grant}`, ...(signal ? { signal } : {}) };
  try {
    return await client.workload.claim(grant, options);
  } catch (error) {
    if (!(error instanceof WritError) || error.code !== 'unreachable' || signal?.aborted) throw error;
    return client.workload.claim(grant, options);
  }
}
