import type { Command } from 'commander';
import { connectOperator } from '../../connect.ts';
import { usage } from '../../exit.ts';
import { urlOption } from '../../options.ts';
import type { Shell } from '../../shell.ts';

interface ArchiveOptions {
  readonly month?: string;
  readonly out?: string;
  readonly check?: string;
  readonly drop?: boolean;
  readonly reason?: string;
  readonly force?: boolean;
  readonly url?: string;
}

export function addArchive(group: Command, shell: Shell): void {
  group
    .command('archive')
    .description("put a month of the record away into a file with its proofs: of DATABASE_URL, as the database's owner")
    .option('--month <month>', 'such as 2026-11')
    .option('--out <file>', 'where to; it must not be there')
    .option('--reason <text>', 'goes into the record, with whose WRIT_OPERATOR_TOKEN it is')
    .option('--force', 'also what a sink was not given yet; it will not be')
    .option('--drop', 'remove the detached table as well')
    .option('--check <file>', 'only hold such a file against the checkpoint inside it')
    .addOption(urlOption())
    .action(shell.action((options: ArchiveOptions) => archive(shell, options)));
}

async function archive(shell: Shell, options: ArchiveOptions): Promise<number> {
  const { month, out, check, drop, reason, force } = options;
  if (check !== undefined) return shell.local.checkArchive({ file: check });
  if (month === undefined || out === undefined || reason === undefined)
    throw usage('it takes --month, --out and --reason, or --check');
  const url = shell.env['DATABASE_URL'];
  if (!url) throw usage('which database?', 'set DATABASE_URL to a login that owns it');
  const client = await connectOperator(shell, options, 'security');
  const asked = { month, reason, force: Boolean(force) };
  const request = async () => (await client.operator.requestArchive(asked)).id;
  return shell.local.archive({ url, month, out, drop: Boolean(drop), force: asked.force, request });
}
