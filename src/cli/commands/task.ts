import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import type { TaskBounds, TaskTree, TaskWish } from '../../client/index.ts';
import { TASK_MODES, type TaskMode } from '../../domain/task.ts';
import { connectWorkload } from '../connect.ts';
import { EXIT, usage } from '../exit.ts';
import { collect, duration, jsonOption, parameterValues, urlOption, wholeNumber } from '../options.ts';
import type { Shell } from '../shell.ts';
import { missing, readTaskToken } from '../task-token.ts';
import { taskVerbs } from '../task-verbs.ts';
import { addTaskList } from './task-list.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

interface BoundsOptions extends CommonOptions {
  readonly reach?: readonly string[];
  readonly life?: number;
  readonly maxGrants?: number;
  readonly maxCalls?: number;
  readonly maxTtl?: number;
  readonly profile?: readonly string[];
  readonly tool?: readonly string[];
  readonly param?: Readonly<Record<string, readonly string[]>>;
}

interface CreateOptions extends BoundsOptions {
  readonly purpose: string;
  readonly environment: string;
  readonly mode: TaskMode;
  readonly onBehalfOf?: string;
  readonly principalTokenFile?: string;
}

interface TakeOptions extends BoundsOptions {
  readonly purpose?: string;
  readonly environment?: string;
  readonly mode?: TaskMode;
}

/** Tasks that are made beforehand: what is asked for hangs off them, lies within them, and ends with them. */
export function addTask(parent: Command, shell: Shell): void {
  const group = parent.command('task').description('tasks: made, taken over in part, listed, shown, ended');
  bounded(
    group
      .command('create')
      .description('make a task; prints its token, for WRIT_TASK_TOKEN')
      .requiredOption('--purpose <text>', 'what it is for')
      .requiredOption('--environment <name>', 'where it works')
      .addOption(modeOption().default('supervised'))
      .option('--on-behalf-of <name>', 'whom it is for, where policy lets this workload name them')
      .option('--principal-token-file <file>', 'a file with a token of whom it is for, which is verified'),
  ).action(shell.action((options: CreateOptions) => create(shell, options)));
  bounded(
    group
      .command('take')
      .description(
        'exchange the task token that was handed over (WRIT_TASK_TOKEN) for a part of the task; prints its token',
      )
      .option('--purpose <text>', 'what the part is for; added to the purpose that is there')
      .option('--environment <name>', 'where it works; without --reach that one alone')
      .addOption(modeOption()),
  ).action(shell.action((options: TakeOptions) => take(shell, options)));
  addTaskList(group, shell);
  group
    .command('show')
    .description('a task and what was handed on below it; of a workload, or of an operator')
    .argument('<task>', "the task's id")
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((id: string, options: CommonOptions) => show(shell, id, options)));
  group
    .command('end')
    .description('end a task with everything below it, and revoke what hangs off them')
    .argument('<task>', "the task's id")
    .requiredOption('--reason <text>', 'goes into the record')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(
      shell.action((id: string, options: CommonOptions & { readonly reason: string }) => end(shell, id, options)),
    );
}

const modeOption = () => new Option('--mode <mode>', 'how much is left to it').choices(TASK_MODES);

function bounded(command: Command): Command {
  const many = (flag: string, text: string) => new Option(flag, `${text}; may be repeated`).argParser(collect);
  return command
    .addOption(many('--reach <environment>', 'one environment of all that it reaches'))
    .addOption(many('--profile <name>', 'one profile of those that it may ask for'))
    .addOption(many('--tool <name>', 'one tool of those that it may call'))
    .addOption(
      new Option('--param <name=value>', 'a value that a parameter may have; may be repeated').argParser(
        parameterValues,
      ),
    )
    .addOption(new Option('--life <duration>', 'how long, such as 30m or 8h').argParser(duration))
    .addOption(new Option('--max-ttl <duration>', 'of each credential').argParser(duration))
    .addOption(new Option('--max-grants <n>', 'credentials in all').argParser(wholeNumber))
    .addOption(new Option('--max-calls <n>', 'calls of tools in all').argParser(wholeNumber))
    .addOption(jsonOption())
    .addOption(urlOption());
}

function boundsOf(shell: Shell, options: BoundsOptions): TaskBounds {
  const { reach, profile, tool, param, life, maxTtl, maxGrants, maxCalls } = options;
  return {
    ...(reach && { environments: reach }),
    ...(profile && { profiles: profile }),
    ...(tool && { tools: tool }),
    ...(param && { parameters: param }),
    ...(life !== undefined && { ends_at: new Date(shell.now().getTime() + life * 1000).toISOString() }),
    ...(maxTtl !== undefined && { max_ttl_seconds: maxTtl }),
    ...(maxGrants !== undefined && { max_grants: maxGrants }),
    ...(maxCalls !== undefined && { max_calls: maxCalls }),
  };
}

async function create(shell: Shell, options: CreateOptions): Promise<number> {
  const { purpose, environment, mode } = options;
  const principal = await principalOf(options);
  const client = await connectWorkload(shell, options);
  const bounds = boundsOf(shell, options);
  const task = await client.workload.createTask({ purpose, environment, mode, ...principal, ...bounds });
  return tell(shell, options, task.token, `task ${task.id}, until ${task.ends_at}`, task);
}

async function principalOf({ onBehalfOf, principalTokenFile: file }: CreateOptions) {
  if (file === undefined) return onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf };
  if (onBehalfOf !== undefined) throw usage('--on-behalf-of and --principal-token-file are two ways to say one thing');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw usage(`--principal-token-file cannot be read: ${code} ${file}`);
  });
  return { on_behalf_of: { token: text.trim() } };
}

async function take(shell: Shell, options: TakeOptions): Promise<number> {
  const parent = await readTaskToken(shell.env);
  if (parent === undefined) throw missing('neither WRIT_TASK_TOKEN_FILE nor WRIT_TASK_TOKEN is set');
  const { purpose, environment, mode } = options;
  const wish: TaskWish = {
    ...boundsOf(shell, options),
    ...(purpose !== undefined && { purpose }),
    ...(environment !== undefined && { environment }),
    ...(mode !== undefined && { mode }),
  };
  const client = await connectWorkload(shell, options);
  const answer = await client.workload.takeTask(parent, wish);
  return tell(shell, options, answer.access_token, `task ${answer.task}, for ${answer.expires_in}s`, answer);
}

/** The token alone goes to stdout, so that it can be taken: `WRIT_TASK_TOKEN="$(writ task create ...)"`. */
async function tell(
  shell: Shell,
  { json }: CommonOptions,
  token: string,
  sentence: string,
  answer: object,
): Promise<number> {
  if (json) await shell.out.raw(`${JSON.stringify(answer)}\n`);
  else {
    await shell.out.note(`writ: ${sentence}`);
    await shell.out.raw(`${token}\n`);
  }
  return EXIT.ok;
}

async function show(shell: Shell, id: string, options: CommonOptions): Promise<number> {
  return print(shell, options, await (await taskVerbs(shell, options)).task(id));
}

async function end(shell: Shell, id: string, options: CommonOptions & { readonly reason: string }): Promise<number> {
  const ended = await (await taskVerbs(shell, options)).endTask(id, options.reason);
  const { tasks, grants, done } = ended.ended;
  const open = done ? '' : ' so far, the others follow';
  if (options.json) await print(shell, options, ended);
  else
    await shell.out.line(`task ${id} is ended: ${tasks} tasks, ${grants} grants${open}; see writ grants --task ${id}`);
  return done ? EXIT.ok : EXIT.pending;
}

async function print(shell: Shell, { json }: CommonOptions, task: TaskTree): Promise<number> {
  if (json) {
    await shell.out.raw(`${JSON.stringify(task)}\n`);
    return EXIT.ok;
  }
  const lines: [string, unknown][] = [
    ['task', `${task.id} (${task.state}${task.ended_why === null ? '' : `, ${task.ended_why}`})`],
    ['of', task.subject],
    ['on behalf of', task.on_behalf_of ?? 'nobody'],
    ['purpose', task.purpose],
    ['mode', task.mode],
    ['reaches', task.environments.join(', ')],
    ['until', task.ends_at],
    ['grants', task.max_grants === null ? task.grants_used : `${task.grants_used} of ${task.max_grants}`],
    ['calls', task.max_calls === null ? task.calls_used : `${task.calls_used} of ${task.max_calls}`],
    ...task.below.map((part): [string, unknown] => [
      'below',
      `${'  '.repeat(part.hop)}${part.id} (${part.state}) ${part.subject}`,
    ]),
    ...(task.cut ? [['below', 'and more, which are not shown'] satisfies [string, unknown]] : []),
  ];
  for (const [name, value] of lines) await shell.out.line(`${name.padEnd(13)}${String(value)}`);
  return EXIT.ok;
}
