import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { TaskTimeline } from '../../../client/index.ts';
import { connectOperator } from '../../connect.ts';
import { EXIT } from '../../exit.ts';
import { collect, jsonOption, urlOption } from '../../options.ts';
import type { Shell } from '../../shell.ts';
import { fromCloudTrail } from '../../timeline/cloudtrail.ts';
import { stepsOf } from '../../timeline/describe.ts';
import { readObjects } from '../../timeline/files.ts';
import { knownOf } from '../../timeline/known.ts';
import { timelineLines } from '../../timeline/lines.ts';
import { timelinePage } from '../../timeline/page.ts';
import { inTime } from '../../timeline/step.ts';
import type { Step } from '../../timeline/step.ts';
import { fromVaultAudit } from '../../timeline/vault-audit.ts';

interface TimelineOptions {
  readonly cloudtrail?: readonly string[];
  readonly vaultAudit?: readonly string[];
  readonly html?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
  readonly url?: string;
}

export function addTimeline(group: Command, shell: Shell): void {
  group
    .command('timeline')
    .description('a task and all below it, step by step, rebuilt from the record (operators)')
    .argument('<task>', "the task's id")
    .option('--cloudtrail <file>', 'records of CloudTrail to join, packed or not; may be repeated', collect)
    .option('--vault-audit <file>', "lines of Vault's audit device to join; may be repeated", collect)
    .option('--html <file>', 'write a page for print there')
    .option('--verbose', 'every fact of every step')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((task: string, options: TimelineOptions) => timeline(shell, task, options)));
}

async function timeline(shell: Shell, task: string, options: TimelineOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'auditor');
  const found = await client.operator.timeline(task);
  const { steps, notes } = await joined(shell, found, options);
  if (options.html !== undefined) {
    await writeFile(resolve(shell.cwd, options.html), timelinePage(found, steps, notes, shell.now()));
    await shell.out.note(`writ: wrote ${options.html}`);
  }
  if (options.json) await shell.out.raw(`${JSON.stringify({ ...found, steps, notes })}\n`);
  else if (options.html === undefined) {
    for (const line of timelineLines(found, steps, Boolean(options.verbose))) await shell.out.line(line);
    for (const note of notes) await shell.out.note(`writ: ${note}`);
  }
  return EXIT.ok;
}

async function joined(
  shell: Shell,
  found: TaskTimeline,
  options: TimelineOptions,
): Promise<{ steps: Step[]; notes: string[] }> {
  const known = knownOf(found);
  const notes: string[] = found.cut ? ['there are more tasks or credentials below this one than are shown'] : [];
  for (const month of found.archived)
    notes.push(`${month} was put away: what happened on this task in that month is in its archive, and not here`);
  const steps = stepsOf(found);
  for (const file of options.cloudtrail ?? []) {
    const records = await readObjects(resolve(shell.cwd, file));
    const matched = fromCloudTrail(records, known);
    notes.push(`${file}: ${matched.length} of ${records.length} records of CloudTrail belong to this task`);
    steps.push(...matched);
  }
  for (const file of options.vaultAudit ?? []) {
    const lines = await readObjects(resolve(shell.cwd, file));
    const { steps: matched, hashedAccessors } = fromVaultAudit(lines, known);
    notes.push(`${file}: ${matched.length} of ${lines.length} lines of Vault's audit belong to this task`);
    if (hashedAccessors)
      notes.push(`${file}: accessors are written as HMACs, so lines are joined by display name and metadata alone`);
    steps.push(...matched);
  }
  return { steps: inTime(steps), notes };
}
