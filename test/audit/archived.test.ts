import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { runArchive } from '../../src/archive-command.ts';
import { openArchiveFile } from '../../src/audit/archive-file.ts';
import { verifyLedger } from '../../src/audit/verify.ts';
import type { VerifyReport } from '../../src/audit/verify.ts';
import type { HoldId } from '../../src/domain/ids.ts';
import { makeEvidenceReads } from '../../src/exchange/evidence.ts';
import { verificationReads } from '../../src/ledger/verification.ts';
import { callOf, recordCalls, reportOutcome } from '../ledger/calling.ts';
import { inForce } from '../ledger/excepting.ts';
import { ids, makeWorld, SECOND_OPERATOR } from '../ledger/world.ts';
import type { OpenedGrant, World } from '../ledger/world.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { askFor, makeMonth, makeSigned, MONTH, moveIntoThePast } from './past.ts';

/** A month was put away: the log still verifies, with its archive and without, and what was changed is found as far as can be. */
let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: World;
let client: pg.PoolClient;
let directory: string;
let signed: ReturnType<typeof makeSigned>;
/** Opened in the month that was put away: one that ended there, one that ended since, and one that lives. */
let over: OpenedGrant;
let since: OpenedGrant;
let living: OpenedGrant;
let exception: string;
let denied: string;
/** Of now. */
let order: string;
let hold: HoldId;
const at = (name: string) => join(directory, name);

async function ended(opened: OpenedGrant): Promise<void> {
  await world.revoke(opened);
  const claiming = { grant: opened.grant, owner: 'x', limit: 9, lease_seconds: 30 };
  for (const { mint, epoch } of await world.ledger.reaping.claim(claiming))
    await world.ledger.reaping.close(mint, epoch, 'ended', false);
}

beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeWorld({ server });
  directory = await mkdtemp(join(tmpdir(), 'writ-archived-'));
  await makeMonth(world.database.pool);
  signed = makeSigned(world.ledger, 'archived.test');
  over = await world.live();
  await ended(over);
  since = await world.live();
  living = await world.live({ task: await world.task({ max_calls: 5, max_grants: 5 }) });
  const call = callOf();
  await recordCalls(world, [call]);
  await reportOutcome(world, call.id);
  exception = await inForce(world);
  const waiting = await world.pending({ notify: ['chat'] });
  await world.answer(waiting, 'deny', SECOND_OPERATOR);
  const decision = world.decision({ outcome: 'deny', code: 'policy_denied' });
  await world.ledger.issuing.recordDecision(decision);
  denied = decision.id;
  await moveIntoThePast(world.database.pool);
  await signed.seal();
  await ended(since);
  await recordCalls(world, [callOf({ task: { id: living.task, root: living.task, budgeted: true } })]);
  await world.live();
  order = await world.order({ kind: 'agent', value: 'nobody' });
  hold = ids.hold();
  await world.ledger.holds.place({
    id: hold,
    reason: 'a case',
    from: '2026-05-01T00:00:00Z',
    to: null,
    actor: SECOND_OPERATOR,
    origin: null,
  });
  await signed.seal();

  client = await world.database.pool.connect();
  await client.query(`set timezone to 'UTC'`);
});
afterAll(async () => {
  client.release();
  await rm(directory, { recursive: true });
  await world.close();
  await server.stop();
});

async function verify(archives: readonly string[] = []): Promise<VerifyReport & { lines: string[] }> {
  const files = await Promise.all(archives.map((name) => openArchiveFile(at(name))));
  const options = {
    keys: [signed.key],
    kept: [],
    archives: files.filter((file) => file !== undefined),
    onProgress: () => undefined,
  };
  const report = await verifyLedger(verificationReads(client), options);
  return { ...report, lines: report.findings.map(({ code, about, message }) => `${code} ${about}: ${message}`) };
}

/** What is found after a change, by somebody who has the archives and by somebody who has not. */
async function afterwards(change: string): Promise<{ given: string[]; not: string[] }> {
  await client.query('begin');
  try {
    await client.query('set local session_replication_role = replica');
    await client.query(change);
    return { given: (await verify(['month.jsonl'])).lines, not: (await verify()).lines };
  } finally {
    await client.query('rollback');
  }
}

test('before anything is put away nothing is found', async () => {
  expect((await verify()).lines).toEqual([expect.stringMatching(/: asked is /)]);
});

test('a month that was put away is told, and what rests on it', async () => {
  const { rows } = await client.query<{ n: number; first: number; last: number }>(
    'select count(*)::int as n, min(leaf)::int as first, max(leaf)::int as last from events_202603',
  );
  const { n = 0, first = 0, last = 0 } = rows[0] ?? {};
  const request = () => askFor(world.ledger, { actor: SECOND_OPERATOR });
  const out = at('month.jsonl');
  const asked = { url: world.database.url, month: MONTH, out, drop: true, force: false, request };
  expect(await runArchive(asked, () => undefined)).toBe(0);
  await signed.seal();

  const without = await verify();
  expect(without.lines).toEqual([]);
  const range = { month: MONTH, events: n, ranges: [{ first, end: last + 1 }] };
  expect(without.archived).toMatchObject([{ ...range, given: false }]);
  expect(without.unchecked_rows).toBeGreaterThan(10);

  const given = await verify(['month.jsonl']);
  expect(given.lines).toEqual([expect.stringMatching(/: asked is /)]);
  expect(given.archived).toMatchObject([{ ...range, given: true }]);
  expect(given.unchecked_rows).toBe(0);
});

const EITHER = 'either';
test.each([
  {
    name: 'a row of that time',
    change: () => `update grants set why = 'expiry' where id = '${over.grant}'`,
    found: () => `row_differs grant ${over.grant}: why is "expiry"`,
    by: 'given',
  },
  {
    name: 'a row of that time, and what was said of it since',
    change: () => `update grants set subject = 'another' where id = '${since.grant}'`,
    found: () => `row_differs grant ${since.grant}: subject is "another"`,
    by: 'given',
  },
  {
    name: 'what a task has used since',
    change: () => `update tasks set calls_used = 0 where id = '${living.task}'`,
    found: () => `row_differs task ${living.task}: calls_used is 0 and its events say 1`,
    by: 'given',
  },
  {
    name: 'a decision of that time away',
    change: () => `delete from decisions where id = '${denied}'`,
    found: () => `event_without_row decision ${denied}`,
    by: 'given',
  },
  {
    name: 'a decision that was never made, of that time',
    change: () =>
      `insert into decisions select (jsonb_populate_record(d, '{"id": "dforged"}')).* from decisions d where id = '${denied}'`,
    found: () => 'row_without_event decision dforged: there is a row and no event that made it',
    by: 'given',
  },
  {
    name: 'an exception that was never asked for, of that time',
    change: () =>
      `insert into exceptions select (jsonb_populate_record(x, '{"id": "xforged"}')).* from exceptions x where id = '${exception}'`,
    found: () => 'row_without_event exception xforged',
    by: 'given',
  },
  {
    name: 'a decision that was never made, of now',
    change: () =>
      `insert into decisions select (jsonb_populate_record(d, jsonb_build_object('id', 'dforged', 'at', now()))).* from decisions d where id = '${denied}'`,
    found: () => 'row_without_event decision dforged: there is a row and no event that made it',
    by: EITHER,
  },
  {
    name: 'the hash of an event that was put away',
    change: () => `update log_hashes set hashes = overlay(hashes placing sha256('x') from 1) where first = 0`,
    found: () => 'hashes_altered leaf ',
    by: EITHER,
  },
  {
    name: 'hashes that were kept, away',
    change: () => 'delete from log_hashes where first = 0',
    found: () => 'head_differs head: there are ',
    by: EITHER,
  },
  {
    name: 'which leaves were put away',
    change: () =>
      `update event_archives set leaves = leaves + int8multirange(int8range(upper(leaves), upper(leaves) + 1))`,
    found: () => `row_differs archive ${MONTH}: leaves is `,
    by: EITHER,
  },
  {
    name: 'the digest of the archive',
    change: () => `update event_archives set sha256 = repeat('0', 64)`,
    found: () => `row_differs archive ${MONTH}: sha256 is `,
    by: EITHER,
  },
  {
    name: 'events, as if they had been put away as well',
    change:
      () => `insert into event_archives (month, events, leaves, sha256) select '2026-10', 1, int8multirange(int8range(max(leaf), max(leaf) + 1)), repeat('0', 64) from events;
      delete from events where leaf = (select max(leaf) from events)`,
    found: () => 'row_without_event archive 2026-10: there is a row and no event that made it',
    by: EITHER,
  },
  {
    name: 'events, as if they had been put away in the month that was',
    change:
      () => `insert into event_archives (month, events, leaves, sha256, archived_at) select '2026-02', 1, int8multirange(int8range(max(leaf) - 1, max(leaf))), repeat('0', 64), '2026-03-20' from events;
      delete from events where leaf = (select max(leaf) - 1 from events)`,
    found: () => 'archive_unproven archive 2026-02: no event that is sealed says that it was put away',
    by: EITHER,
  },
  {
    name: 'events, as if they had been put away in the month that was, and they are missed',
    change:
      () => `insert into event_archives (month, events, leaves, sha256, archived_at) select '2026-02', 1, int8multirange(int8range(max(leaf) - 1, max(leaf))), repeat('0', 64), '2026-03-20' from events;
      delete from events where leaf = (select max(leaf) - 1 from events)`,
    found: () => 'event_missing leaf ',
    by: EITHER,
  },
  {
    name: 'an order of now, lifted in that month',
    change: () =>
      `update orders set lifted_at = '2026-03-20', lifted_by = author, lift_reason = 'x' where id = '${order}'`,
    found: () => `row_without_event order ${order}: its row says what no event order.lifted does`,
    by: EITHER,
  },
  {
    name: 'an order of now that was made and lifted in that month',
    change: () =>
      `update orders set created_at = '2026-03-19', lifted_at = '2026-03-20', lifted_by = author, lift_reason = 'x' where id = '${order}'`,
    found: () => `row_differs order ${order}: created_at is `,
    by: EITHER,
  },
  {
    name: 'a hold of now, lifted in that month',
    change: () =>
      `update legal_holds set lifted_at = '2026-03-20', lifted_by = placed_by, lift_reason = 'x' where id = '${hold}'`,
    found: () => `row_without_event hold ${hold}: its row says what no event hold.lifted does`,
    by: EITHER,
  },
  {
    name: 'a task of now, ended in that month',
    change: () =>
      `update tasks set state = 'ended', ended_at = '2026-03-20', ended_why = 'ended' where id = (select max(id) from tasks where created_at > '2026-05-01')`,
    found: () => 'row_without_event task ',
    by: EITHER,
  },
  {
    name: 'who asked for it',
    change: () => `update archive_requests set asked_by = '{"kind": "operator", "issuer": "x", "subject": "y"}'`,
    found: () => 'row_differs archive request ',
    by: EITHER,
  },
])('changed: $name', async ({ change, found, by }) => {
  const { given, not } = await afterwards(change());
  expect(given).toContainEqual(expect.stringContaining(found()));
  // what was forged, and a step that it says was taken; all else of that time has its event in the archive
  expect(given.filter((line) => line.startsWith('row_without_event')).length).toBeLessThanOrEqual(2);
  // nothing of that time can be held against what is not there: that is said, and is not taken for a finding
  if (by === EITHER) expect(not).toContainEqual(expect.stringContaining(found()));
  else expect(not).toEqual([]);
});

describe('an archive', () => {
  const changed = async (name: string, change: (lines: string[]) => string[]) => {
    const lines = (await readFile(at('month.jsonl'), 'utf8')).trimEnd().split('\n');
    await writeFile(at(name), `${change(lines).join('\n')}\n`);
    return (await verify([name])).lines;
  };

  test('of which one byte was changed', async () => {
    const lines = await changed('byte', (all) => all.with(3, (all[3] ?? '').replace('mesh', 'mosh')));
    expect(lines).toContainEqual(expect.stringMatching(/^archive_differs archive 2026-03: its SHA-256 is /));
    expect(lines).toContainEqual(expect.stringMatching(/^event_altered leaf \d+: event \d+ is not what was sealed$/));
  });

  test('in which a line does not end', async () => {
    const lines = await changed('endless', (all) => [...all.slice(0, 3), 'x'.repeat(17 * 1024 * 1024)]);
    expect(lines).toContainEqual(expect.stringMatching(/^event_missing leaves \d+ to \d+: /));
  });

  test('that lacks an event', async () => {
    const lines = await changed('less', (all) => all.toSpliced(3, 1));
    expect(lines).toContainEqual(expect.stringMatching(/^event_missing leaf \d+: /));
  });

  test('in which a line is nonsense', async () => {
    const lines = await changed('nonsense', (all) => all.with(3, '{"leaf":1}'));
    expect(lines).toContainEqual(expect.stringMatching(/^event_missing leaf \d+: /));
  });

  test('of another ledger', async () => {
    const lines = await changed('other', (all) => all.with(0, (all[0] ?? '').replace(MONTH, '2026-02')));
    expect(lines).toContain('archive_differs archive 2026-02: the ledger has put no such month away');
  });

  test('that is none', async () => {
    await writeFile(at('none'), 'a letter\n');
    expect(await openArchiveFile(at('none'))).toBeUndefined();
    await writeFile(at('empty'), '');
    expect(await openArchiveFile(at('empty'))).toBeUndefined();
  });
});

test('what is there is found by its number, and a span of time takes along what was put away of it', async () => {
  const { evidence } = world.ledger;
  const { rows } = await client.query<{ seq: string; leaf: number }>(
    'select seq, leaf::int as leaf from events where leaf is not null',
  );
  for (const { seq, leaf } of rows) expect(await evidence.leafOf(seq)).toBe(leaf);
  expect(await evidence.leafOf('1')).toBeUndefined();
  const { range } = makeEvidenceReads({ ledger: world.ledger });
  const { first } = await range(new Date('2026-03-20'), null);
  expect(first).toBe(0);
  expect((await range(new Date('2026-04-01T00:00:00Z'), null)).first).toBe(Math.min(...rows.map(({ leaf }) => leaf)));
  const { size } = await world.ledger.sealing.head();
  expect(await range(null, null)).toEqual({ first: 0, end: size });
  expect(await range(null, new Date('2026-03-20'))).toEqual({
    first: 0,
    end: Math.min(...rows.map(({ leaf }) => leaf)),
  });
});
