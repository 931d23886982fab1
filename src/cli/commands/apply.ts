import type { Command } from 'commander';
import type { Generation, RulesDifference } from '../../client/index.ts';
import { connectOperator } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { configOption, jsonOption, urlOption } from '../options.ts';
import type { Shell } from '../shell.ts';

interface ApplyOptions {
  readonly config: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly url?: string;
}

export function addApply(parent: Command, shell: Shell): void {
  parent
    .command('apply')
    .description('check the rules and activate them for all replicas as the next generation (operators)')
    .addOption(configOption())
    .option('--dry-run', 'check, and show the difference')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ApplyOptions) => apply(shell, options)));
}

async function apply(shell: Shell, options: ApplyOptions): Promise<number> {
  const { files } = await shell.local.readRules({ config: options.config });
  const client = await connectOperator(shell, options, 'platform');
  const generation = await client.operator.apply(files, { dryRun: Boolean(options.dryRun) });
  if (options.json) await shell.out.raw(`${JSON.stringify(generation)}\n`);
  else {
    for (const line of differenceLines(generation.difference)) await shell.out.line(`  ${line}`);
    await shell.out.line(outcome(generation, Boolean(options.dryRun)));
  }
  return EXIT.ok;
}

function outcome({ number, hash, unchanged }: Generation, dryRun: boolean): string {
  const name = number === undefined ? `rules ${hash}` : `generation ${number} (${hash})`;
  if (unchanged) return `${name}: active already, nothing changed`;
  return dryRun ? `${name} can be applied; nothing was changed` : `${name} is active`;
}

/** Files as `+`, `-` or `~`, then what that means. */
function differenceLines({ added, removed, changed, summary }: RulesDifference): string[] {
  return [
    ...added.map((file) => `+ ${file}`),
    ...removed.map((file) => `- ${file}`),
    ...changed.map((file) => `~ ${file}`),
    ...summary,
  ];
}
