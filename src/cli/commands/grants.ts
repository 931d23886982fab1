import { Option, type Command } from 'commander';
import type { Grant, GrantFilter } from '../../client/index.ts';
import { GRANT_STATES, type GrantState } from '../../domain/grant.ts';
import { connectOperator } from '../connect.ts';
import { limitOption, printList } from '../listing.ts';
import { jsonOption, urlOption } from '../options.ts';
import type { Shell } from '../shell.ts';
import { timeLeft } from '../table.ts';

interface GrantsOptions {
  readonly state?: GrantState;
  readonly agent?: string;
  readonly onBehalfOf?: string;
  readonly task?: string;
  readonly profile?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly provider?: string;
  readonly limit?: number;
  readonly json?: boolean;
  readonly url?: string;
}

export function addGrants(parent: Command, shell: Shell): void {
  parent
    .command('grants')
    .description('list grants (operators)')
    .addOption(new Option('--state <state>', 'in this state only').choices(GRANT_STATES))
    .option('--agent <id>', "of this workload's id only")
    .option('--on-behalf-of <id>', 'on behalf of this principal only')
    .option('--task <id>', 'of this task and those below it only')
    .option('--profile <name>', 'of this profile only')
    .option('--owner <name>', "of this owner's profiles only")
    .option('--environment <name>', 'of this environment only')
    .option('--provider <name>', 'of this provider only')
    .addOption(limitOption())
    .addOption(jsonOption())
    .addOption(urlOption())
    .addHelpText('after', '\nWith --json each line is one grant as the API gives it (JSON Lines).')
    .action(shell.action((options: GrantsOptions) => grants(shell, options)));
}

async function grants(shell: Shell, options: GrantsOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const list = (page: number) => client.operator.eachGrant(filterOf(options), { limit: page });
  return printList(shell, options, list, { what: 'grants', header: HEADER, row: rowOf });
}

function filterOf(options: GrantsOptions): GrantFilter {
  const { state, agent, onBehalfOf, task, profile, owner, environment, provider } = options;
  return {
    ...(state !== undefined && { state }),
    ...(agent !== undefined && { agent }),
    ...(onBehalfOf !== undefined && { on_behalf_of: onBehalfOf }),
    ...(task !== undefined && { task }),
    ...(profile !== undefined && { profile }),
    ...(owner !== undefined && { owner }),
    ...(environment !== undefined && { environment }),
    ...(provider !== undefined && { provider }),
  };
}

const HEADER = ['GRANT', 'STATE', 'LEFT', 'PROFILE', 'PROVIDER', 'AGENT', 'TASK'];

function rowOf(grant: Grant, now: Date): string[] {
  const state = grant.why ? `${grant.state} (${grant.why})` : grant.state;
  const left = grant.closed_at ? '-' : timeLeft(now, grant.expires_at);
  return [grant.id, state, left, grant.profile, grant.provider, grant.subject, grant.task];
}
