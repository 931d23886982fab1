import pg from 'pg';
import type { TaskId } from '../../src/domain/ids.ts';
import { codeOf } from '../exchange/world.ts';
import { isOpen, until } from '../support/waiting.ts';
import { askAbout, callRecord, deniedCall, recordOne } from './calling.ts';
import { makeWorld, OPERATOR } from './world.ts';
import type { World } from './world.ts';

/** Check-then-act, as with orders: whatever hangs something on a task waits for an end in the making, and is refused by it. */
let world: World;
let other: pg.Client;
beforeAll(async () => {
  world = await makeWorld();
  other = new pg.Client({ connectionString: world.database.brokerUrl });
  await other.connect();
});
// what a test that failed has left open must not hold up the next
afterEach(() => other.query('rollback'));
afterAll(async () => {
  await other.end();
  await world.close();
});

/** The end of a task that is written and not yet committed. */
async function endInTheMaking(task: TaskId): Promise<void> {
  await other.query('begin');
  const end = { task, why: 'ended', reason: 'done', actor: OPERATOR, origin: null, batch: 0 };
  await other.query('select end_task($1)', [JSON.stringify(end)]);
}

/** How many calls wait for the lock of a tree. */
async function waiting(): Promise<number> {
  const sql = `select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())`;
  return (await world.sql(sql)).length;
}

interface Hanging {
  readonly name: string;
  readonly arrange: (task: TaskId) => Promise<() => Promise<unknown>>;
}

const HANGING: readonly Hanging[] = [
  { name: 'open', arrange: async (task) => () => world.open({ task }) },
  {
    name: 'claim',
    arrange: async (task) => {
      const approved = await world.pending({ task });
      await world.answer(approved);
      return () => world.ledger.issuing.claimGrant(world.claimOf(approved));
    },
  },
  { name: 'hand a part of it on', arrange: async (task) => () => world.task({ parent: task }, { subject: 'two' }) },
  {
    name: 'call',
    arrange: async (id) => () => recordOne(world, callRecord({ task: { id, root: id, budgeted: false } })),
  },
  {
    name: 'ask a person about a call',
    arrange: async (task) => {
      const denied = await deniedCall(world, { task_id: task });
      return () => askAbout(world, denied);
    },
  },
];

test.each(HANGING)('$name waits for an end in the making, and is refused by it', async ({ arrange }) => {
  const task = await world.task();
  const run = await arrange(task);
  await endInTheMaking(task);
  const call = codeOf(run());
  await until(async () => !(await isOpen(call)) || (await waiting()) === 1);
  expect(await isOpen(call)).toBe(true);
  await other.query('commit');
  expect(await call).toBe('task_ended');
});

test.each(HANGING)('$name goes on when the end was never committed', async ({ arrange }) => {
  const task = await world.task();
  const run = await arrange(task);
  await endInTheMaking(task);
  const call = run();
  await until(async () => !(await isOpen(call)) || (await waiting()) === 1);
  await other.query('rollback');
  await call;
});
