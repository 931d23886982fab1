import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkArchive } from '../../src/audit/archive.ts';
import { runArchive, runArchiveCheck } from '../../src/archive-command.ts';
import { makeCheckpointer } from '../../src/audit/checkpointer.ts';
import { makeNoteKey } from '../../src/audit/note.ts';
import { generateKeyPairSync, sign } from 'node:crypto';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

/** A month is put away with its proofs, or not at all. */
const MONTH = '2026-03';
let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
let directory: string;
const said: string[] = [];
const print = (line: string) => void said.push(line);
const file = (name: string) => join(directory, name);
const put = (out: string, drop = false) =>
  runArchive({ url: world.database.url, month: MONTH, out: file(out), drop }, print);

/** Events of a month that is over: only somebody who owns the database can write such. */
async function old(count: number): Promise<void> {
  await world.tamper(
    `insert into events (at, seq, type, body) select '2026-03-15T00:00:00Z'::timestamptz + n * interval '1 second', seq, 'evidence.refused',
       '{"at":"2026-03-15","n":' || n || ',"seq":' || seq || ',"type":"evidence.refused"}' from (
       select n, nextval('events_seq') as seq from generate_series(1, $1) n) as numbered`,
    [count],
  );
}

async function signed(): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const key = makeNoteKey('log.test', Buffer.from(x, 'base64url'));
  const signer = { key: async () => key, sign: async (text: Uint8Array) => sign(null, text, privateKey) };
  const { size, root } = await world.ledger.sealing.head();
  await makeCheckpointer(world.ledger.sealing, signer, 'log.test').sign({ size, root });
}

const count = async (table: string) => Number((await world.one<{ n: string }>(`select count(*) as n from ${table}`)).n);

beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeLogWorld(server);
  directory = await mkdtemp(join(tmpdir(), 'writ-archive-'));
  await world.database.pool.query(`create table events_202603 (like events including defaults including constraints);
    alter table events attach partition events_202603 for values from ('2026-03-01 00:00+00') to ('2026-04-01 00:00+00')`);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
  await world.close();
  await server.stop();
});

test('what cannot be put away is left as it is, and it is said why', async () => {
  await expect(put('a', false)).rejects.toThrow(/no signed checkpoint/);
  await old(3);
  await expect(put('a')).rejects.toThrow(/not sealed yet/);
  await world.seal(true);
  await expect(put('a')).rejects.toThrow(/no signed checkpoint/);
  await signed();
  const url = world.database.url;
  const now = new Date().toISOString().slice(0, 7);
  await expect(runArchive({ url, month: now, out: file('a'), drop: false }, print)).rejects.toThrow(/not over/);
  await expect(runArchive({ url, month: '2001-01', out: file('a'), drop: false }, print)).rejects.toThrow(
    /no such month/,
  );
  await expect(runArchive({ url, month: `2026-03'; --`, out: file('a'), drop: false }, print)).rejects.toThrow(
    /written as/,
  );
  expect(await count('events')).toBe(3);
});

test.each([
  { name: 'over everything', from: null, to: null, held: true },
  { name: 'over its last second', from: '2026-03-31T23:59:59Z', to: null, held: true },
  { name: 'up to its first', from: null, to: '2026-03-01T00:00:01Z', held: true },
  { name: 'from its end on', from: '2026-04-01T00:00:00Z', to: null, held: false },
  { name: 'up to its beginning', from: null, to: '2026-03-01T00:00:00Z', held: false },
])('a legal hold $name', async ({ name, from, to, held }) => {
  const actor = { kind: 'operator', issuer: 'https://sso.test', subject: 'counsel' };
  const hold = JSON.stringify({ id: name, reason: 'a case', from, to, actor, origin: null });
  await world.one(`select place_hold($1) as done`, [hold]);
  const { code } = await world.one<{ code: string | null }>(`select archive_refused($1) as code`, [MONTH]);
  expect(code).toBe(held ? 'held' : null);
  await world.one('select lift_hold($1) as done', [JSON.stringify({ id: name, reason: 'over', actor, origin: null })]);
  expect((await world.one(`select archive_refused($1) as code`, [MONTH]))['code']).toBeNull();
});

test('the broker’s own login may not', async () => {
  const broker = await world.connection();
  await expect(broker.query(`select archive_events('${MONTH}', 3, repeat('0', 64))`)).rejects.toMatchObject({
    code: '42501',
  });
});

test('a month beside another, put away: the file leads to the signed root, and the log goes on', async () => {
  await world.write(5);
  await world.seal(true);
  await old(4);
  await world.write(2);
  await world.seal(true);
  await signed();
  const bodies = await world.database.pool.query<{ body: string }>('select body from events_202603 order by leaf');
  expect(await put('month.jsonl')).toBe(0);
  const lines = (await readFile(file('month.jsonl'), 'utf8')).trimEnd().split('\n');
  const [header = '', ...events] = lines;
  expect(JSON.parse(header)).toMatchObject({ kind: 'writ.archive', month: MONTH, events: 7 });
  expect((JSON.parse(header) as { ranges: unknown[] }).ranges.length).toBeGreaterThan(1);
  expect(events.map((line) => (JSON.parse(line) as { body: string }).body)).toEqual(
    bodies.rows.map(({ body }) => body),
  );
  expect(await count(`events where at < '2026-04-01'`)).toBe(0);
  expect(await count('events_202603')).toBe(7);
  const { size } = await world.ledger.sealing.head();
  await world.write(1);
  expect((await world.seal())[0]?.head.size).toBeGreaterThan(size);
  expect(await world.one('select month, events::int as events from event_archives')).toEqual({
    month: MONTH,
    events: 7,
  });
  await expect(put('again.jsonl')).rejects.toThrow(/archived before/);
  expect(await runArchiveCheck(file('month.jsonl'), print)).toBe(0);
});

test.each([
  {
    name: 'one byte of an event',
    fault: 'differs_from_signed',
    change: (lines: string[]) => lines.with(2, (lines[2] ?? '').replace('03-15', '03-16')),
  },
  { name: 'an event less', fault: 'incomplete', change: (lines: string[]) => lines.toSpliced(2, 1) },
  { name: 'the last one less', fault: 'malformed', change: (lines: string[]) => lines.slice(0, -1) },
  {
    name: 'two in another order',
    fault: 'incomplete',
    change: (lines: string[]) => [...lines.slice(0, 1), lines[2] ?? '', lines[1] ?? '', ...lines.slice(3)],
  },
  { name: 'one more', fault: 'incomplete', change: (lines: string[]) => [...lines, lines.at(-1) ?? ''] },
  {
    name: 'a range less',
    fault: 'incomplete',
    change: ([head = '', ...rest]: string[]) => {
      const header = JSON.parse(head) as { ranges: unknown[] };
      return [JSON.stringify({ ...header, ranges: header.ranges.slice(0, 1) }), ...rest];
    },
  },
  { name: 'another file', fault: 'malformed', change: () => ['{}'] },
  { name: 'nothing', fault: 'malformed', change: () => [] },
])('a file with $name is found out', async ({ fault, change }) => {
  const lines = (await readFile(file('month.jsonl'), 'utf8')).trimEnd().split('\n');
  async function* changed() {
    yield* change(lines);
  }
  expect(await checkArchive(changed())).toBe(fault);
});

test('a file that is there is not written over', async () => {
  await world.database.pool.query(`create table events_202602 (like events including defaults including constraints);
    alter table events attach partition events_202602 for values from ('2026-02-01 00:00+00') to ('2026-03-01 00:00+00')`);
  await writeFile(file('taken.jsonl'), 'mine');
  const asked = { url: world.database.url, month: '2026-02', out: file('taken.jsonl'), drop: true };
  await expect(runArchive(asked, print)).rejects.toThrow();
  expect(await readFile(file('taken.jsonl'), 'utf8')).toBe('mine');
  expect(await runArchive({ ...asked, out: file('empty.jsonl') }, print)).toBe(0);
  expect((await world.one(`select to_regclass('events_202602') is null as gone`))['gone']).toBe(true);
});
