import { Option, type Command } from 'commander';
import type { Grant, GrantFilter } from '../../client/index.ts';
import { GRANT_STATES, type GrantState } from '../../domain/grant.ts';
import { connectOperator } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { jsonOption, urlOption, wholeNumber } from '../options.ts';
import type { Shell } from '../shell.ts';
import { table, timeLeft } from '../table.ts';

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

const TABLE_LIMIT = 100;
const MAX_PAGE = 500;

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
    .addOption(
      new Option('--limit <n>', `at most so many; default ${TABLE_LIMIT}, with --json all`).argParser(wholeNumber),
    )
    .addOption(jsonOption())
    .addOption(urlOption())
    .addHelpText('after', '\nWith --json each line is one grant as the API gives it (JSON Lines).')
    .action(shell.action((options: GrantsOptions) => grants(shell, options)));
}

async function grants(shell: Shell, options: GrantsOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const limit = options.limit ?? (options.json ? Infinity : TABLE_LIMIT);
  // One more than is shown, to know whether there are more.
  const found = client.operator.eachGrant(filterOf(options), { limit: Math.min(limit + 1, MAX_PAGE) });
  return options.json ? asJson(shell, found, limit) : asTable(shell, found, limit);
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

async function asJson(shell: Shell, found: AsyncIterable<Grant>, limit: number): Promise<number> {
  let count = 0;
  if (limit > 0) {
    for await (const grant of found) {
      await shell.out.raw(`${JSON.stringify(grant)}\n`);
      if (++count >= limit) break;
    }
  }
  return EXIT.ok;
}

async function asTable(shell: Shell, found: AsyncIterable<Grant>, limit: number): Promise<number> {
  const shown: Grant[] = [];
  let more = false;
  for await (const grant of found) {
    more = shown.length === limit;
    if (more) break;
    shown.push(grant);
  }
  const now = shell.now();
  const rows = shown.map((grant) => rowOf(grant, now));
  if (rows.length > 0) for (const line of table([HEADER, ...rows])) await shell.out.line(line);
  else if (!more) await shell.out.note('writ: no grants');
  if (more) await shell.out.note(`writ: more than ${limit}; see --limit`);
  return EXIT.ok;
}

const HEADER = ['GRANT', 'STATE', 'LEFT', 'PROFILE', 'PROVIDER', 'AGENT', 'TASK'];

function rowOf(grant: Grant, now: Date): string[] {
  const state = grant.why ? `${grant.state} (${grant.why})` : grant.state;
  const left = grant.closed_at ? '-' : timeLeft(now, grant.expires_at);
  return [grant.id, state, left, grant.profile, grant.provider, grant.subject, grant.task];
}
