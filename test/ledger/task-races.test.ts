import type { TaskId } from '../../src/domain/ids.ts';
import { codeOf } from '../exchange/world.ts';
import { isOpen } from '../support/waiting.ts';
import { askAbout, callRecord, deniedCall, recordOne } from './calling.ts';
import { openInTheMaking } from './in-the-making.ts';
import type { InTheMaking } from './in-the-making.ts';
import { makeWorld, OPERATOR } from './world.ts';
import type { World } from './world.ts';

/** Check-then-act, as with orders: whatever hangs something on a task waits for an end in the making, and is refused by it. */
let world: World;
let other: InTheMaking;
beforeAll(async () => {
  world = await makeWorld();
  other = await openInTheMaking(world);
});
// what a test that failed has left open must not hold up the next
afterEach(() => other.rollback());
afterAll(async () => {
  await other.close();
  await world.close();
});

/** The end of a task that is written and not yet committed. */
async function endInTheMaking(task: TaskId): Promise<void> {
  const end = { task, why: 'ended', reason: 'done', actor: OPERATOR, origin: null, batch: 0 };
  await other.begin('end_task', end);
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
  await other.waitedFor(call);
  expect(await isOpen(call)).toBe(true);
  await other.commit();
  expect(await call).toBe('task_ended');
});

test.each(HANGING)('$name goes on when the end was never committed', async ({ arrange }) => {
  const task = await world.task();
  const run = await arrange(task);
  await endInTheMaking(task);
  const call = run();
  await other.waitedFor(call);
  await other.rollback();
  await call;
});
