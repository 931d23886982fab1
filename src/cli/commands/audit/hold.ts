import { Option, type Command } from 'commander';
import type { LegalHold } from '../../../client/index.ts';
import { connectOperator } from '../../connect.ts';
import { EXIT } from '../../exit.ts';
import { jsonOption, urlOption } from '../../options.ts';
import type { Shell } from '../../shell.ts';
import { table } from '../../table.ts';
import { time } from './evidence.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

interface AddOptions extends CommonOptions {
  readonly reason: string;
  readonly from?: string;
  readonly to?: string;
}

/** Legal holds: what may not be put away. */
export function addHold(parent: Command, shell: Shell): void {
  const group = parent.command('hold').description('legal holds: what may not be archived (operators)');
  group
    .command('add')
    .description('from now on nothing that it covers is archived')
    .requiredOption('--reason <text>', 'goes into the record')
    .addOption(new Option('--from <time>', 'covers events from then on; default: from the beginning').argParser(time))
    .addOption(new Option('--to <time>', 'covers events before then; default: without an end').argParser(time))
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: AddOptions) => add(shell, options)));
  group
    .command('lift')
    .argument('<hold>', "the hold's id")
    .description('end a hold')
    .requiredOption('--reason <text>', 'goes into the record')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(
      shell.action((id: string, options: CommonOptions & { readonly reason: string }) => lift(shell, id, options)),
    );
  group
    .command('list')
    .description('holds, newest first')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: CommonOptions) => list(shell, options)));
}

async function add(shell: Shell, options: AddOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const { reason, from, to } = options;
  const hold = await client.operator.placeHold({
    reason,
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  });
  return tell(shell, hold, options, `hold ${hold.id} is placed`);
}

async function lift(shell: Shell, id: string, options: CommonOptions & { readonly reason: string }): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  return tell(shell, await client.operator.liftHold(id, options.reason), options, `hold ${id} is lifted`);
}

async function list(shell: Shell, options: CommonOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'auditor');
  const holds = await client.operator.holds();
  if (options.json) {
    for (const hold of holds) await shell.out.raw(`${JSON.stringify(hold)}\n`);
    return EXIT.ok;
  }
  const rows = holds.map((hold) => [
    hold.id,
    hold.lifted_at === null ? 'stands' : 'lifted',
    `${hold.from ?? '...'} to ${hold.to ?? '...'}`,
    hold.reason,
  ]);
  if (rows.length === 0) await shell.out.note('writ: no holds');
  else for (const line of table([['HOLD', 'STATE', 'COVERS', 'REASON'], ...rows])) await shell.out.line(line);
  return EXIT.ok;
}

async function tell(shell: Shell, hold: LegalHold, options: CommonOptions, line: string): Promise<number> {
  if (options.json) await shell.out.raw(`${JSON.stringify(hold)}\n`);
  else await shell.out.line(line);
  return EXIT.ok;
}
