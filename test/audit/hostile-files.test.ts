import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runArchiveCheck } from '../../src/archive-command.ts';
import type { ArchiveHeader } from '../../src/audit/archive.ts';
import { openArchiveFile } from '../../src/audit/archive-file.ts';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { archiveLine, eventLine, headerLine, trailerLine } from '../../src/audit/export-file.ts';
import { lastLine, LineTooLong, readLines } from '../../src/audit/lines.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { formatNote, makeNoteKey } from '../../src/audit/note.ts';
import { verifyExport } from '../../src/audit/verify-export.ts';
import type { ExportOptions } from '../../src/audit/verify-export.ts';

/** Files that nobody honest has written: they are found out, in time and without holding all of them in memory. */
let directory: string;
const at = (name: string) => join(directory, name);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-hostile-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Of so many bytes, none of which ends a line. */
async function endless(name: string, begin: string, bytes: number): Promise<string> {
  await writeFile(at(name), begin);
  const file = await open(at(name), 'r+');
  await file.truncate(bytes);
  await file.close();
  return at(name);
}

async function verify(lines: readonly string[], options: Partial<ExportOptions> = {}) {
  async function* parts() {
    yield lines;
  }
  const given = { keys: [], kept: [], onProgress: () => undefined, ...options };
  const report = await verifyExport({ lines: parts(), trailer: lines.at(-1) ?? '' }, given);
  return { ...report, lines: report.findings.map(({ code, about, message }) => `${code} ${about}: ${message}`) };
}

describe('a line that does not end', () => {
  const MIB = 1024 * 1024;

  test('is not held in memory', async () => {
    const path = await endless('endless', 'x\n', 256 * MIB);
    const read: string[] = [];
    const all = (async () => {
      for await (const lines of readLines(path)) read.push(...lines);
    })();
    await expect(all).rejects.toThrow(LineTooLong);
    expect(read).toEqual(['x']);
    expect((await lastLine(path))?.text).toBeUndefined();
  });

  test('of an export', async () => {
    const path = await endless('export', `${headerLine({ origin: 'writ/log', first: 0, end: 9 })}\n`, 32 * MIB);
    const given = { keys: [], kept: [], onProgress: () => undefined };
    const { findings } = await verifyExport({ lines: readLines(path), trailer: '' }, given);
    expect(findings).toContainEqual({
      code: 'export_malformed',
      about: 'the file',
      message: 'a line is longer than 16 MiB',
    });
  });

  test('of an archive', async () => {
    const said: string[] = [];
    const path = await endless('archive', '{"kind"', 32 * MIB);
    expect(await runArchiveCheck(path, (line) => void said.push(line))).toBe(1);
    expect(said).toEqual([`${path}: malformed`]);
    await expect(openArchiveFile(path)).rejects.toThrow(LineTooLong);
  });

  test('one that is long, and ends', async () => {
    await writeFile(at('long'), `a\n${'b'.repeat(3 * MIB)}\nc`);
    const read: string[] = [];
    for await (const lines of readLines(at('long'))) read.push(...lines);
    expect(read.map((line) => line.length)).toEqual([1, 3 * MIB]);
    expect(await lastLine(at('long'))).toEqual({ text: 'b'.repeat(3 * MIB), end: 3 * MIB + 3 });
  });
});

test('an export of more than there can be, beside an archive that says so too: it ends', async () => {
  const end = 2 ** 50;
  const hash = Buffer.alloc(32, 1);
  const away = archiveLine({ month: '2026-03', sha256: 'a'.repeat(64), first: 0, end, hashes: [hash] });
  const header: ArchiveHeader = {
    kind: 'writ.archive',
    version: 1,
    month: '2026-03',
    events: end,
    checkpoint: '',
    key: '',
    ranges: [{ first: 0, end, left: [], right: [] }],
  };
  const archives = [{ header, sha256: 'a'.repeat(64), async *events() {} }];
  const { lines } = await verify([headerLine({ origin: 'writ/log', first: 0, end }), away], { archives });
  expect(lines).toContainEqual(expect.stringMatching(/^archive_differs archive 2026-03: leaves 0 to \d+ are not what/));
}, 10_000);

test('numbers that go back and back: the most of them are named, and no more', async () => {
  const body = (seq: number) => `{"at":"2026-11-25T00:00:00.000000Z","facts":{},"seq":${seq},"type":"x"}`;
  const events = Array.from({ length: 1_000 }, (_, leaf) => body(leaf === 0 ? 5_000 : 1_000 - leaf));
  const lines = events.map((event, leaf) => eventLine({ leaf, hash: leafHash(event).toString('base64'), body: event }));
  const key = makeNoteKey('writ/log', Buffer.alloc(32, 1));
  const text = checkpointText({ origin: key.name, size: 1_000, root: Buffer.alloc(32) });
  const note = formatNote(text, key, Buffer.alloc(64));
  const trailer = trailerLine({ checkpoint: note, left: [], right: [], consistency: [], archivings: [] });
  const header = headerLine({ origin: key.name, first: 0, end: 1_000 });
  const { lines: found } = await verify([header, ...lines, trailer]);
  const told = found.find((line) => line.startsWith('checkpoint_differs')) ?? '';
  expect(told.match(/leaf \d+ \(by \d+\)/g)).toEqual(
    [999, 998, 997, 996, 995].map((n) => `leaf ${n} (by ${4_000 + n})`),
  );
});

test('events that say they put away what is no month', async () => {
  const facts = '{"leaves":"{[0,3)}","month":"x","sha256":"x"}';
  const body = `{"at":"2026-11-25T00:00:00.000000Z","facts":${facts},"seq":1,"success":true,"type":"events.archived"}`;
  const line = eventLine({ leaf: 0, hash: leafHash(body).toString('base64'), body });
  const { lines } = await verify([headerLine({ origin: 'writ/log', first: 0, end: 1 }), line]);
  expect(lines).toEqual(['export_incomplete the end: there is no trailer with a checkpoint']);
});
