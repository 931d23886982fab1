import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkArchive } from '../../src/audit/archive.ts';
import { runArchive, runArchiveCheck } from '../../src/archive-command.ts';
import { OPERATOR } from '../ledger/world.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { until } from '../support/waiting.ts';
import { askFor, makeMonth, makeSigned, MONTH } from './past.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

/** A month is put away with its proofs, or not at all. */
let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
let directory: string;
const said: string[] = [];
const print = (line: string) => void said.push(line);
const file = (name: string) => join(directory, name);
const put = (out: string, drop = false) => runArchive({ ...asked(), out: file(out), drop }, print);
const asked = (month = MONTH, forced = false) => ({
  url: world.database.url,
  month,
  drop: false,
  force: forced,
  request: () => askFor(world.ledger, { month, forced }),
});

/** Events of a month that is over: only somebody who owns the database can write such. */
async function old(count: number, month = MONTH): Promise<void> {
  await world.tamper(
    `insert into events (at, seq, type, body) select ($2 || '-15T00:00:00Z')::timestamptz + n * interval '1 second', seq, 'evidence.refused',
       '{"at":"' || $2 || '-15","n":' || n || ',"seq":' || seq || ',"type":"evidence.refused"}' from (
       select n, nextval('events_seq') as seq from generate_series(1, $1) n) as numbered`,
    [count, month],
  );
}

const signed = () => makeSigned(world.ledger, 'log.test').seal();

const count = async (table: string) => Number((await world.one<{ n: string }>(`select count(*) as n from ${table}`)).n);

beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeLogWorld(server);
  directory = await mkdtemp(join(tmpdir(), 'writ-archive-'));
  await makeMonth(world.database.pool);
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
  const now = new Date().toISOString().slice(0, 7);
  await expect(runArchive({ ...asked(now), out: file('a') }, print)).rejects.toThrow(/not over/);
  await expect(runArchive({ ...asked('2001-01'), out: file('a') }, print)).rejects.toThrow(/no such month/);
  await expect(runArchive({ ...asked(`2026-03'; --`), out: file('a') }, print)).rejects.toThrow(/written as/);
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
  const { code } = await world.one<{ code: string | null }>(`select archive_refused($1, false) as code`, [MONTH]);
  expect(code).toBe(held ? 'held' : null);
  await world.one('select lift_hold($1) as done', [JSON.stringify({ id: name, reason: 'over', actor, origin: null })]);
  expect((await world.one(`select archive_refused($1, false) as code`, [MONTH]))['code']).toBeNull();
});

test('until the month was read, putting it away has no transaction id: it would hold up the sealing of everything', async () => {
  const [holder, archiver] = await Promise.all([world.database.pool.connect(), world.database.pool.connect()]);
  try {
    const { rows } = await archiver.query<{ pid: number }>('select pg_backend_pid() as pid');
    const request = await askFor(world.ledger);
    await holder.query('begin');
    await holder.query('lock table events_202603 in access exclusive mode');
    const done = archiver.query<{ code: string }>(`select archive_events($1, 99, repeat('0', 64), $2) as code`, [
      MONTH,
      request,
    ]);
    const waiting = until(async () => {
      const { wait } = await world.one<{ wait: string | null }>(
        'select wait_event as wait from pg_stat_activity where pid = $1',
        [rows[0]?.pid],
      );
      return wait === 'relation';
    });
    const found = await waiting.then(() =>
      world.one('select backend_xid::text as xid from pg_stat_activity where pid = $1', [rows[0]?.pid]),
    );
    await holder.query('commit');
    expect((await done).rows).toEqual([{ code: 'changed' }]);
    expect(found).toEqual({ xid: null });
  } finally {
    holder.release(true);
    archiver.release(true);
  }
});

test('the broker’s own login may not', async () => {
  const broker = await world.connection();
  await expect(broker.query(`select archive_events('${MONTH}', 3, repeat('0', 64), 'v1')`)).rejects.toMatchObject({
    code: '42501',
  });
});

test.each([
  { name: 'nobody asked for', ask: async () => 'v0' },
  { name: 'somebody asked for as another month', ask: () => askFor(world.ledger, { month: '2026-01' }) },
  {
    name: 'somebody asked for long ago',
    ask: async () => {
      const id = await askFor(world.ledger);
      await world.tamper(`update archive_requests set asked_at = asked_at - interval '2 hours' where id = $1`, [id]);
      return id;
    },
  },
  {
    name: 'was put away on this request already',
    ask: async () => {
      const id = await askFor(world.ledger);
      await world.tamper('update archive_requests set used_at = now() where id = $1', [id]);
      return id;
    },
  },
])('what $name stays', async ({ name, ask }) => {
  const out = file(name.replaceAll(' ', '-'));
  await expect(runArchive({ ...asked(), out, request: ask }, print)).rejects.toThrow(/no such request/);
  expect(await count('events_202603')).toBe(3);
});

describe('a sink', () => {
  const sink = (name: string) =>
    world.one(
      `select claim_sink(jsonb_build_object('sink', $1::text, 'owner', 'me', 'from', 'start', 'lease_seconds', 9)) as done`,
      [name],
    );
  const refusal = async (forced = false) =>
    (await world.one<{ code: string | null }>('select archive_refused($1, $2) as code', [MONTH, forced])).code;

  test('that was not given all of the month holds it, as does what it did not take; or somebody forces it', async () => {
    await sink('siem');
    expect(await refusal()).toBe('undelivered');
    expect(await refusal(true)).toBeNull();
    await expect(put('behind')).rejects.toThrow(/a sink has not been given all of it.* \(held by siem\)/);
    const { rows } = await world.database.pool.query<{ leaf: string }>('select max(leaf) as leaf from events_202603');
    const last = Number(rows[0]?.leaf);
    await world.tamper('update sinks set position = $1', [last]);
    expect(await refusal()).toBe('undelivered');
    await world.tamper('update sinks set position = $1', [last + 1]);
    expect(await refusal()).toBeNull();
    await world.tamper(`insert into dead_letters (sink, leaf, error) values ('siem', $1, 'status_400')`, [last]);
    expect(await refusal()).toBe('undelivered');
    await world.tamper('delete from dead_letters');
    await world.tamper('delete from sinks');
  });

  test('that is gone for good is taken out of the ledger as the page says, and holds nothing any more', async () => {
    const page = await readFile(new URL('../../docs/audit.md', import.meta.url), 'utf8');
    const [, sql = ''] = /```sql\n(begin;\n[^`]*'old-siem'[^`]*)```/.exec(page) ?? [];
    await sink('old-siem');
    await world.tamper(`insert into dead_letters (sink, leaf, error) values ('old-siem', 0, 'status_400')`);
    expect(await refusal()).toBe('undelivered');
    await world.database.pool.query(sql);
    expect(await refusal()).toBeNull();
    expect(await count('sinks')).toBe(0);
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
  const { body } = await world.one<{ body: string }>(`select body from events where type = 'events.archived'`);
  expect(JSON.parse(body)).toMatchObject({
    actor: OPERATOR,
    origin: '192.0.2.7',
    facts: { month: MONTH, count: 7, reason: 'twelve months', forced: false, undelivered: [], dead_letters: 0 },
  });
  await expect(put('again.jsonl')).rejects.toThrow(/archived before/);
  expect(await runArchiveCheck(file('month.jsonl'), print)).toBe(0);
});

test('leaves with gaps between them are ranges, the same in the file and in the record', async () => {
  const month = '2025-11';
  await makeMonth(world.database.pool, month);
  await world.seal(true);
  const { size } = await world.ledger.sealing.head();
  const want: { first: number; end: number }[] = [];
  let end = size;
  for (const [mine, others] of [
    [1, 1],
    [3, 2],
    [2, 700],
    [1, 1],
    [40, 0],
  ] as const) {
    await old(mine, month);
    await world.write(others);
    want.push({ first: end, end: end + mine });
    end += mine + others;
  }
  await world.seal(true);
  await signed();
  expect(await runArchive({ ...asked(month), out: file('gaps.jsonl') }, print)).toBe(0);
  const [header = ''] = (await readFile(file('gaps.jsonl'), 'utf8')).split('\n');
  expect(JSON.parse(header)).toMatchObject({ events: 47, ranges: want });
  const { events, leaves } = await world.one<{ events: string; leaves: string }>(
    'select events, leaves::text as leaves from event_archives where month = $1',
    [month],
  );
  expect([events, leaves]).toEqual(['47', `{${want.map((range) => `[${range.first},${range.end})`).join(',')}}`]);
  expect(await runArchiveCheck(file('gaps.jsonl'), print)).toBe(0);
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

test('what is forced says which sinks and dead letters were given up', async () => {
  await makeMonth(world.database.pool, '2026-01');
  await world.tamper(
    `insert into events (at, seq, type, body) select '2026-01-15', nextval('events_seq'), 'evidence.refused', '{}' from generate_series(1, 3)`,
  );
  await world.seal(true);
  await signed();
  const { leaf } = await world.one<{ leaf: string }>('select max(leaf) as leaf from events_202601');
  await world.tamper(
    `insert into sinks (name, position) values ('behind', 0), ('done', $1::bigint + 1) on conflict do nothing`,
    [leaf],
  );
  await world.tamper(`insert into dead_letters (sink, leaf, error) values ('done', $1, 'status_400')`, [leaf]);
  await expect(runArchive({ ...asked('2026-01'), out: file('held.jsonl') }, print)).rejects.toThrow(/--force/);
  // the word is the request's, not the command's
  const without = { ...asked('2026-01', true), request: () => askFor(world.ledger, { month: '2026-01' }) };
  await expect(runArchive({ ...without, out: file('unforced.jsonl') }, print)).rejects.toThrow(/--force/);
  expect(await runArchive({ ...asked('2026-01', true), out: file('forced.jsonl') }, print)).toBe(0);
  const { body } = await world.one<{ body: string }>(
    `select body from events where type = 'events.archived' and body::jsonb #>> '{facts,month}' = '2026-01'`,
  );
  expect(JSON.parse(body)).toMatchObject({
    facts: { forced: true, undelivered: ['behind'], dead_letters: 1 },
  });
  expect(await count('dead_letters')).toBe(0);
  await world.tamper('delete from sinks');
});

test('the directory that names the file is on the disk before the month is taken out', async () => {
  await makeMonth(world.database.pool, '2025-12');
  const handle = await open(directory, 'r');
  const kind = Object.getPrototypeOf(handle) as FileHandle;
  const real = Object.getOwnPropertyDescriptor(kind, 'sync');
  const there: boolean[] = [];
  async function sync(this: FileHandle) {
    const { rows } = await world.database.pool.query(`select from event_archives where month = '2025-12'`);
    if ((await this.stat()).isDirectory()) there.push(rows.length > 0);
  }
  Object.defineProperty(kind, 'sync', { configurable: true, writable: true, value: sync });
  try {
    expect(await runArchive({ ...asked('2025-12'), out: file('synced.jsonl') }, print)).toBe(0);
    expect(there).toEqual([false]);
  } finally {
    if (real) Object.defineProperty(kind, 'sync', real);
    await handle.close();
  }
});

test('a file that is there is not written over', async () => {
  await makeMonth(world.database.pool, '2026-02');
  await writeFile(file('taken.jsonl'), 'mine');
  const taken = { ...asked('2026-02'), drop: true };
  await expect(runArchive({ ...taken, out: file('taken.jsonl') }, print)).rejects.toThrow();
  expect(await readFile(file('taken.jsonl'), 'utf8')).toBe('mine');
  expect(await runArchive({ ...taken, out: file('empty.jsonl') }, print)).toBe(0);
  expect((await world.one(`select to_regclass('events_202602') is null as gone`))['gone']).toBe(true);
});
