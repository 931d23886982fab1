import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { connectOperator } from '../../connect.ts';
import { evidenceLines } from '../../evidence/lines.ts';
import { judge } from '../../evidence/judge.ts';
import { evidencePage } from '../../evidence/page.ts';
import { EXIT } from '../../exit.ts';
import { configOption, jsonOption, urlOption } from '../../options.ts';
import type { Shell } from '../../shell.ts';

interface EvidenceOptions {
  readonly framework: string;
  readonly from?: string;
  readonly to?: string;
  readonly config: string;
  readonly html?: string;
  readonly json?: boolean;
  readonly url?: string;
}

export function addEvidence(group: Command, shell: Shell): void {
  group
    .command('evidence')
    .description('what there is to show for the controls of a framework (operators)')
    .requiredOption('--framework <name>', 'a file of controls/, or one that comes with Writ')
    .addOption(new Option('--from <time>', 'from then on, such as 2026-11-01 or 2026-11-01T00:00:00Z').argParser(time))
    .addOption(new Option('--to <time>', 'before then').argParser(time))
    .addOption(configOption())
    .option('--html <file>', 'write a page for print there')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: EvidenceOptions) => evidence(shell, options)));
}

async function evidence(shell: Shell, options: EvidenceOptions): Promise<number> {
  const framework = await shell.local.readFramework({ config: options.config, framework: options.framework });
  const client = await connectOperator(shell, options, 'auditor');
  const { from, to } = options;
  const pack = await client.operator.evidence({ ...(from !== undefined && { from }), ...(to !== undefined && { to }) });
  const controls = judge(framework, pack, shell.now());
  if (options.html !== undefined) {
    await writeFile(resolve(shell.cwd, options.html), evidencePage(framework, pack, controls, shell.now()));
    await shell.out.note(`writ: wrote ${options.html}`);
  }
  if (options.json) await shell.out.raw(`${JSON.stringify({ framework, controls, pack })}\n`);
  else if (options.html === undefined) {
    for (const line of evidenceLines(framework, pack, controls)) await shell.out.line(line);
  }
  return EXIT.ok;
}

/** A day is its beginning in UTC. */
export function time(text: string): string {
  const full = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
  if (!/^\d{4}-\d\d-\d\dT/.test(full) || Number.isNaN(Date.parse(full)))
    throw new InvalidArgumentError('A time is written as 2026-11-01 or 2026-11-01T00:00:00Z.');
  return full;
}
