import { Option, type Command } from 'commander';
import type { Client, GrantRequest, IssuedGrant } from '../client/index.ts';
import { CliError, EXIT } from './exit.ts';
import { parameter, ttlOption, urlOption } from './options.ts';
import type { Shell } from './shell.ts';
import { readTaskToken } from './task-token.ts';

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

export function addWantedOptions(command: Command): Command {
  return command
    .requiredOption('--profile <name>', 'what is offered, by the name that the platform team gave it')
    .addOption(new Option('--param <name=value>', 'a parameter of the profile; may be repeated').argParser(parameter))
    .addOption(ttlOption())
    .option('--purpose <text>', 'what it is for; many policies want it stated')
    .option('--task <id>', 'a task of its own that it is on; WRIT_TASK_TOKEN says the same')
    .option('--on-behalf-of <name>', 'whom it is for, where policy lets this workload name them; not with a task')
    .addOption(urlOption())
    .option('--verbose', "say the grant's id and end on stderr");
}

/** @throws CliError `approval_pending` where a person has to answer first; WritError. */
export async function issueWanted(
  shell: Shell,
  client: Client,
  options: WantedOptions,
  signal?: AbortSignal,
): Promise<IssuedGrant> {
  const request: GrantRequest = {
    profile: options.profile,
    parameters: options.param ?? {},
    ...(options.ttl !== undefined && { ttl_seconds: options.ttl }),
    ...(options.purpose !== undefined && { purpose: options.purpose }),
    ...(options.task !== undefined && { task: options.task }),
    ...(options.onBehalfOf !== undefined && { on_behalf_of: options.onBehalfOf }),
  };
  const taskToken = await readTaskToken(shell.env);
  const grant = await client.workload.issue(request, {
    ...(signal && { signal }),
    ...(taskToken !== undefined && { taskToken }),
  });
  if (grant.state === 'active') return grant;
  throw new CliError('approval_pending', `grant ${grant.id} waits for an approval until ${grant.approval.expires_at}`, {
    exit: EXIT.failed,
    help: grant.approval.url,
  });
}
