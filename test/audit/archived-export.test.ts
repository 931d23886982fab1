import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { archiveLine, readArchiveLine, readEventLine, readTrailer } from '../../src/audit/export-file.ts';
import { EMPTY_ROOT, leafHash, nodeHash } from '../../src/audit/merkle.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';
import { makeMonth, MONTH } from './past.ts';
import { runWrit } from './writ.ts';

/** A month is put away from a broker that runs, on a person's word, and what is exported afterwards is proven all the same. */
let broker: RunningBroker;
let directory: string;
let key: string;
let auditor: string;
let early: string;
/** The leaves of the month: two runs, with others between them. */
let away: { first: number; end: number }[];
const at = (name: string) => join(directory, name);
const lines = async (name: string) => (await readFile(at(name), 'utf8')).trimEnd().split('\n');

const issue = () =>
  broker.ask('POST', '/v1/grants', {
    as: broker.people.workload('agent/one'),
    json: { profile: 'lookup', purpose: 'x' },
  });

async function settled(): Promise<number> {
  const sql = `select (select count(*)::int from events where leaf is null) as open, size::int,
    (select max(c.size)::int from log_checkpoints c) as signed from log_head`;
  let size = 0;
  await until(async () => {
    const { rows } = await broker.database.pool.query<{ open: number; size: number; signed: number }>(sql);
    size = rows[0]?.size ?? 0;
    return rows[0]?.open === 0 && rows[0].signed === size;
  });
  return size;
}

/** Events of a month that is over: only somebody who owns the database can write such. */
async function old(count: number): Promise<{ first: number; end: number }> {
  const client = await broker.database.pool.connect();
  await client.query('set session_replication_role = replica');
  const first = await settled();
  await client.query(
    `insert into events (at, seq, type, body) select '2026-03-15T00:00:00Z', seq, 'evidence.refused',
       '{"actor":{"kind":"system","name":"broker"},"at":"2026-03-15T00:00:00.000000Z","facts":{},"resource":"authentication","seq":' || seq
         || ',"success":false,"type":"evidence.refused"}' from (select nextval('events_seq') as seq from generate_series(1, $1)) as numbered`,
    [count],
  );
  await client.query('set session_replication_role = origin');
  client.release();
  // a sealer looks behind itself now and then only: the next event of its own brings them along
  await issue();
  await settled();
  const { rows } = await broker.database.pool.query<{ first: number; end: number }>(
    'select min(leaf)::int as first, max(leaf)::int + 1 as end from events_202603 where leaf >= $1',
    [first],
  );
  return rows[0] ?? { first: 0, end: 0 };
}

const writ = (...argv: string[]) =>
  runWrit(directory, argv, { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: auditor, DATABASE_URL: broker.database.url });
const verify = (...more: string[]) => writ('audit', 'verify', '--key', key, ...more);
/** That they were dated back is true, and is found wherever they can be read. */
const others = (found: readonly string[]) => found.filter((line) => !line.startsWith('event_back_dated '));

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-archived-'));
  broker = await startRunningBroker();
  auditor = broker.people.operator('auditor');
  await makeMonth(broker.database.pool);
  await issue();
  away = [await old(5)];
  const checkpoint = await broker.ask('GET', '/v1/audit/checkpoint', { as: auditor });
  key = String(checkpoint.body['key']);
  early = String(checkpoint.body['checkpoint']);
  await writeFile(at('early'), early);
  away.push(await old(9));
  await issue();
  await settled();
});
afterAll(async () => {
  await broker.close();
  await rm(directory, { recursive: true });
});

test('it takes somebody who may, a reason, and a database', async () => {
  const archive = ['audit', 'archive', '--month', MONTH, '--out', at('no.jsonl')];
  expect((await writ(...archive)).lines[0]).toMatch(/it takes --month, --out and --reason/);
  const refused = await writ(...archive, '--reason', 'old');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.lines.join()).toContain('role_missing');
  await expect(readFile(at('no.jsonl'))).rejects.toThrow('ENOENT');
  const { rows } = await broker.database.pool.query('select from events_202603');
  expect(rows).toHaveLength(14);
  expect(
    (await broker.ask('POST', '/v1/audit/archives', { as: auditor, json: { month: MONTH, reason: 'x' } })).status,
  ).toBe(403);
  const security = broker.people.operator('security');
  for (const json of [{}, { month: '2026-13', reason: 'x' }, { month: MONTH }, { month: MONTH, reason: '' }])
    expect((await broker.ask('POST', '/v1/audit/archives', { as: security, json })).status).toBe(400);
});

test('it is put away, in the name of whoever asked', async () => {
  await writ('audit', 'export', '--out', at('before.jsonl'));
  const { code, lines: said } = await runWrit(
    directory,
    ['audit', 'archive', '--month', MONTH, '--out', at('month.jsonl'), '--reason', 'twelve months', '--drop'],
    {
      WRIT_URL: broker.url,
      WRIT_OPERATOR_TOKEN: broker.people.operator('security'),
      DATABASE_URL: broker.database.url,
    },
  );
  expect(said).toEqual([expect.stringMatching(/^2026-03: 14 events are in /)]);
  expect(code).toBe(0);
  await settled();
  const { body } = await broker.ask('GET', '/v1/events?type=events.archived', { as: auditor });
  expect(body).toMatchObject({
    events: [
      { event: { actor: { kind: 'operator', issuer: 'https://sso.test' }, facts: { month: MONTH, count: 14 } } },
    ],
  });
  const listed = await broker.ask('GET', '/v1/audit/archives', { as: auditor });
  expect(listed.body).toMatchObject({ archives: [{ month: MONTH, events: 14, ranges: away }] });
  const cut = await broker.ask('GET', `/v1/audit/archives?first=${(away[0]?.first ?? 0) + 1}&end=${away[0]?.end}`, {
    as: auditor,
  });
  expect(cut.body).toMatchObject({ archives: [{ ranges: [{ first: (away[0]?.first ?? 0) + 1, end: away[0]?.end }] }] });
  expect((await broker.ask('GET', '/v1/audit/archives?first=0&end=0', { as: auditor })).body).toEqual({ archives: [] });
});

describe('an export', () => {
  test('has the hashes of what was put away, and is proven with them', async () => {
    expect(await writ('audit', 'export', '--out', at('whole.jsonl'))).toMatchObject({ code: 0 });
    const all = await lines('whole.jsonl');
    expect(all.filter((line) => readArchiveLine(line)).map((line) => readArchiveLine(line))).toMatchObject(away);
    expect(all.filter((line) => readEventLine(line))).toHaveLength(all.length - 4);
    const { code, lines: said } = await verify('--export', at('whole.jsonl'));
    expect(said[0]).toMatch(/nothing found$/);
    expect(said[1]).toMatch(
      /^2026-03: 14 events, leaves \d+ to \d+, leaves \d+ to \d+, were put away and were not looked at: .* give --archive$/,
    );
    expect(code).toBe(0);
  });

  test('and with the archive beside it every event is looked at', async () => {
    const { lines: said } = await verify('--export', at('whole.jsonl'), '--archive', at('month.jsonl'));
    expect(others(said)).toEqual([
      expect.stringMatching(/events, leaves 0 to .* findings$/),
      expect.stringMatching(/^2026-03: 14 events.* were looked at in the archive that was given$/),
      expect.stringMatching(/^no checkpoint from elsewhere/),
    ]);
  });

  test.each([
    ['that begins and ends within what was put away', 1, 3],
    ['that begins within it', 2, 12],
    ['of nothing else', 0, 5],
  ])('%s', async (name, from, length) => {
    const first = (away[0]?.first ?? 0) + from;
    const file = `${name}.jsonl`;
    const written = await writ(
      'audit',
      'export',
      '--out',
      at(file),
      '--from',
      String(first),
      '--to',
      String(first + length),
    );
    const { code, lines: said } = await verify('--export', at(file), '--checkpoint', at('early'));
    expect(written.lines).toEqual([]);
    expect(said[0]).toMatch(
      first + length > (away[0]?.end ?? 0) ? /nothing found$/ : /^export_incomplete kept checkpoint/,
    );
    expect(code).toBe(said[0]?.endsWith('nothing found') ? 0 : 1);
  });

  test('that was broken off behind it is gone on with', async () => {
    const all = await lines('whole.jsonl');
    const behind = all.findIndex((line) => readArchiveLine(line)) + 1;
    await writeFile(
      at('cut.jsonl'),
      all
        .slice(0, behind)
        .map((line) => `${line}\n`)
        .join(''),
    );
    await writ('audit', 'export', '--out', at('cut.jsonl'));
    expect((await lines('cut.jsonl')).slice(0, -1)).toEqual(all.slice(0, -1));
    expect(await verify('--export', at('cut.jsonl'))).toMatchObject({ code: 0 });
  });

  test('from before is proven as it was', async () => {
    expect(others((await verify('--export', at('before.jsonl'))).lines)[0]).toMatch(/findings?$/);
  });

  test('of a time within the month takes it along', async () => {
    const written = await writ(
      'audit',
      'export',
      '--out',
      at('time.jsonl'),
      '--from',
      '2026-03-10T00:00:00Z',
      '--to',
      '2026-03-20T00:00:00Z',
    );
    expect(written.lines).toEqual([]);
    expect((await lines('time.jsonl')).filter((line) => readArchiveLine(line))).toHaveLength(2);
  });

  test('as OCSF has the rest, and the hashes in its proof', async () => {
    expect(await writ('audit', 'export', '--format', 'ocsf', '--out', at('siem.jsonl'))).toMatchObject({ code: 0 });
    const proof = await lines('siem.jsonl.proof');
    expect(proof.map((line) => readArchiveLine(line)).filter((line) => line !== undefined)).toMatchObject(away);
    expect(proof).toHaveLength(4);
  });

  test.each([
    {
      name: 'a hash of what was put away',
      change: (line: string) => line.replace(/"hashes":\["(.)(.)/, '"hashes":["$2$1'),
      found: /^checkpoint_differs/,
    },
    {
      name: 'a hash less',
      change: (line: string) => line.replace(/"[^"]+"\]\}$/, '""]}'),
      found: /^export_malformed line/,
    },
    {
      name: 'fewer leaves',
      change: (line: string) => line.replace(/"end":\d+/, (end) => `"end":${Number(end.slice(6)) - 1}`),
      found: /^(export_malformed line|event_missing leaf)/,
    },
    { name: 'all of it away', change: () => undefined, found: /^event_missing leaves \d+ to \d+/ },
  ])('in which is changed: $name', async ({ change, found }) => {
    const all = await lines('whole.jsonl');
    const place = all.findIndex((line) => readArchiveLine(line));
    const line = change(all[place] ?? '');
    await writeFile(
      at('changed.jsonl'),
      `${all.toSpliced(place, 1, ...(line === undefined ? [] : [line])).join('\n')}\n`,
    );
    const { code, lines: said } = await verify('--export', at('changed.jsonl'));
    expect(code).toBe(1);
    expect(said).toContainEqual(expect.stringMatching(found));
  });

  /** What a line of hashes stands for is not looked at: anything could be hidden so. */
  async function hidden(name: string, month: string, sha256: string, first = 3, end = 6): Promise<string[]> {
    const all = await lines('whole.jsonl');
    const place = all.findIndex((line) => readEventLine(line)?.leaf === first);
    const leaves = all.slice(place, place + end - first).map((line) => leafHash(readEventLine(line)?.body ?? ''));
    const [a = EMPTY_ROOT, b = EMPTY_ROOT, c = EMPTY_ROOT] = leaves;
    const line = archiveLine({ month, sha256, first, end, hashes: [a, nodeHash(b, c)] });
    await writeFile(at(name), `${all.toSpliced(place, end - first, line).join('\n')}\n`);
    return (await verify('--export', at(name))).lines;
  }

  test('in which hashes stand for events that were never put away', async () => {
    const told =
      'archive_unproven leaves 3 to 5: no event that can be looked at says that they were put away: give --archive';
    const sha256 = /"sha256":"([0-9a-f]+)"/.exec((await lines('whole.jsonl')).join('\n'))?.[1] ?? '';
    expect(await hidden('hidden.jsonl', '2026-02', 'a'.repeat(64))).toContain(told);
    // as if they were of the month that was, from which its event keeps them
    expect(await hidden('hidden.jsonl', MONTH, sha256)).toContain(told);
    expect((await hidden('hidden.jsonl', MONTH, sha256)).filter((line) => /^[a-z]+_[a-z_]+ /.test(line))).toEqual([
      told,
    ]);
  });

  test('of the month alone brings along the event that says so, and its proof', async () => {
    const [{ first, end } = { first: 0, end: 0 }] = away;
    await writ('audit', 'export', '--out', at('alone.jsonl'), '--from', String(first), '--to', String(end));
    const all = await lines('alone.jsonl');
    const { archivings } = readTrailer(all.at(-1) ?? '') ?? {};
    expect(archivings).toMatchObject([{ body: expect.stringContaining('"events.archived"') }]);
    expect(await verify('--export', at('alone.jsonl'))).toMatchObject({ code: 0 });
    const changed = async (change: (trailer: string) => string) => {
      await writeFile(at('alone.changed'), `${all.with(-1, change(all.at(-1) ?? '')).join('\n')}\n`);
      return (await verify('--export', at('alone.changed'))).lines;
    };
    const unproven = expect.stringMatching(/^archive_unproven leaves/) as unknown;
    expect(await changed((trailer) => trailer.replace(/,"archivings":.*/, '}'))).toContainEqual(unproven);
    const other = await changed((trailer) => trailer.replace('twelve months', 'eleven months'));
    expect(other).toContainEqual(
      expect.stringMatching(/^export_malformed the end: what it says leaf \d+ to be is not in/),
    );
    expect(other).toContainEqual(unproven);
    expect(await changed((trailer) => trailer.replace('"archivings":[', '"archivings":[1,'))).toContainEqual(
      expect.stringMatching(/^export_incomplete the end/),
    );
  });

  test('beside an archive that was changed', async () => {
    const month = await lines('month.jsonl');
    await writeFile(at('other.jsonl'), `${month.with(2, (month[2] ?? '').replace('broker', 'broken')).join('\n')}\n`);
    const { code, lines: said } = await verify('--export', at('whole.jsonl'), '--archive', at('other.jsonl'));
    expect(code).toBe(1);
    expect(said).toContainEqual(expect.stringMatching(/^archive_differs archive 2026-03: its SHA-256 is /));
    expect(said).toContainEqual(
      expect.stringMatching(/^archive_differs archive 2026-03: lea\S+ .* not what was sealed$/),
    );
  });
});

test('the ledger, beside its archive and alone', async () => {
  const alone = await verify();
  expect(alone.lines[0]).toMatch(/nothing found$/);
  expect(alone.code).toBe(0);
  const { lines: said } = await verify('--archive', at('month.jsonl'));
  expect(others(said)[1]).toMatch(/were looked at in the archive that was given$/);
  expect((await verify('--archive', at('early'))).lines[0]).toMatch(/is no archive/);
  expect((await verify('--archive', at('nothing'))).lines[0]).toMatch(/cannot be read \(ENOENT\)/);
});

test('an event of what was put away is proven still', async () => {
  const leaf = away[1]?.first ?? 0;
  const { status, body } = await broker.ask('GET', `/v1/audit/proof?leaf=${leaf}`, { as: auditor });
  expect(status).toBe(200);
  expect(body).toMatchObject({ kind: 'inclusion', leaf });
});
