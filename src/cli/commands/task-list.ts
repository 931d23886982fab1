import { Option, type Command } from 'commander';
import type { Task, TaskFilter } from '../../client/index.ts';
import { TASK_MODES, type TaskMode } from '../../domain/task.ts';
import { limitOption, printList } from '../listing.ts';
import { jsonOption, urlOption } from '../options.ts';
import type { Shell } from '../shell.ts';
import { timeLeft } from '../table.ts';
import { taskVerbs } from '../task-verbs.ts';

interface ListOptions {
  readonly state?: Task['state'];
  readonly agent?: string;
  readonly onBehalfOf?: string;
  readonly under?: string;
  readonly environment?: string;
  readonly mode?: TaskMode;
  readonly limit?: number;
  readonly json?: boolean;
  readonly url?: string;
}

export function addTaskList(group: Command, shell: Shell): void {
  group
    .command('list')
    .description('list tasks that were made beforehand or handed on, newest first; a workload its own')
    .addOption(new Option('--state <state>', 'in this state only').choices(['open', 'ended']))
    .option('--agent <id>', "of this workload's id only")
    .option('--on-behalf-of <id>', 'on behalf of this principal only')
    .option('--under <task>', 'this task and those below it only')
    .option('--environment <name>', 'that reach this environment only')
    .addOption(new Option('--mode <mode>', 'of this mode only').choices(TASK_MODES))
    .addOption(limitOption())
    .addOption(jsonOption())
    .addOption(urlOption())
    .addHelpText('after', '\nWith --json each line is one task as the API gives it (JSON Lines).')
    .action(shell.action((options: ListOptions) => list(shell, options)));
}

async function list(shell: Shell, options: ListOptions): Promise<number> {
  const { state, agent, onBehalfOf, under, environment, mode } = options;
  const filter: TaskFilter = {
    ...(state !== undefined && { state }),
    ...(agent !== undefined && { agent }),
    ...(onBehalfOf !== undefined && { on_behalf_of: onBehalfOf }),
    ...(under !== undefined && { task: under }),
    ...(environment !== undefined && { environment }),
    ...(mode !== undefined && { mode }),
  };
  const verbs = await taskVerbs(shell, options);
  const columns = { what: 'tasks', header: HEADER, row: rowOf };
  return printList(shell, options, (page) => verbs.eachTask(filter, { limit: page }), columns);
}

const HEADER = ['TASK', 'STATE', 'LEFT', 'MODE', 'REACHES', 'AGENT', 'ON BEHALF OF'];

function rowOf(task: Task, now: Date): string[] {
  const { id, state, mode, environments, subject, on_behalf_of: principal } = task;
  const why = task.ended_why ? `${state} (${task.ended_why})` : state;
  const left = state === 'ended' ? '-' : timeLeft(now, task.ends_at);
  return [id, why, left, mode, environments.join(','), subject, principal ?? '-'];
}
