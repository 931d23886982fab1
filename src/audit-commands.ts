import { readFile } from 'node:fs/promises';
import { openArchiveFile } from './audit/archive-file.ts';
import type { ArchiveFile } from './audit/archive-file.ts';
import { spanOf } from './audit/mismatches.ts';
import { readCheckpoints } from './audit/checkpoint.ts';
import type { SignedCheckpoint } from './audit/checkpoint.ts';
import { lastLine, readLines } from './audit/lines.ts';
import { parseNoteKey } from './audit/note.ts';
import type { NoteKey } from './audit/note.ts';
import { verifyExport } from './audit/verify-export.ts';
import { verifyLedger } from './audit/verify.ts';
import type { VerifyOptions } from './cli/index.ts';
import { CliError, EXIT, usage } from './cli/exit.ts';
import { printable } from './cli/output.ts';
import type { Environment } from './config/index.ts';
import type { LookedMonth } from './audit/archived.ts';
import { openVerification } from './ledger/verification.ts';
import { makeVerifyThread } from './verify-thread.ts';

type Print = (line: string) => void;

/** So many of the newest checkpoints of a witness's file are held against the log. */
const MAX_KEPT = 10_000;

/** `writ audit verify`: a ledger, or an export alone. Exit code 1 on any finding. */
export async function runAuditVerify(options: VerifyOptions, env: Environment, print: Print): Promise<number> {
  const [keys, kept] = [await readKeys(options.keys), await readKept(options.checkpoints)];
  const archives = await readArchives(options.archives);
  const { onProgress } = options;
  const report =
    options.export === undefined
      ? await ofLedger(options.database ?? env['DATABASE_URL'] ?? '', { keys, kept: kept.flat(), archives, onProgress })
      : await ofExport(options.export, { keys, kept, archives, onProgress });
  const ok = report.count === 0;
  await options.beforeReport();
  if (options.json) print(JSON.stringify({ ok, ...report }));
  else {
    // much of it was chosen by whoever wrote what is verified
    const say = (line: string) => print(printable(line));
    for (const { code, about, message } of report.findings) say(`${code} ${about}: ${message}`);
    const more = report.count - report.findings.length;
    if (more > 0) say(`and ${more} more`);
    say(
      `${report.summary}; ${ok ? 'nothing found' : `${report.count} ${report.count === 1 ? 'finding' : 'findings'}`}`,
    );
    for (const line of [...restingOn(report), ...caveats(options, keys, kept.flat())]) say(line);
  }
  return ok ? EXIT.ok : EXIT.failed;
}

type Given = {
  readonly keys: readonly NoteKey[];
  readonly archives: readonly ArchiveFile[];
} & Pick<VerifyOptions, 'onProgress'>;

async function ofLedger(url: string, given: Given & { readonly kept: readonly SignedCheckpoint[] }) {
  if (url === '') throw usage('which ledger? Give --database, or set DATABASE_URL; or an export with --export');
  const ledger = await openVerification(url).catch((cause: unknown) => {
    const code = (cause as { code?: unknown }).code;
    const sentence = `the ledger cannot be read (${typeof code === 'string' ? code : 'no code'})`;
    throw new CliError('ledger_unavailable', sentence, {
      exit: EXIT.unavailable,
      help: 'docs/audit.md says which rights it takes',
    });
  });
  try {
    const thread = makeVerifyThread({ url, snapshot: ledger.snapshot });
    const report = await verifyLedger(ledger, { ...given, elsewhere: thread.taker }).finally(thread.close);
    const { size, unsealed, checkpoints } = report;
    const waiting = unsealed === 0 ? '' : `, ${unsealed} not sealed yet`;
    return { ...report, summary: `${size} events${waiting}, ${checkpoints} checkpoints` };
  } finally {
    await ledger.close();
  }
}

async function ofExport(path: string, given: Given & { readonly kept: readonly (readonly SignedCheckpoint[])[] }) {
  const last = await lastLine(path).catch((error: unknown) => {
    const code = (error as { code?: unknown }).code;
    throw usage(`the export cannot be read (${typeof code === 'string' ? code : 'no code'})`);
  });
  const report = await verifyExport({ lines: readLines(path), trailer: last?.text ?? '' }, given);
  const { header, size, events } = report;
  const range = header ? `leaves ${header.first} to ${header.end - 1} of ${header.origin}` : 'no export';
  return { ...report, summary: `${events} events, ${range}, in a log of ${size}` };
}

/** Which events were not looked at themselves, and what is known of them all the same. */
function restingOn({
  archived,
  unchecked_rows: rows = 0,
}: {
  readonly archived: readonly LookedMonth[];
  readonly unchecked_rows?: number;
}): string[] {
  const lines = archived.map(({ month, events, sha256, ranges, given }) => {
    const where = ranges.map(({ first, end }) => spanOf(first, end - 1)).join(', ');
    const what = `${month}: ${events} events, ${where}, were put away`;
    return given
      ? `${what}; they were looked at in the archive that was given`
      : `${what} and were not looked at: that they are there rests on their hashes, which were kept and lead to what was signed, and what they say on the archive with SHA-256 ${sha256}; give --archive`;
  });
  return rows === 0
    ? lines
    : [...lines, `${rows} rows of that time, and steps of rows, were held against nothing: their events were put away`];
}

/** What this verification has not shown, so that nobody takes it for more. */
function caveats(
  { export: file }: VerifyOptions,
  keys: readonly NoteKey[],
  kept: readonly SignedCheckpoint[],
): string[] {
  const signature = file === undefined ? 'were checked with the keys that the ledger names itself' : 'were not checked';
  return [
    ...(keys.length > 0 ? [] : [`signatures ${signature}: give --key`]),
    ...(kept.length > 0
      ? []
      : [
          'no checkpoint from elsewhere: that the end is there, and was never written anew, is not shown; give --checkpoint',
        ]),
  ];
}

/** Keys as they are, or files with one on each line. */
async function readKeys(given: readonly string[]): Promise<NoteKey[]> {
  const keys: NoteKey[] = [];
  for (const each of given) {
    const own = parseNoteKey(each);
    const lines = own
      ? []
      : (await readFile(each, 'utf8').catch(() => '')).split('\n').filter((line) => line.trim() !== '');
    const read = own ? [own] : lines.map((line) => parseNoteKey(line.trim())).filter((key) => key !== undefined);
    if (read.length === 0 || (!own && read.length < lines.length)) {
      throw usage(`${each} is neither a verifier's key nor a file of them`, 'GET /v1/audit/checkpoint has it as `key`');
    }
    keys.push(...read);
  }
  return keys;
}

async function readArchives(paths: readonly string[]): Promise<ArchiveFile[]> {
  const files: ArchiveFile[] = [];
  for (const path of paths) {
    const file = await openArchiveFile(path).catch((error: unknown) => {
      const code = (error as { code?: unknown }).code;
      throw usage(`${path} cannot be read (${typeof code === 'string' ? code : 'no code'})`);
    });
    if (!file) throw usage(`${path} is no archive`);
    files.push(file);
  }
  return files;
}

/** Of each file, the newest that it has. */
async function readKept(paths: readonly string[]): Promise<SignedCheckpoint[][]> {
  const kept: SignedCheckpoint[][] = [];
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => {
      throw usage(`${path} cannot be read`);
    });
    const found = readCheckpoints(text);
    if (found.length === 0) throw usage(`${path} holds no checkpoint`);
    kept.push(found.slice(-MAX_KEPT));
  }
  return kept;
}
