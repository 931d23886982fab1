import type { GrantId, TaskId } from '../../src/domain/ids.ts';
import { ids, makeWorld, OPERATOR } from './world.ts';
import type { World } from './world.ts';

/** Whether somebody took back what is shown again: not where only its time has passed. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
  await world.activateRules();
});
afterAll(() => world.close());
afterEach(() => world.calm());

type Shown = Partial<Record<'grant', GrantId> & Record<'task', TaskId>>;
const late = (task: TaskId) =>
  world.sql(`update tasks set ends_at = now() - interval '1 second' where id = $1`, [task]);
const deadline = (task: TaskId) =>
  world.ledger.tasks.end({ task, why: 'deadline', reason: 'x', actor: OPERATOR, origin: null, batch: 10 });
async function granted() {
  const task = await world.task();
  const { grant } = await world.live({ task });
  return { task, grant };
}

const CASES: readonly { name: string; want: 'grant' | 'task' | undefined; arrange: () => Promise<Shown> }[] = [
  { name: 'a live grant on its task', want: undefined, arrange: granted },
  {
    name: 'a live grant on a task that a call made for itself',
    want: undefined,
    arrange: () => world.live(),
  },
  {
    name: 'a grant that was revoked',
    want: 'grant',
    arrange: async () => {
      const { grant } = await world.live();
      await world.revoke({ grant });
      return { grant };
    },
  },
  {
    name: 'a grant that ran out',
    want: undefined,
    arrange: async () => {
      const { grant } = await world.live();
      await world.age(grant, 3_600);
      return { grant };
    },
  },
  {
    name: 'a grant whose task was ended',
    want: 'grant',
    arrange: async () => {
      const { task, grant } = await granted();
      await world.endTask(task);
      return { grant };
    },
  },
  {
    name: 'a grant whose task was ended, before its sweep',
    want: 'grant',
    arrange: async () => {
      const { task, grant } = await granted();
      await world.endTask(task, 0);
      return { grant };
    },
  },
  {
    name: 'a grant whose task is past its deadline',
    want: undefined,
    arrange: async () => {
      const { task, grant } = await granted();
      await late(task);
      return { grant, task };
    },
  },
  {
    name: 'a grant that ended with the deadline of its task',
    want: undefined,
    arrange: async () => {
      const { task, grant } = await granted();
      await deadline(task);
      return { grant, task };
    },
  },
  {
    name: 'a grant under an order, before its sweep',
    want: 'grant',
    arrange: async () => {
      const { grant, shape } = await world.live({ profile: ids.grant() });
      await world.order({ kind: 'profile', value: shape.profile });
      return { grant };
    },
  },
  {
    name: 'a grant under an order that blocks nothing new, before its sweep',
    want: 'grant',
    arrange: async () => {
      const { grant, shape } = await world.live({ profile: ids.grant() });
      await world.order({ kind: 'profile', value: shape.profile }, false);
      return { grant };
    },
  },
  {
    name: 'a grant that waits, under an order',
    want: 'grant',
    arrange: async () => {
      const { grant, shape } = await world.pending({ profile: ids.grant() });
      await world.order({ kind: 'profile', value: shape.profile });
      return { grant };
    },
  },
  {
    name: 'a grant that ran out, on a task that was ended afterwards',
    want: 'task',
    arrange: async () => {
      const { task, grant } = await granted();
      await world.age(grant, 3_600);
      await world.ledger.reaping.advanceDue(500);
      await world.endTask(task);
      return { task, grant };
    },
  },
  {
    name: 'a task under an order',
    want: 'task',
    arrange: async () => {
      const task = await world.task();
      await world.order({ kind: 'task', value: task });
      return { task };
    },
  },
  {
    name: 'a task that is past its deadline, under an order',
    want: undefined,
    arrange: async () => {
      const task = await world.task();
      await late(task);
      await world.order({ kind: 'task', value: task });
      return { task };
    },
  },
  {
    name: 'what there is not',
    want: undefined,
    arrange: () => Promise.resolve({ grant: ids.grant(), task: ids.task() }),
  },
];

test.each(CASES)('$name: $want', async ({ want, arrange }) => {
  const { grant = null, task = null } = await arrange();
  expect(await world.ledger.tasks.takenBack(grant, task)).toBe(want);
});
