import pg from 'pg';
import type { OrderId } from '../../src/domain/ids.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { fillWithCopies } from './fill.ts';
import { pagesOf } from './pages.ts';
import { makeWorld } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** What people read costs what they are shown, and not what there is beside it. */
const GRANTS = 100_000;
const AGENTS = 1_000;
const EVENTS = 20_000;
const OF_TASK = 500;

let world: World;
let live: OpenedGrant;
let order: OrderId;

beforeAll(async () => {
  world = await makeWorld();
  // the server's own upkeep touches pages as well
  await world.sql(`do $$ declare t regclass; begin
    for t in select oid from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace loop
      execute format('alter table %s set (autovacuum_enabled = off)', t);
    end loop; end $$`);
  live = await world.live();
  await fillWithCopies(world, live, GRANTS);
  await fillEvents();
  await world.sql('analyze');
  order = await world.order({ kind: 'agent', value: 'agent/5' });
});
afterAll(() => world.close());

/** A log of calls, the last few of them of one task and its grant. */
async function fillEvents(): Promise<void> {
  const client = new pg.Client({ connectionString: world.database.url });
  await client.connect();
  try {
    await client.query('set session_replication_role = replica'); // without triggers
    await client.query('update events set leaf = null');
    await client.query(
      `insert into events (at, type, task_id, grant_id, body, leaf)
       select now(), 'call.decided', case when n >= $1 then $2 end, case when n >= $1 then $3 end,
         jsonb_build_object('success', n % 2 = 0, 'filler', repeat(md5(n::text), 40))::text, n from generate_series(0, $4::integer - 1) as n`,
      [EVENTS - OF_TASK, live.task, live.grant, EVENTS],
    );
    await client.query('update log_head set size = $1', [EVENTS]);
  } finally {
    await client.end();
  }
}

const READS: readonly {
  readonly name: string;
  readonly most: number;
  readonly read: (ledger: Ledger) => Promise<void>;
}[] = [
  {
    name: 'how far an order has come, of an agent among many',
    most: 2_000,
    async read(ledger) {
      const { progress } = ledger.orders;
      expect(Object.values(await progress(order))).toMatchObject([
        { matched: GRANTS / AGENTS, pending: GRANTS / AGENTS },
      ]);
    },
  },
  {
    name: 'a page of events',
    most: 1_000,
    async read({ evidence }) {
      const page = await evidence.events(10_000, 100, {});
      expect([page.events[0]?.leaf, page.events.length, page.next, page.size]).toEqual([10_000, 100, 10_100, EVENTS]);
    },
  },
  {
    name: 'a page of events of a task',
    most: 1_500,
    async read({ evidence }) {
      const page = await evidence.events(0, 100, { task: live.task });
      expect([page.events[0]?.leaf, page.events.length]).toEqual([EVENTS - OF_TASK, 100]);
    },
  },
  {
    name: 'what grants of one task were used for',
    most: 100_000,
    async read({ evidenceCounts }) {
      const { rows, next } = await evidenceCounts.usage({ from: null, to: null }, null);
      const sum = (of: 'grants' | 'calls') => rows.reduce((all, row) => all + row[of], 0);
      expect([sum('grants'), next]).toEqual([5_000, expect.anything()]);
      expect([0, OF_TASK / 2]).toContain(sum('calls'));
    },
  },
];

test.each(READS)('$name', async ({ read, most }) => {
  expect(await pagesOf(world, read)).toBeLessThan(most);
});
