import { Option, type Command } from 'commander';
import {
  WritError,
  type Client,
  type GrantRequest,
  type IssueAnswer,
  type IssuedGrant,
  type PendingGrant,
} from '../client/index.ts';
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

export const profileOption = () =>
  new Option('--profile <name>', 'what is offered, by the name that the platform team gave it');

/** All but the profile, which not every command must have. */
export function addWantedOptions(command: Command): Command {
  return command
    .addOption(new Option('--param <name=value>', 'a parameter of the profile; may be repeated').argParser(parameter))
    .addOption(ttlOption())
    .option('--purpose <text>', 'what it is for; many policies want it stated')
    .option('--wait', 'where a person has to approve it first, wait for the answer')
    .addOption(urlOption())
    .option('--verbose', "say the grant's id and end on stderr");
}

export function requestOf(options: WantedOptions): GrantRequest {
  return {
    profile: options.profile,
    parameters: options.param ?? {},
    ...(options.ttl !== undefined && { ttl_seconds: options.ttl }),
    ...(options.purpose !== undefined && { purpose: options.purpose }),
  };
}

/** @throws CliError `approval_pending` where a person has to answer first, and nobody wants to wait for that; WritError. */
export async function requestWanted(
  client: Client,
  options: WantedOptions,
  signal?: AbortSignal,
): Promise<IssueAnswer> {
  const answer = await client.workload.issue(requestOf(options), signal ? { signal } : {});
  if (answer.state === 'active' || options.wait) return answer;
  throw approvalPending(answer);
}

export function approvalPending({ id, approval }: Pick<PendingGrant, 'id' | 'approval'>): CliError {
  return new CliError('approval_pending', `grant ${id} waits for an approval until ${approval.expires_at}`, {
    exit: EXIT.failed,
    help: approval.url,
  });
}

/** The same for each attempt at one claim. */
export const claimKey = (grant: string) => `claim-${grant}`;

/** A claim whose answer is lost is asked for again under its key: it never leaves two credentials alive. */
export async function claimWanted(client: Client, grant: string, signal?: AbortSignal): Promise<IssuedGrant> {
  const options = { idempotencyKey: claimKey(grant), ...(signal ? { signal } : {}) };
  try {
    return await client.workload.claim(grant, options);
  } catch (error) {
    if (!(error instanceof WritError) || error.code !== 'unreachable' || signal?.aborted) throw error;
    return client.workload.claim(grant, options);
  }
}
