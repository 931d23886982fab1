import { appendFile, stat, truncate, writeFile } from 'node:fs/promises';
import { flush, keptSizes, proofOf, rangeOf } from './audit-export.ts';
import { headerLine } from './audit/export-file.ts';
import { lastLine } from './audit/lines.ts';
import { toOcsf } from './audit/ocsf.ts';
import type { ExportOptions } from './cli/index.ts';
import { CliError, EXIT, usage } from './cli/exit.ts';
import { isJsonObject } from './domain/json.ts';
import type { Json, JsonObject } from './domain/json.ts';
import { version } from './version.ts';

const PAGE = 1_000;

/**
 * `writ audit export --format ocsf`: each line is one record of OCSF and nothing else. The proof of the range is beside the file, in
 * `FILE.proof`: `unmapped.event` of a record is the event, whose canonical text (RFC 8785) is what was sealed. Resumed behind the
 * last whole line.
 */
export async function runOcsfExport(options: ExportOptions): Promise<number> {
  const { operator, out, write } = options;
  const now = await operator.checkpoint();
  const kept = await keptSizes(options.checkpoints, now);
  const header = { origin: now.origin, ...(await rangeOf(options, now)) };
  const begun = out === undefined ? undefined : await resume(out);
  if (begun !== undefined && (begun < header.first || begun > header.end))
    throw usage(`${String(out)} ends at leaf ${begun}, outside of what is asked for`, 'name another file');
  if (begun === undefined && out !== undefined) await writeFile(out, '', { mode: 0o600 });
  const say = out === undefined ? write : (text: string) => appendFile(out, text);

  for (let next = begun ?? header.first; next < header.end;) {
    const limit = Math.min(PAGE, header.end - next);
    const { events } = await operator.events({}, { cursor: String(next), limit });
    if (events.length === 0 || events.some(({ leaf }, at) => leaf !== next + at)) {
      throw new CliError('unexpected_answer', `the events from leaf ${next} on are not those that were asked for`, {
        exit: EXIT.failed,
      });
    }
    const lines = events.map(({ leaf, body }) => JSON.stringify(toOcsf(JSON.parse(body) as JsonObject, leaf, version)));
    await say(`${lines.join('\n')}\n`);
    next += events.length;
    options.onProgress(next - header.first, header.end - header.first);
  }
  if (out !== undefined) {
    await flush(out);
    const proof = `${headerLine(header)}\n${await proofOf(operator, header, kept)}\n`;
    await writeFile(`${out}.proof`, proof, { mode: 0o600 });
  }
  return EXIT.ok;
}

/** Where to go on; undefined: nothing is there yet. What was written half is taken away; any other file is left alone. */
async function resume(path: string): Promise<number | undefined> {
  const there = await stat(path).catch(() => undefined);
  if (!there || there.size === 0) return undefined;
  const last = await lastLine(path);
  const leaf = last && leafOf(last.text);
  if (leaf === undefined) throw usage(`${path} is there, and is no export of OCSF`, 'name another file');
  await truncate(path, last?.end);
  return leaf + 1;
}

function leafOf(line: string): number | undefined {
  try {
    const record = JSON.parse(line) as Json;
    const metadata = isJsonObject(record) ? record['metadata'] : undefined;
    const sequence = isJsonObject(metadata) ? metadata['sequence'] : undefined;
    return typeof sequence === 'number' ? sequence : undefined;
  } catch {
    return undefined;
  }
}
