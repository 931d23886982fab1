import { Option, type Command } from 'commander';
import type { Client, GrantRequest, IssuedGrant, PendingGrant } from '../client/index.ts';
import { CliError, EXIT } from './exit.ts';
import { parameter, ttlOption, urlOption } from './options.ts';

/** What `exec` and `credential` ask for, in the same words. */
export interface WantedOptions {
  readonly profile: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly ttl?: number;
  readonly purpose?: string;
  readonly task?: string;
  readonly onBehalfOf?: string;
  readonly url?: string;
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
    .option('--task <id>', 'a task of its own that it is on; WRIT_TASK_TOKEN says the same')
    .option('--on-behalf-of <name>', 'whom it is for, where policy lets this workload name them; not with a task')
    .addOption(urlOption())
    .option('--verbose', "say the grant's id and end on stderr");
}

export function requestOf(options: WantedOptions): GrantRequest {
  return {
    profile: options.profile,
    parameters: options.param ?? {},
    ...(options.ttl !== undefined && { ttl_seconds: options.ttl }),
    ...(options.purpose !== undefined && { purpose: options.purpose }),
    ...(options.task !== undefined && { task: options.task }),
    ...(options.onBehalfOf !== undefined && { on_behalf_of: options.onBehalfOf }),
  };
}

/** @throws CliError `approval_pending` where a person has to answer first; WritError. */
export async function issueWanted(client: Client, options: WantedOptions, signal?: AbortSignal): Promise<IssuedGrant> {
  const answer = await client.workload.issue(requestOf(options), signal ? { signal } : {});
  if (answer.state === 'active') return answer;
  throw approvalPending(answer);
}

export function approvalPending({ id, approval }: Pick<PendingGrant, 'id' | 'approval'>): CliError {
  return new CliError('approval_pending', `grant ${id} waits for an approval until ${approval.expires_at}`, {
    exit: EXIT.failed,
    help: approval.url,
  });
}
