import { Option } from 'commander';
import type { Command } from 'commander';
import { connectOperator } from '../connect.ts';
import { EXIT, usage } from '../exit.ts';
import { configOption, jsonOption, urlOption, wholeNumber } from '../options.ts';
import { replayLine, summaryLine } from '../replay.ts';
import type { ReplayCounts } from '../replay.ts';
import type { Shell } from '../shell.ts';

interface PolicyOptions {
  readonly config: string;
  readonly json?: boolean;
}

export function addPolicy(parent: Command, shell: Shell): void {
  const group = parent.command('policy').description('test policies, and see what they would decide');
  group
    .command('test')
    .description('run the cases of a directory; exit code 1 when one fails')
    .argument('[dir]', "where the cases are (default: the rules' own)")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(
      shell.action((directory: string | undefined, { config, json }: PolicyOptions) =>
        shell.local.policyTest({ config, json: Boolean(json), ...(directory !== undefined && { directory }) }),
      ),
    );
  group
    .command('explain')
    .description('what would be decided of a request and by which policy, and what would be asked of the provider')
    .argument('<request.json>', 'the request')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(
      shell.action((file: string, { config, json }: PolicyOptions) =>
        shell.local.policyExplain({ file, config, json: Boolean(json) }),
      ),
    );
  group
    .command('replay')
    .description(
      'decide a recorded period again, and show what would differ; exit code 1 when something does (operators)',
    )
    .requiredOption('--from <time>', 'the beginning, such as 2026-01-31T12:00:00Z')
    .option('--to <time>', 'the end; default: now')
    .addOption(new Option('--config <dir>', 'under the rules of this configuration').conflicts('generation'))
    .addOption(new Option('--generation <n>', 'under this generation; default: the active one').argParser(wholeNumber))
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ReplayOptions) => replay(shell, options)));
}

interface ReplayOptions {
  readonly from: string;
  readonly to?: string;
  readonly config?: string;
  readonly generation?: number;
  readonly json?: boolean;
  readonly url?: string;
}

async function replay(shell: Shell, options: ReplayOptions): Promise<number> {
  for (const [name, time] of Object.entries({ from: options.from, to: options.to })) {
    if (time !== undefined && Number.isNaN(Date.parse(time))) throw usage(`--${name} is not a time`);
  }
  // One end for all of its pages: what is decided meanwhile is not in it.
  const period = {
    from: isoOf(options.from),
    to: options.to === undefined ? shell.now().toISOString() : isoOf(options.to),
  };
  const { operator } = await connectOperator(shell, options, 'auditor');
  const rules =
    options.config === undefined
      ? await operator.generation(options.generation ?? 'active')
      : { config: options.config };
  const again = await shell.local.replay(rules);
  const counts: ReplayCounts = { same: 0, differs: 0, not_asked: 0 };
  for await (const recorded of operator.eachDecision(period, { limit: 500 })) {
    const replayed = again(recorded);
    counts[replayed.kind] += 1;
    if (options.json) await shell.out.raw(`${JSON.stringify({ decision: recorded.id, ...replayed })}\n`);
    else if (replayed.kind === 'differs') await shell.out.line(replayLine(recorded, replayed.now));
  }
  if (!options.json) await shell.out.line(summaryLine(counts));
  return counts.differs === 0 ? EXIT.ok : EXIT.failed;
}

const isoOf = (time: string) => new Date(time).toISOString();
