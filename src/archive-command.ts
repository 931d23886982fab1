import { createHash } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { archiveLine, checkArchive, makeRanges } from './audit/archive.ts';
import type { ArchiveFault, ArchiveHeader } from './audit/archive.ts';
import { LineTooLong, readLines } from './audit/lines.ts';
import { makeProver } from './audit/proofs.ts';
import type { ArchiveOptions } from './cli/index.ts';
import { openArchive, OutcomeUnknown } from './ledger/archive.ts';
import type { ArchiveRefusal } from './ledger/archive.ts';
import { StartError } from './start-error.ts';

type Print = (line: string) => void;

const REFUSED: Readonly<Record<ArchiveRefusal, string>> = {
  not_over: 'this month is not over',
  no_such_month: 'the ledger has no such month',
  archived: 'this month was archived before',
  unsealed: 'some of its events are not sealed yet',
  unsigned: 'no signed checkpoint covers it yet',
  held: 'a legal hold covers it; see `writ audit hold list`',
  undelivered:
    'a sink has not been given all of it, or did not take something of it; see `writ audit sinks show`, or give it up with --force',
  unasked: 'the ledger has no such request: WRIT_URL is a broker of another one, or it took longer than an hour',
  changed: 'it does not hold what was written; nothing was changed',
};

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/**
 * `writ audit archive`: writes a month with its proofs to a file, reads that back and holds it against the checkpoint, and only then
 * takes the month out of the record. @throws StartError where it cannot be.
 */
export async function runArchive(
  { url, month, out, drop, force, request }: ArchiveOptions,
  print: Print,
): Promise<number> {
  if (!MONTH.test(month)) throw new StartError('a month is written as 2026-11');
  const archive = await openArchive(url, month);
  try {
    const refusal = await archive.refusal(force);
    refuse(refusal, refusal === 'undelivered' ? await archive.heldBy() : []);
    const { events, ranges, checkpoint } = await archive.month();
    const prover = makeProver(archive.hashes);
    const header: ArchiveHeader = {
      kind: 'writ.archive',
      version: 1,
      month,
      events,
      checkpoint: checkpoint.note,
      key: checkpoint.key,
      ranges: await makeRanges(prover, ranges, checkpoint.size),
    };
    const sha256 = await write(out, header, archive.events());
    try {
      const fault = await faultOf(out);
      if (fault) throw new StartError(`what was written to ${out} does not verify (${fault}); nothing was changed`);
      refuse(await archive.detach(events, sha256, await request()));
    } catch (error) {
      if (error instanceof OutcomeUnknown) throw new StartError(unknown(out, sha256, month));
      await rm(out); // a copy of what is still there
      throw error;
    }
    print(`${month}: ${events} events are in ${out} (SHA-256 ${sha256}), and no longer in the record`);
    if (drop) await archive.drop();
    else print('the table is detached and still there: --drop removes it, or do that by hand');
    return 0;
  } finally {
    await archive.close();
  }
}

/** `writ audit archive --check`: whether a file holds what was signed. */
export async function runArchiveCheck(file: string, print: Print): Promise<number> {
  const fault = await faultOf(file);
  print(fault ? `${file}: ${fault}` : `${file}: every event is what was signed`);
  return fault ? 1 : 0;
}

function refuse(code: ArchiveRefusal | undefined, sinks: readonly string[] = []): void {
  const named = sinks.length > 0 ? ` (held by ${sinks.join(', ')})` : '';
  if (code) throw new StartError(`cannot be archived: ${REFUSED[code]}${named}`);
}

const unknown = (out: string, sha256: string, month: string) =>
  `the ledger did not say whether ${month} was put away. ${out} is kept (SHA-256 ${sha256}): it may be the only copy. ` +
  `The month was put away if event_archives has a row of ${month} with that digest; if it has none, remove the file and ask again`;

/** Whole and on the disk, or not there under its name. */
async function write(
  path: string,
  header: ArchiveHeader,
  events: AsyncIterable<{ readonly leaf: number; readonly body: string }>,
): Promise<string> {
  const digest = createHash('sha256');
  const draft = `${path}.partial`;
  const file = await open(draft, 'wx', 0o600);
  try {
    const put = async (text: string) => {
      digest.update(text);
      await file.appendFile(text);
    };
    await put(`${JSON.stringify(header)}\n`);
    let pending = '';
    for await (const event of events) {
      pending += archiveLine(event);
      if (pending.length < 1024 * 1024) continue;
      await put(pending);
      pending = '';
    }
    if (pending !== '') await put(pending);
    await file.sync();
  } finally {
    await file.close();
  }
  // unlike a renaming, a link takes nothing's place
  await link(draft, path).finally(() => rm(draft));
  await syncDirectory(dirname(path));
  return digest.digest('hex');
}

/** What is wrong with a file; null: nothing. */
async function faultOf(path: string): Promise<ArchiveFault | null> {
  try {
    return await checkArchive(linesOf(path));
  } catch (error) {
    if (error instanceof LineTooLong) return 'malformed';
    throw error;
  }
}

/** A name lasts once the directory that it stands in does. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function* linesOf(path: string): AsyncGenerator<string, void, void> {
  for await (const lines of readLines(path)) yield* lines;
}
