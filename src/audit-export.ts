import { appendFile, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { readCheckpoints } from './audit/checkpoint.ts';
import {
  archiveLine,
  eventLine,
  hashesOf,
  headerLine,
  readArchiveLine,
  readEventLine,
  readHeader,
  readTrailer,
  trailerLine,
} from './audit/export-file.ts';
import type { ConsistencyProof, ExportHeader, ProvenEvent } from './audit/export-file.ts';
import { readEvent } from './audit/event.ts';
import { lastLine, readLines } from './audit/lines.ts';
import { leafHash } from './audit/merkle.ts';
import type { ExportOptions } from './cli/index.ts';
import { CliError, EXIT, usage } from './cli/exit.ts';
import type { Checkpoint, OperatorVerbs } from './client/index.ts';
import type { Json } from './domain/json.ts';
import { archivesOf, exportParts } from './export-pages.ts';
import type { ExportPart } from './export-pages.ts';

/**
 * `writ audit export`: sealed events over HTTP, by cursor, with the proof of their range. To a file it is resumed where it was
 * broken off: the file's header says what was asked for.
 */
export async function runAuditExport(options: ExportOptions): Promise<number> {
  if (options.format === 'ocsf') return (await import('./audit-export-ocsf.ts')).runOcsfExport(options);
  const { operator, out, write } = options;
  const now = await operator.checkpoint();
  const kept = await keptSizes(options.checkpoints, now);
  const begun = out === undefined ? undefined : await resume(out);
  if (begun?.complete) {
    await options.note('writ: the export is complete already');
    return EXIT.ok;
  }
  const header = begun?.header ?? { origin: now.origin, ...(await rangeOf(options, now)) };
  if (begun) mustBeAsked(begun.header, options, now);
  const say = out === undefined ? write : (text: string) => appendFile(out, text);
  if (!begun && out !== undefined) await writeFile(out, '', { mode: 0o600 });
  if (!begun) await say(`${headerLine(header)}\n`);

  for await (const part of exportParts(operator, header, begun?.next ?? header.first)) {
    const lines =
      'archive' in part
        ? [archiveLine(part.archive)]
        : part.events.map(({ leaf, body }) => eventLine({ leaf, hash: leafHash(body).toString('base64'), body }));
    await say(`${lines.join('\n')}\n`);
    options.onProgress(endOf(part) - header.first, header.end - header.first);
  }
  await say(`${await proofOf(operator, header, kept)}\n`);
  if (out !== undefined) await flush(out);
  return EXIT.ok;
}

/** The leaf behind the last of it. */
export function endOf(part: ExportPart): number {
  return 'archive' in part ? part.archive.end : (part.events.at(-1)?.leaf ?? 0) + 1;
}

/** Leaves as they are, or the span of time that is asked for. */
export async function rangeOf(
  { operator, from, to }: ExportOptions,
  now: Checkpoint,
): Promise<{ first: number; end: number }> {
  const [fromLeaf, toLeaf] = [leafOf(from), leafOf(to)];
  const times = {
    ...(from !== undefined && fromLeaf === undefined && { from }),
    ...(to !== undefined && toLeaf === undefined && { to }),
  };
  const span = Object.keys(times).length > 0 ? await operator.leafRange(times) : { first: 0, end: now.size };
  const first = fromLeaf ?? (from === undefined ? 0 : span.first);
  const end = toLeaf ?? (to === undefined ? now.size : span.end);
  // of a span of time, what is signed by now
  const last = toLeaf === undefined ? Math.min(end, now.size) : end;
  if (last > now.size) throw usage(`--to is behind the newest checkpoint, which is of ${now.size} events`);
  if (first > last) throw usage(`there is nothing from ${first} to ${last}`);
  return { first, end: last };
}

function leafOf(given: string | undefined): number | undefined {
  return given !== undefined && /^\d{1,15}$/.test(given) ? Number(given) : undefined;
}

/** A file that was begun: what it is of, and where to go on. What was written half is taken away; any other file is left alone. */
async function resume(path: string): Promise<{ header: ExportHeader; next: number; complete: boolean } | undefined> {
  const size = await stat(path).then(
    (there) => there.size,
    () => undefined,
  );
  if (size === undefined || size === 0) return undefined;
  const last = await lastLine(path);
  if (!last && (await isHalfHeader(path))) return undefined;
  if (!last) throw notAnExport(path);
  const [first = []] = await firstLines(path);
  const header = readHeader(first[0] ?? '');
  if (!header) throw notAnExport(path);
  const complete = readTrailer(last.text) !== undefined;
  const next = last.text === first[0] || complete ? header.first : nextBehind(last.text);
  if (next === undefined || next < header.first || next > header.end)
    throw usage(`${path} is an export, and its last line is damaged`, 'remove that line, or name another file');
  await truncate(path, last.end);
  return { header, next, complete };
}

/** Where to go on behind a line; undefined: behind that, nothing can be gone on with. */
function nextBehind(line: string): number | undefined {
  const event = readEventLine(line);
  if (event) return leafHash(event.body).toString('base64') === event.hash ? event.leaf + 1 : undefined;
  return readArchiveLine(line)?.end;
}

/** Broken off within its first line. */
async function isHalfHeader(path: string): Promise<boolean> {
  const start = headerLine({ origin: '', first: 0, end: 0 }).slice(0, HEADER_START);
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_START), 0, HEADER_START, 0);
    return start.startsWith(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}
const HEADER_START = '{"writ_export":1'.length;

function notAnExport(path: string): CliError {
  return usage(`${path} is there, and is no export`, 'name another file');
}

async function firstLines(path: string): Promise<string[][]> {
  for await (const lines of readLines(path)) return [lines];
  return [];
}

function mustBeAsked(header: ExportHeader, { from, to }: ExportOptions, now: Checkpoint): void {
  const [first, end] = [leafOf(from), leafOf(to)];
  if (header.origin !== now.origin) throw usage(`the file is of another log, ${header.origin}`);
  if ((first !== undefined && first !== header.first) || (end !== undefined && end !== header.end)) {
    throw usage(`the file is of leaves ${header.first} to ${header.end}`, 'name another file');
  }
}

export async function keptSizes(paths: readonly string[], now: Checkpoint): Promise<number[]> {
  const sizes = new Set<number>();
  for (const path of paths) {
    const newest = readCheckpoints(await readFile(path, 'utf8').catch(() => '')).at(-1);
    if (!newest) throw usage(`${path} holds no checkpoint`);
    if (newest.size > now.size) {
      throw new CliError(
        'log_truncated',
        `${path} is of ${newest.size} events, and the log is signed for ${now.size}`,
        { exit: EXIT.failed },
      );
    }
    sizes.add(newest.size);
  }
  return [...sizes];
}

/** The trailer: the newest checkpoint by now, the proof of the range in it, and that it goes on from those that were kept. */
export async function proofOf(
  operator: OperatorVerbs,
  { first, end }: Pick<ExportHeader, 'first' | 'end'>,
  kept: readonly number[],
): Promise<string> {
  const { size, checkpoint } = await operator.checkpoint();
  const range = await operator.proof({ first, end }, { size });
  const [left, right] = range.kind === 'range' ? [hashesOf([...range.left]), hashesOf([...range.right])] : [];
  const consistency: ConsistencyProof[] = [];
  for (const oldSize of kept) {
    const proof = await operator.proof({ old_size: oldSize }, { size });
    const path = proof.kind === 'consistency' ? hashesOf([...proof.path]) : undefined;
    if (path) consistency.push({ oldSize, path });
  }
  if (!left || !right || consistency.length < kept.length) {
    throw new CliError('unexpected_answer', 'the proof cannot be read', { exit: EXIT.failed });
  }
  const archivings = await archivingsOf(operator, { first, end }, size);
  return trailerLine({ checkpoint, left, right, consistency, archivings });
}

/** The events that say why something of the range is not there, as far as they are sealed, can be read, and lie outside of it. */
async function archivingsOf(
  operator: OperatorVerbs,
  { first, end }: { readonly first: number; readonly end: number },
  size: number,
): Promise<ProvenEvent[]> {
  const found: ProvenEvent[] = [];
  const months = new Set<Json | undefined>((await archivesOf(operator, first, end)).map(({ month }) => month));
  if (months.size === 0) return found;
  for await (const { leaf, body } of operator.eachEvent({ type: 'events.archived' })) {
    if (leaf >= size || (leaf >= first && leaf < end) || !months.has(readEvent(body)?.facts['month'])) continue;
    const proof = await operator.proof({ leaf }, { size });
    const path = proof.kind === 'inclusion' ? hashesOf([...proof.path]) : undefined;
    if (path) found.push({ leaf, body, path });
  }
  return found;
}

export async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
