import type { Command } from 'commander';
import { usage } from '../../exit.ts';
import type { Shell } from '../../shell.ts';

interface ArchiveOptions {
  readonly month?: string;
  readonly out?: string;
  readonly check?: string;
  readonly drop?: boolean;
}

export function addArchive(group: Command, shell: Shell): void {
  group
    .command('archive')
    .description("put a month of the record away into a file with its proofs: of DATABASE_URL, as the database's owner")
    .option('--month <month>', 'such as 2026-11')
    .option('--out <file>', 'where to; it must not be there')
    .option('--drop', 'remove the detached table as well')
    .option('--check <file>', 'only hold such a file against the checkpoint inside it')
    .action(shell.action((options: ArchiveOptions) => archive(shell, options)));
}

async function archive(shell: Shell, { month, out, check, drop }: ArchiveOptions): Promise<number> {
  if (check !== undefined) return shell.local.checkArchive({ file: check });
  if (month === undefined || out === undefined) throw usage('it takes --month and --out, or --check');
  const url = shell.env['DATABASE_URL'];
  if (!url) throw usage('which database?', 'set DATABASE_URL to a login that owns it');
  return shell.local.archive({ url, month, out, drop: Boolean(drop) });
}
