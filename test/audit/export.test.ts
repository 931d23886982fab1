import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '../../src/audit/checkpoint.ts';
import { eventLine, readEventLine, readTrailer } from '../../src/audit/export-file.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { runAuditExport } from '../../src/audit-export.ts';
import type { ExportOptions } from '../../src/cli/index.ts';
import { makeClient } from '../../src/client/index.ts';
import type { Client } from '../../src/client/index.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';
import { runWrit } from './writ.ts';

/** `writ audit export` from a broker, and `writ audit verify` on what it wrote, on what was made of that, and on the ledger. */
let broker: RunningBroker;
let directory: string;
let auditor: Client;
let whole: string;
let size: number;
let key: string;
let early: string;

const at = (name: string) => join(directory, name);
const read = async (name: string) => (await readFile(at(name), 'utf8')).split('\n').slice(0, -1);
const issue = (n: number) =>
  broker.ask('POST', '/v1/grants', {
    as: broker.people.workload(`agent/${n}`),
    json: { profile: 'lookup', purpose: `wünsche ${n}` },
  });

async function sealed(): Promise<number> {
  const sql =
    'select (select count(*)::int from events where leaf is null) as open, size::int, (select max(c.size)::int from log_checkpoints c) as signed from log_head';
  let done = 0;
  await until(async () => {
    const { rows } = await broker.database.pool.query<{ open: number; size: number; signed: number }>(sql);
    done = rows[0]?.size ?? 0;
    return rows[0]?.open === 0 && rows[0].signed === done;
  });
  return done;
}

async function exportTo(name: string, options: Partial<ExportOptions> = {}): Promise<string> {
  await runAuditExport({
    operator: auditor.operator,
    out: at(name),
    checkpoints: [],
    write: () => Promise.reject(new Error('not to stdout')),
    note: async () => undefined,
    onProgress: () => undefined,
    ...options,
  });
  return at(name);
}

const writ = (...argv: string[]) => runWrit(directory, argv);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-export-'));
  broker = await startRunningBroker();
  auditor = makeClient({ url: broker.url, operatorToken: () => broker.people.operator('auditor') });
  for (let n = 0; n < 4; n++) await issue(n);
  await sealed();
  early = (await auditor.operator.checkpoint()).checkpoint;
  await writeFile(at('early'), early);
  for (let n = 4; n < 8; n++) await issue(n);
  size = await sealed();
  key = (await auditor.operator.checkpoint()).key;
  whole = await exportTo('whole.jsonl');
});
afterAll(async () => {
  await broker.close();
  await rm(directory, { recursive: true });
});

const verify = (file: string, ...more: string[]) => writ('audit', 'verify', '--export', file, '--key', key, ...more);

test('an export has each event as it was sealed, and its proof', async () => {
  const lines = await read('whole.jsonl');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ writ_export: 1, first: 0, end: size });
  const { rows } = await broker.database.pool.query<{ body: string }>(
    'select body from events where leaf < $1 order by leaf',
    [size],
  );
  expect(lines.slice(1, -1).map((line) => readEventLine(line)?.body)).toEqual(rows.map(({ body }) => body));
  for (const line of lines) expect(JSON.parse(line)).toBeInstanceOf(Object);
  const { code, lines: said } = await verify(whole, '--checkpoint', at('early'));
  expect(said).toEqual([
    `${size} events, leaves 0 to ${size - 1} of ${readCheckpoint(early)?.origin ?? ''}, in a log of ${size}; nothing found`,
  ]);
  expect(code).toBe(0);
});

test('what was not shown is said', async () => {
  const { code, lines } = await writ('audit', 'verify', '--export', whole);
  expect(code).toBe(0);
  expect(lines.slice(1)).toEqual([
    'signatures were not checked: give --key',
    'no checkpoint from elsewhere: that the end is there, and was never written anew, is not shown; give --checkpoint',
  ]);
});

describe('a part of the log', () => {
  test.each([
    ['in the middle', 5, 17],
    ['from the beginning', 0, 9],
    ['of one event', 11, 12],
    ['of none', 6, 6],
  ])('%s', async (name, first, end) => {
    const file = await exportTo(`part ${name}.jsonl`, { from: String(first), to: String(end) });
    expect(await verify(file)).toMatchObject({ code: 0 });
    expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(end - first + 3);
  });

  test('outside of which a kept checkpoint lies: with its proof, and without', async () => {
    const from = String((readCheckpoint(early)?.size ?? 0) + 1);
    const with_ = await exportTo('with.jsonl', { from, checkpoints: [at('early')] });
    expect(await verify(with_, '--checkpoint', at('early'))).toMatchObject({ code: 0 });
    const without = await exportTo('without.jsonl', { from });
    expect((await verify(without, '--checkpoint', at('early'))).lines[0]).toMatch(
      /^export_incomplete kept checkpoint \d+: lies outside of the range/,
    );
  });

  test('and all that a witness has kept: what the export can show is held against it, and the newest is what it must show', async () => {
    const { rows } = await broker.database.pool.query<{ note: string }>(
      'select note from log_checkpoints order by size',
    );
    expect(rows.length).toBeGreaterThan(1);
    await writeFile(at('witness'), rows.map(({ note }) => `\n${note}`).join(''));
    const range = { from: String(size - 3), to: String(size - 1) };
    const proven = await exportTo('proven.jsonl', { ...range, checkpoints: [at('witness')] });
    expect(await verify(proven, '--checkpoint', at('witness'))).toMatchObject({ code: 0 });
    // its newest is the export's own; without that, there is none left that says anything
    await writeFile(
      at('older'),
      rows
        .slice(0, -1)
        .map(({ note }) => `\n${note}`)
        .join(''),
    );
    const newest = readCheckpoint(rows.at(-2)?.note ?? '')?.size ?? 0;
    const within = newest >= size - 3 && newest <= size - 1;
    const { lines } = await verify(await exportTo('bare.jsonl', range), '--checkpoint', at('older'));
    expect(lines.filter((line) => line.startsWith('export_incomplete'))).toHaveLength(within ? 0 : 1);
    // one that is not the log's is found among them
    const trailer = readTrailer((await read('proven.jsonl')).at(-1) ?? '');
    const root = Buffer.alloc(32, 1).toString('base64');
    const other = (trailer?.checkpoint ?? '').replace(/\n[^\n]{44}\n/, `\n${root}\n`);
    await writeFile(at('other'), `${rows[0]?.note ?? ''}\n${other}`);
    expect((await writ('audit', 'verify', '--export', proven, '--checkpoint', at('other'))).lines[0]).toMatch(
      /^checkpoint_differs kept checkpoint \d+: says another root/,
    );
  });

  test('of a span of time', async () => {
    const hour = (n: number) => new Date(Date.now() + n * 3_600_000).toISOString();
    const file = await exportTo('time.jsonl', { from: hour(-1), to: hour(1) });
    expect(await verify(file)).toMatchObject({ code: 0 });
    expect((await readFile(file, 'utf8')).split('\n').length).toBeGreaterThan(size);
    await expect(exportTo('later.jsonl', { from: '99999' })).rejects.toMatchObject({ code: 'usage' });
    await expect(exportTo('future.jsonl', { to: '99999' })).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('an export that was broken off', () => {
  test.each([
    ['in the middle of a line', (text: string) => text.slice(0, Math.floor(text.length / 2))],
    ['behind a line', (text: string) => text.split('\n').slice(0, 7).join('\n') + '\n'],
    ['behind its header', (text: string) => text.split('\n').slice(0, 1).join('\n') + '\n'],
    ['in its header', (text: string) => text.slice(0, 20)],
    ['before its proof', (text: string) => text.split('\n').slice(0, -2).join('\n') + '\n'],
    ['in its proof', (text: string) => text.slice(0, -30)],
  ])('%s, is gone on with', async (name, cut) => {
    const file = at(`cut ${name}.jsonl`);
    await writeFile(file, cut(await readFile(whole, 'utf8')));
    const begun = (await readFile(file, 'utf8')).includes('"end"');
    await exportTo(`cut ${name}.jsonl`, begun ? {} : { to: String(size) });
    expect(await verify(file)).toMatchObject({ code: 0 });
    const events = async (path: string) => (await readFile(path, 'utf8')).split('\n').slice(0, -2);
    expect(await events(file)).toEqual(await events(whole));
  });

  test('not with another range, nor where another file stands', async () => {
    await writeFile(at('half.jsonl'), (await readFile(whole, 'utf8')).slice(0, 5_000));
    await expect(exportTo('half.jsonl', { from: '3' })).rejects.toMatchObject({ code: 'usage', exit: 2 });
    await writeFile(at('other.txt'), 'a letter\n');
    await expect(exportTo('other.txt')).rejects.toMatchObject({ code: 'usage' });
    expect(await readFile(at('other.txt'), 'utf8')).toBe('a letter\n');
    await writeFile(at('other.txt'), 'a letter without an end');
    await expect(exportTo('other.txt')).rejects.toMatchObject({ code: 'usage' });
    expect(await readFile(at('other.txt'), 'utf8')).toBe('a letter without an end');
  });

  test.each([
    ['an event that is not what its hash is of', (line: string) => line.replace('"success":true', '"success":false')],
    ['an event far behind the range', (line: string) => line.replace(/"leaf":\d+/, '"leaf":999999')],
    ['nonsense', () => 'nonsense'],
    ['half a line, ended', (line: string) => line.slice(0, 30)],
  ])('not behind %s', async (name, change) => {
    const file = at(`damaged ${name}.jsonl`);
    const lines = (await read('whole.jsonl')).slice(0, 8);
    const text = `${lines.with(7, change(lines[7] ?? '')).join('\n')}\n`;
    await writeFile(file, text);
    await expect(exportTo(`damaged ${name}.jsonl`)).rejects.toMatchObject({ code: 'usage' });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test('a whole one is left as it is', async () => {
    const before = await readFile(whole, 'utf8');
    await exportTo('whole.jsonl');
    expect(await readFile(whole, 'utf8')).toBe(before);
  });
});

/** A hostile hand: it knows the format, and makes hashes right where it can. */
describe('an export that was changed', () => {
  const parsed = (line = '') => readEventLine(line) ?? { leaf: 0, hash: '', body: '' };
  const withBody = (line: string | undefined, body: string, leaf = parsed(line).leaf) =>
    eventLine({ leaf, hash: leafHash(body).toString('base64'), body });

  test.each([
    {
      name: 'one byte of an event',
      change: (lines: string[]) => lines.with(9, (lines[9] ?? '').replace('"success":true', '"success":truE')),
      found: ['event_altered leaf 8: is not what its hash is of', 'event_altered leaf 8: is no event'],
    },
    {
      name: 'an event, and its hash with it',
      change: (lines: string[]) =>
        lines.with(9, withBody(lines[9], parsed(lines[9]).body.replace('"success":true', '"success":false'))),
      found: ['checkpoint_differs checkpoint '],
    },
    {
      name: 'an event is removed',
      change: (lines: string[]) => lines.toSpliced(9, 1),
      found: ['event_missing leaf 8: is not there: line 10 is of leaf 9', 'checkpoint_differs'],
    },
    {
      name: 'an event is removed, and the others move up',
      change: (lines: string[]) => [
        ...lines.slice(0, 9),
        ...lines.slice(10, -1).map((line) => withBody(line, parsed(line).body, parsed(line).leaf - 1)),
        lines.at(-1) ?? '',
      ],
      found: ['export_incomplete leaf ', 'checkpoint_differs'],
    },
    {
      name: 'two events change places',
      change: (lines: string[]) => lines.with(5, lines[12] ?? '').with(12, lines[5] ?? ''),
      found: ['event_missing leaves 4 to 10', 'event_moved leaf 4: stands on line 13', 'checkpoint_differs'],
    },
    {
      name: 'two events change places, and their leaves with them',
      change: (lines: string[]) =>
        lines
          .with(5, withBody(lines[12], parsed(lines[12]).body, 4))
          .with(12, withBody(lines[5], parsed(lines[5]).body, 11)),
      found: ['checkpoint_differs', 'numbers of events go back at leaf '],
    },
    {
      name: 'an event is dated back and put between',
      change: (lines: string[]) => [
        ...lines.slice(0, 9),
        withBody(lines[9], parsed(lines[9]).body.replace(/"at":"\d{4}/, '"at":"2020'), 8),
        ...lines.slice(9, -1).map((line) => withBody(line, parsed(line).body, parsed(line).leaf + 1)),
        lines.at(-1) ?? '',
      ],
      found: ['event_back_dated leaf 8: is of 2020', 'checkpoint_differs'],
    },
    {
      name: 'its end is cut off',
      change: (lines: string[]) => [...lines.slice(0, -4), lines.at(-1) ?? ''],
      found: ['export_incomplete leaves ', 'checkpoint_differs'],
    },
    {
      name: 'its end is cut off, and its header says so',
      change: (lines: string[]) => [
        (lines[0] ?? '').replace(/"end":\d+/, '"end":9'),
        ...lines.slice(1, 10),
        lines.at(-1) ?? '',
      ],
      found: ['checkpoint_differs'],
    },
    {
      name: 'it has no proof',
      change: (lines: string[]) => lines.slice(0, -1),
      found: ['export_incomplete the end: there is no trailer'],
    },
    {
      name: 'its checkpoint is forged',
      change: (lines: string[]) =>
        lines.with(
          -1,
          (lines.at(-1) ?? '').replace(
            /([A-Za-z0-9+/])([A-Za-z0-9+/])(=*\\n",")/,
            (_, a: string, b: string, rest: string) => `${a === 'A' ? 'B' : 'A'}${b}${rest}`,
          ),
        ),
      found: ['checkpoint_forged checkpoint '],
    },
    {
      name: 'its header',
      change: (lines: string[]) => lines.with(0, '{"writ_export":2}'),
      found: ['export_malformed line 1'],
    },
    {
      name: 'which log it is of',
      change: (lines: string[]) => lines.with(0, (lines[0] ?? '').replace('writ/', 'writ/0')),
      found: ['checkpoint_forged checkpoint '],
    },
    {
      name: 'a line is none',
      change: (lines: string[]) => lines.with(4, 'nonsense'),
      found: ['export_malformed line 5', 'event_missing leaf 3'],
    },
    { name: 'it is empty', change: () => [], found: ['export_incomplete the end'] },
  ])('$name', async ({ change, found }) => {
    await writeFile(
      at('changed.jsonl'),
      change(await read('whole.jsonl'))
        .map((line) => `${line}\n`)
        .join(''),
    );
    const { code, lines } = await verify(at('changed.jsonl'));
    expect(code).toBe(1);
    for (const beginning of found) expect(lines).toContainEqual(expect.stringContaining(beginning));
  });

  test('what it says cannot steer a terminal', async () => {
    const lines = await read('whole.jsonl');
    const header = (lines[0] ?? '').replace('"origin":"', '"origin":"\\u001b[2J\\u202e');
    await writeFile(at('steering.jsonl'), `${[header, ...lines.slice(1)].join('\n')}\n`);
    const { code, lines: said } = await verify(at('steering.jsonl'));
    expect(code).toBe(1);
    expect(said.join('\n')).toContain('\\u{1b}[2J\\u{202e}');
    expect(said.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('a kept checkpoint of more events than the whole export: its log was cut off', async () => {
    const part =
      (await broker.database.pool.query<{ note: string }>('select note from log_checkpoints order by size limit 1'))
        .rows[0]?.note ?? '';
    const trailer = JSON.parse((await read('whole.jsonl')).at(-1) ?? '') as Record<string, unknown>;
    const { size: cut = 0 } = readCheckpoint(part) ?? {};
    const { left, right } = await auditor.operator
      .proof({ first: 0, end: cut }, { size: cut })
      .then((proof) => (proof.kind === 'range' ? proof : { left: [], right: [] }));
    const lines = await read('whole.jsonl');
    const header = (lines[0] ?? '').replace(/"end":\d+/, `"end":${cut}`);
    const end = JSON.stringify({ ...trailer, checkpoint: part, left, right });
    await writeFile(at('earlier.jsonl'), [header, ...lines.slice(1, cut + 1), end].map((line) => `${line}\n`).join(''));
    expect(await verify(at('earlier.jsonl'))).toMatchObject({ code: 0 });
    await writeFile(at('newest'), (await auditor.operator.checkpoint()).checkpoint);
    expect((await verify(at('earlier.jsonl'), '--checkpoint', at('newest'))).lines[0]).toMatch(
      /^log_truncated kept checkpoint \d+: is of more events/,
    );
  });
});

describe('the ledger', () => {
  const ofLedger = (...more: string[]) =>
    writ('audit', 'verify', '--database', broker.database.url, '--key', key, ...more);

  test('agrees with its events and with what was kept', async () => {
    const { code, lines } = await ofLedger('--checkpoint', at('early'));
    expect(lines.at(-1)).toMatch(/^\d+ events(, \d+ not sealed yet)?, \d+ checkpoints; nothing found$/);
    expect(code).toBe(0);
    const json = await ofLedger('--json');
    expect(JSON.parse(json.lines[0] ?? '')).toMatchObject({ ok: true, count: 0, findings: [] });
  });

  test('a login that may only read is enough', async () => {
    await broker.database.pool.query(
      `do $$ begin create role audit_reader login password 'reader'; exception when duplicate_object then null; end $$`,
    );
    await broker.database.pool.query('grant select on all tables in schema public to audit_reader');
    const url = new URL(broker.database.url);
    url.username = 'audit_reader';
    url.password = 'reader';
    expect(await writ('audit', 'verify', '--database', url.href, '--key', key)).toMatchObject({ code: 0 });
    await broker.database.pool.query('drop owned by audit_reader');
  });

  test('changed behind the broker’s back: told, and exit code 1', async () => {
    const client = await broker.database.pool.connect();
    await client.query('set session_replication_role = replica');
    await client.query(`update events set body = replace(body, 'wünsche 2', 'wünsche 3') where type = 'task.created'`);
    await client.query('set session_replication_role = origin');
    client.release();
    const { code, lines } = await ofLedger();
    expect(code).toBe(1);
    expect(lines[0]).toMatch(
      /^row_differs task \w+: purpose is "wünsche 2"|^event_altered leaf \d+: event \d+ is not what was sealed$/,
    );
    expect(lines).toContainEqual(expect.stringMatching(/^event_altered leaf \d+: event \d+ is not what was sealed$/));
  });

  test.each([
    ['none', [], /^writ: usage: which ledger\?/],
    ['both', ['--database', 'postgres://x', '--export', 'x'], /^writ: usage: one of --database and --export/],
    [
      'one that is away',
      ['--database', 'postgres://nobody@127.0.0.1:1/x'],
      /^writ: ledger_unavailable: the ledger cannot be read \(ECONNREFUSED\)/,
    ],
    [
      'an export that is not there',
      ['--export', 'nothing.jsonl'],
      /^writ: usage: the export cannot be read \(ENOENT\)/,
    ],
    [
      'a key that is none',
      ['--export', 'x', '--key', 'nothing'],
      /^writ: usage: nothing is neither a verifier's key nor a file of them/,
    ],
    ['a checkpoint that is none', ['--export', 'x', '--checkpoint', 'nothing'], /^writ: usage: nothing cannot be read/],
  ])('%s', async (_, argv, said) => {
    const { code, lines } = await writ('audit', 'verify', ...argv);
    expect(lines[0]).toMatch(said);
    expect(code).toBeGreaterThanOrEqual(2);
  });
});

test('a witness’s file is a file of checkpoints, and one that was cut is still read', async () => {
  await writeFile(at('file'), `${early}\n${(await auditor.operator.checkpoint()).checkpoint}`);
  expect((await verify(whole, '--checkpoint', at('file'))).lines.join()).toContain('log_truncated');
  await truncate(at('file'), early.length + 20);
  expect(await verify(whole, '--checkpoint', at('file'))).toMatchObject({ code: 0 });
});
