import { appendFile, stat, truncate, writeFile } from 'node:fs/promises';
import { endOf, flush, keptSizes, proofOf, rangeOf } from './audit-export.ts';
import { archiveLine, headerLine } from './audit/export-file.ts';
import { lastLine } from './audit/lines.ts';
import { toOcsf } from './audit/ocsf.ts';
import type { ExportOptions } from './cli/index.ts';
import { EXIT, usage } from './cli/exit.ts';
import { isJsonObject } from './domain/json.ts';
import type { Json, JsonObject } from './domain/json.ts';
import { archivesOf, exportParts } from './export-pages.ts';
import { version } from './version.ts';

/**
 * `writ audit export --format ocsf`: each line is one record of OCSF and nothing else. The proof of the range is beside the file, in
 * `FILE.proof`: `unmapped.event` of a record is the event, whose canonical text (RFC 8785) is what was sealed; of what was put
 * away the proof has the hashes. Resumed behind the last whole line.
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

  for await (const part of exportParts(operator, header, begun ?? header.first)) {
    if ('events' in part) {
      const records = part.events.map(({ leaf, body }) => toOcsf(JSON.parse(body) as JsonObject, leaf, version));
      await say(`${records.map((record) => JSON.stringify(record)).join('\n')}\n`);
    }
    options.onProgress(endOf(part) - header.first, header.end - header.first);
  }
  if (out !== undefined) {
    await flush(out);
    const away = (await archivesOf(operator, header.first, header.end)).map(archiveLine);
    const proof = `${[headerLine(header), ...away, await proofOf(operator, header, kept)].join('\n')}\n`;
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
