import { Option, type Command } from 'commander';
import { addArchive } from './audit/archive.ts';
import { addDeadLetters } from './audit/dead-letters.ts';
import { addEvidence } from './audit/evidence.ts';
import { addHold } from './audit/hold.ts';
import { addTimeline } from './audit/timeline.ts';
import { connectOperator } from '../connect.ts';
import { usage } from '../exit.ts';
import { collect, jsonOption, urlOption } from '../options.ts';
import { makeProgressBar } from '../progress-bar.ts';
import type { Shell } from '../shell.ts';

interface VerifyArguments {
  readonly database?: string;
  readonly export?: string;
  readonly checkpoint?: readonly string[];
  readonly key?: readonly string[];
  readonly archive?: readonly string[];
  readonly json?: boolean;
}

interface ExportArguments {
  readonly from?: string;
  readonly to?: string;
  readonly format: 'jsonl' | 'ocsf';
  readonly out?: string;
  readonly checkpoint?: readonly string[];
  readonly url?: string;
}

const checkpointOption = (what: string) => new Option('--checkpoint <file>', what).argParser(collect);

export function addAudit(parent: Command, shell: Shell): void {
  const group = parent
    .command('audit')
    .description('prove what happened: verify the log, export it, rebuild tasks, show evidence');
  group
    .command('verify')
    .description('hold a ledger, or an export alone, against what was signed; exit code 1 on any finding')
    .option('--database <url>', 'a ledger, by a login that may read; default: DATABASE_URL')
    .option('--export <file>', 'an export instead, and nothing else')
    .addOption(checkpointOption('checkpoints that were kept elsewhere: a file of them; may be repeated'))
    .addOption(new Option('--key <key>', "the signer's key, or a file of keys; may be repeated").argParser(collect))
    .addOption(
      new Option('--archive <file>', 'a month that was put away, to be looked at as well; may be repeated').argParser(
        collect,
      ),
    )
    .addOption(jsonOption())
    .action(shell.action((given: VerifyArguments) => verify(shell, given)));
  group
    .command('export')
    .description('write sealed events with the proof of their range; goes on with a file that was broken off')
    .option('--from <leaf>', 'the first leaf, or a time; default: the beginning')
    .option('--to <leaf>', 'the leaf behind the last, or a time; default: the newest checkpoint')
    .addOption(new Option('--format <format>', 'of the lines').choices(['jsonl', 'ocsf']).default('jsonl'))
    .option('--out <file>', 'where to; default: stdout, which cannot be gone on with')
    .addOption(
      checkpointOption('a checkpoint that was kept: adds the proof that the log goes on from it; may be repeated'),
    )
    .addOption(urlOption())
    .action(shell.action((given: ExportArguments) => exportLog(shell, given)));
  for (const add of [addTimeline, addEvidence, addHold, addArchive, addDeadLetters]) add(group, shell);
}

async function verify(shell: Shell, given: VerifyArguments): Promise<number> {
  if (given.database !== undefined && given.export !== undefined) throw usage('one of --database and --export');
  const bar = makeProgressBar(shell, 'verified');
  const code = await shell.local.auditVerify({
    ...(given.database === undefined ? {} : { database: given.database }),
    ...(given.export === undefined ? {} : { export: given.export }),
    checkpoints: given.checkpoint ?? [],
    keys: given.key ?? [],
    archives: given.archive ?? [],
    json: Boolean(given.json),
    onProgress: bar.show,
    beforeReport: bar.end,
  });
  return code;
}

async function exportLog(shell: Shell, given: ExportArguments): Promise<number> {
  const client = await connectOperator(shell, given, 'auditor');
  const bar = makeProgressBar(shell, 'exported');
  const code = await shell.local.auditExport({
    operator: client.operator,
    format: given.format,
    ...(given.from === undefined ? {} : { from: given.from }),
    ...(given.to === undefined ? {} : { to: given.to }),
    ...(given.out === undefined ? {} : { out: given.out }),
    checkpoints: given.checkpoint ?? [],
    write: (text) => shell.out.raw(text),
    note: (text) => shell.out.note(text),
    onProgress: bar.show,
  });
  await bar.end();
  return code;
}
