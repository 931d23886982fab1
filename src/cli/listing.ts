import { Option } from 'commander';
import { EXIT } from './exit.ts';
import { wholeNumber } from './options.ts';
import type { Shell } from './shell.ts';
import { table } from './table.ts';

/** Lists of what may be many: a table that ends somewhere, or with `--json` a line for each there is. */
const TABLE_LIMIT = 100;
const MAX_PAGE = 500;

export const limitOption = () =>
  new Option('--limit <n>', `at most so many; default ${TABLE_LIMIT}, with --json all`).argParser(wholeNumber);

interface Columns<Item> {
  /** What they are called, in the plural. */
  readonly what: string;
  readonly header: readonly string[];
  readonly row: (item: Item, now: Date) => readonly string[];
}

/** @param list - everything, in pages of the given size. */
export async function printList<Item>(
  shell: Shell,
  { json, limit = json ? Infinity : TABLE_LIMIT }: { readonly json?: boolean; readonly limit?: number },
  list: (pageSize: number) => AsyncIterable<Item>,
  columns: Columns<Item>,
): Promise<number> {
  // One more than is shown, to know whether there are more.
  const found = list(Math.min(limit + 1, MAX_PAGE));
  return json ? asJson(shell, found, limit) : asTable(shell, found, limit, columns);
}

async function asJson(shell: Shell, found: AsyncIterable<unknown>, limit: number): Promise<number> {
  let count = 0;
  if (limit > 0) {
    for await (const item of found) {
      await shell.out.raw(`${JSON.stringify(item)}\n`);
      if (++count >= limit) break;
    }
  }
  return EXIT.ok;
}

async function asTable<Item>(
  shell: Shell,
  found: AsyncIterable<Item>,
  limit: number,
  { what, header, row }: Columns<Item>,
): Promise<number> {
  const shown: Item[] = [];
  let more = false;
  for await (const item of found) {
    more = shown.length === limit;
    if (more) break;
    shown.push(item);
  }
  const now = shell.now();
  const rows = shown.map((item) => row(item, now));
  if (rows.length > 0) for (const line of table([header, ...rows])) await shell.out.line(line);
  else if (!more) await shell.out.note(`writ: no ${what}`);
  if (more) await shell.out.note(`writ: more than ${limit}; see --limit`);
  return EXIT.ok;
}
