import type { Command } from 'commander';
import type { DeadLetter } from '../../../client/index.ts';
import { connectOperator } from '../../connect.ts';
import { EXIT } from '../../exit.ts';
import { jsonOption, urlOption } from '../../options.ts';
import type { Shell } from '../../shell.ts';
import { table } from '../../table.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

interface ShowOptions extends CommonOptions {
  readonly sink?: string;
  readonly cursor?: string;
}

interface ReplayOptions extends CommonOptions {
  readonly sink: string;
  readonly task?: string;
  readonly reason: string;
}

/** What receivers of events did not take. */
export function addDeadLetters(parent: Command, shell: Shell): void {
  const group = parent.command('sinks').description('receivers of sealed events: how far, and what they did not take');
  group
    .command('show')
    .description('how far each sink is, and its dead letters')
    .option('--sink <name>', 'the dead letters of this one only')
    .option('--cursor <text>', 'what comes behind a page: its next_cursor')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ShowOptions) => show(shell, options)));
  group
    .command('replay')
    .description('have dead letters tried again, in their order')
    .requiredOption('--sink <name>', 'of this sink')
    .option('--task <id>', 'of this task only')
    .requiredOption('--reason <text>', 'goes into the record')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ReplayOptions) => replay(shell, options)));
}

async function show(shell: Shell, options: ShowOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'auditor');
  const { sink, cursor } = options;
  const found = await client.operator.deadLetters({
    ...(sink !== undefined && { sink }),
    ...(cursor !== undefined && { cursor }),
  });
  if (options.json) {
    await shell.out.raw(`${JSON.stringify(found)}\n`);
    return EXIT.ok;
  }
  const sinks = found.sinks.map((sink) => [
    sink.name,
    `${sink.position}`,
    `${sink.lag}`,
    `${sink.dead_letters}`,
    sink.last_error ?? '-',
  ]);
  for (const line of table([['SINK', 'POSITION', 'LAG', 'DEAD', 'LAST ERROR'], ...sinks])) await shell.out.line(line);
  const letters = found.dead_letters.map((letter) => [
    letter.sink,
    `${letter.leaf}`,
    letter.task ?? '-',
    letter.error,
    again(letter),
  ]);
  if (letters.length > 0) {
    await shell.out.line('');
    for (const line of table([['SINK', 'LEAF', 'TASK', 'ERROR', 'TRIED AGAIN'], ...letters]))
      await shell.out.line(line);
  }
  if (found.next_cursor !== undefined)
    await shell.out.note(`writ: there are more; see --cursor '${found.next_cursor}'`);
  return EXIT.ok;
}

/** Whether somebody has asked for it, and how that goes. */
function again({ replay_at: asked, attempts, due_at: due }: DeadLetter): string {
  if (asked === null) return '-';
  return due === null ? 'at once' : `${attempts} unanswered, next ${due}`;
}

async function replay(shell: Shell, { sink, task, reason, json, url }: ReplayOptions): Promise<number> {
  const client = await connectOperator(shell, { url }, 'security');
  const { count } = await client.operator.replayDeadLetters({ sink, reason, ...(task !== undefined && { task }) });
  if (json) await shell.out.raw(`${JSON.stringify({ count })}\n`);
  else await shell.out.line(`${count} dead letters of ${sink} are tried again`);
  return EXIT.ok;
}
