import { makeSealer } from '../../src/audit/sealer.ts';
import type { LogStore } from '../../src/audit/store.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
const worlds: LogWorld[] = [];
const fresh = async () => {
  world = await makeLogWorld(server);
  worlds.push(world);
};
beforeAll(async () => {
  server = await startLedgerServer();
});
afterAll(async () => {
  await Promise.all(worlds.map((each) => each.close()));
  await server.stop();
});

const sizeOf = async () => Number((await world.one<{ size: string }>('select size from log_head')).size);
const unsealed = async () =>
  (await world.one<{ n: number }>('select count(*)::int as n from events where leaf is null')).n;
const orderOf = async () =>
  (
    await world.database.pool.query<{ n: number }>(
      `select (body::jsonb #>> '{facts,n}')::int as n from events order by leaf`,
    )
  ).rows.map(({ n }) => n);

describe('sealing', () => {
  beforeEach(fresh);

  test('nothing to seal is no batch', async () => {
    expect(await world.seal()).toMatchObject([{ sealed: 0, more: false, raced: false }]);
    expect(await sizeOf()).toBe(0);
  });

  test('events are sealed in order, once, and the log goes on from where it was', async () => {
    for (const count of [1, 2, 3, 5, 8, 13]) {
      await world.write(count);
      expect((await world.seal()).reduce((sum, { sealed }) => sum + sealed, 0)).toBe(count);
      expect(await world.faults()).toEqual([]);
    }
    expect(await sizeOf()).toBe(32);
    expect(await world.seal()).toMatchObject([{ sealed: 0 }]);
  });

  test('batches end at a number of events, and at so much text, and never stand still', async () => {
    const seal = makeSealer(world.ledger.sealing);
    await world.write(10);
    expect(await seal(false, 4)).toMatchObject({ sealed: 4, more: true });
    expect(await seal(false, 4)).toMatchObject({ sealed: 4, more: true });
    expect(await seal(false, 4)).toMatchObject({ sealed: 2, more: false });
    const { sealing } = world.ledger;
    const little: LogStore = {
      ...sealing,
      unsealed: (from, { events }) => sealing.unsealed(from, { events, bytes: 5_000 }),
    };
    await world.write(5, undefined, 1_000); // 2 KB of text each
    await world.write(1, undefined, 9_000);
    const sealed = async () => (await makeSealer(little)(false)).sealed;
    expect([await sealed(), await sealed(), await sealed(), await sealed()]).toEqual([3, 3, 0, 0]);
    expect(await unsealed()).toBe(0);
    expect(await world.faults()).toEqual([]);
  });

  test('what is rolled back leaves neither an event nor a gap', async () => {
    const other = await world.connection();
    await world.write(2);
    await other.query('begin');
    await world.write(5, other);
    await other.query('rollback');
    await world.write(2);
    await world.seal();
    expect(await sizeOf()).toBe(4);
    expect(await world.faults()).toEqual([]);
  });

  test('what is committed waits for an older transaction that may still write, and then comes behind it', async () => {
    const [older, younger] = [await world.connection(), await world.connection()];
    await older.query('begin');
    await world.write(1, older);
    await younger.query('begin');
    await world.write(2, younger);
    await younger.query('commit');
    await world.seal();
    expect([await sizeOf(), await unsealed()]).toEqual([0, 2]);
    const seconds = await world.ledger.sealing.unsealedSeconds();
    expect(seconds).toBeGreaterThan(0);
    expect(await world.ledger.sealing.oldestTransaction()).toMatchObject({
      pid: expect.any(Number),
      database: world.database.name,
    });
    await older.query('commit');
    await world.seal();
    expect(await orderOf()).toEqual([1, 1, 2]);
    expect(await world.faults()).toEqual([]);
    expect(await world.ledger.sealing.unsealedSeconds()).toBe(0);
  });

  test('a transaction that only reads holds nothing up', async () => {
    const reader = await world.connection();
    await reader.query('begin isolation level repeatable read');
    await reader.query('select count(*) from events');
    await world.write(3);
    await world.seal();
    expect(await sizeOf()).toBe(3);
    await reader.query('commit');
  });

  test('of sealers that race, one seals each batch', async () => {
    const sealers = Array.from({ length: 4 }, () => makeSealer(world.ledger.sealing));
    await world.write(2_000);
    let raced = 0;
    await Promise.all(
      sealers.map(async (seal) => {
        for (let step = await seal(false, 50); step.more; step = await seal(false, 50)) raced += step.raced ? 1 : 0;
      }),
    );
    expect(await sizeOf()).toBe(2_000);
    expect(raced).toBeGreaterThan(0);
    expect(await world.faults()).toEqual([]);
  });

  test('a sealer that was stopped between reading and writing loses, also against itself of later', async () => {
    const held: (() => void)[] = [];
    const slow: LogStore = {
      ...world.ledger.sealing,
      seal: async (batch) => {
        await new Promise<void>((resolve) => held.push(resolve));
        return world.ledger.sealing.seal(batch);
      },
    };
    await world.write(5);
    const late = makeSealer(slow)(false);
    while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await world.seal();
    await world.write(5);
    await world.seal();
    held[0]?.();
    expect(await late).toMatchObject({ raced: true, sealed: 0 });
    expect(await sizeOf()).toBe(10);
    expect(await world.faults()).toEqual([]);
  });

  describe('after a restore to another server, where transaction ids start again', () => {
    const restored = async () => {
      // the ids of the old server are far ahead of this one's; the last events were not sealed there
      await world.write(4);
      await world.seal();
      await world.write(2);
      await world.tamper(`update events set tx = ((tx::text)::bigint + 1000000000)::text::xid8`);
      await world.tamper(`update log_head set tx = (select max(tx::text)::xid8 from events where leaf is not null)`);
    };

    test('what was left is sealed first, then what is new', async () => {
      await restored();
      await world.write(3);
      const steps = await world.seal();
      expect(steps.map(({ sealed }) => sealed)).toEqual([2, 3]);
      expect(steps.map(({ late }) => late)).toEqual([0, 0]);
      expect(await orderOf()).toEqual([1, 2, 3, 4, 1, 2, 1, 2, 3]);
      await world.write(1);
      await world.seal();
      expect(await sizeOf()).toBe(10);
      expect((await world.faults()).filter((fault) => !fault.includes('older'))).toEqual([]);
    });

    test('nothing that is new waits for what was left, or is lost', async () => {
      await restored();
      const open = await world.connection();
      await open.query('begin');
      await world.write(1, open);
      await world.write(1);
      await world.seal();
      expect([await sizeOf(), await unsealed()]).toEqual([6, 1]);
      await open.query('commit');
      await world.seal();
      expect([await sizeOf(), await unsealed()]).toEqual([8, 0]);
    });
  });

  test('an event that somebody put before what is sealed is left where it is, until everything is looked at, and told', async () => {
    for (let n = 0; n < 3; n++) await world.write(1);
    await world.seal();
    await world.tamper(`insert into events (at, tx, type, body) select at, tx, type, body from events where leaf = 0`);
    expect(await world.seal()).toMatchObject([{ sealed: 0 }]);
    expect(await unsealed()).toBe(1);
    expect(await world.seal(true)).toMatchObject([{ sealed: 1, late: 1 }]);
    expect(await sizeOf()).toBe(4);
  });

  test.each([
    [
      'a hash was changed',
      `update log_hashes set hashes = overlay(hashes placing '\\x00' from octet_length(hashes) - 32)`,
    ],
    ['the root was changed', `update log_head set root = sha256('other')`],
    ['hashes are gone', `delete from log_hashes`],
  ])('nothing is sealed on top of a log of which %s', async (_, sql) => {
    await world.write(3);
    await world.seal();
    await world.tamper(sql);
    await world.write(1);
    await expect(makeSealer(world.ledger.sealing)(false)).rejects.toMatchObject({
      name: 'LogDamaged',
      code: 'hashes_damaged',
    });
    expect(await unsealed()).toBe(1);
  });

  test('a log that is another one than was sealed is noticed, once: what is whole by itself is gone on with', async () => {
    await world.write(3);
    await world.seal();
    await world.tamper('truncate log_hashes, events');
    await world.tamper(`update log_head set size = 0, root = sha256(''), tx = '0', seq = 0`);
    await world.write(3, undefined, 1);
    await makeSealer(world.ledger.sealing)(true);
    await world.write(1);
    await expect(world.seal()).rejects.toMatchObject({ code: 'hashes_damaged' });
    expect(await world.seal()).toMatchObject([{ sealed: 1 }]);
    expect(await world.faults()).toEqual([]);
  });
});

describe('the database itself', () => {
  beforeAll(async () => {
    await fresh();
    await world.write(2);
    await world.seal();
    await world.write(1);
    const head = await world.ledger.sealing.head();
    await world.ledger.sealing.keepCheckpoint({ ...head, origin: 'o', key: 'k', note: 'n' });
  });

  const refused = async (sql: string, as: 'broker' | 'owner') => {
    const client = as === 'broker' ? await world.connection() : world.database.pool;
    return client.query(sql).then(
      () => 'done',
      (error: unknown) => (error as { code?: string }).code,
    );
  };

  test.each([
    ['a leaf twice', 'update events set leaf = leaf + 10 where leaf is not null', '23514'],
    ['a leaf no more', 'update events set leaf = null where leaf is not null', '23514'],
    ['the text of what is sealed', `update events set body = '{}' where leaf = 0`, '23514'],
    ['the text of what is not', `update events set body = '{}', leaf = 7 where leaf is null`, '23514'],
    ['an event away', 'delete from events', '23514'],
    ['hashes', `update log_hashes set hashes = hashes`, '23514'],
    ['hashes away', `delete from log_hashes`, '23514'],
    ['a checkpoint', `update log_checkpoints set note = 'x'`, '23514'],
    ['the head back', `update log_head set size = 0`, '23514'],
    ['the head away', `delete from log_head`, '23514'],
    ['which log it is', `update log_head set log_id = 'x', size = size + 1`, '23514'],
  ])('its owner cannot put, by mistake, %s', async (_, sql, code) => {
    expect(await refused(sql, 'owner')).toBe(code);
  });

  test.each([
    ['a leaf', 'update events set leaf = 99', '42501'],
    ['hashes', `insert into log_hashes values (99, sha256(''))`, '42501'],
    ['a head', 'update log_head set size = 99', '42501'],
    ['a checkpoint beyond the log', `select keep_checkpoint(99, sha256(''), 'o', 'k', 'n')`, '23514'],
    [
      'a checkpoint with another root',
      `select keep_checkpoint(size, sha256('x'), 'o', 'k', 'n') from log_head`,
      '23514',
    ],
    [
      'an event of yesterday',
      `insert into events (at, type, body) values (now() - interval '1 day', 'x', '{}')`,
      '23514',
    ],
    [
      'an event of tomorrow',
      `insert into events (at, type, body) values (now() + interval '1 day', 'x', '{}')`,
      '23514',
    ],
    [
      'an event of another transaction',
      `insert into events (at, tx, type, body) values (now(), '5', 'x', '{}')`,
      '23514',
    ],
    ['an event that is sealed', `insert into events (at, leaf, type, body) values (now(), 0, 'x', '{}')`, '23514'],
    [
      'hashes that are not those of a batch',
      `select seal_events(2, array[now()], array[1], '9', sha256(''), sha256(''))`,
      '23514',
    ],
    [
      'what is sealed under another leaf',
      `select seal_events(2, array_agg(at), array_agg(seq), '9', decode(repeat('00', 128), 'hex'), sha256('')) from events where leaf is not null`,
      '23514',
    ],
    [
      'what is not there',
      `select seal_events(2, array[now()], array[1], '9', decode(repeat('00', 64), 'hex'), sha256(''))`,
      '23514',
    ],
  ])('the broker cannot write %s', async (_, sql, code) => {
    expect(await refused(sql, 'broker')).toBe(code);
  });

  test('partitions made later are held the same way', async () => {
    await world.database.pool.query('select ensure_event_partitions(8)');
    const { n } = await world.one<{ n: number }>(
      `select count(*)::int as n from pg_inherits i where inhparent = 'events'::regclass and (select count(*) from pg_trigger where tgrelid = i.inhrelid and tgname in ('events_are_kept', 'events_are_of_now', 'events_stay')) <> 3`,
    );
    expect(n).toBe(0);
  });
});
