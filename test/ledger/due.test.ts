import type { Due } from '../../src/ledger/reaping.ts';
import { makeWorld, OPERATOR, SHAPE } from './world.ts';
import type { World } from './world.ts';

/** The look that wakes what sees to it: each thing that comes due is seen by it, and nothing is once it was seen to. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

const NOTHING: Due = { ends: false, orders: false, toEnd: [], toClean: [] };
const OTHER = 'another';
const look = () => world.ledger.reaping.due([SHAPE.provider, OTHER]);
const past = `clock_timestamp() - interval '1 second'`;

interface Row {
  readonly name: string;
  readonly sees: Partial<Due>;
  /** Answers what sees to it. */
  readonly arrange: () => Promise<() => Promise<unknown>>;
}
const advance = () => world.ledger.reaping.advanceDue(500);
const advanceTasks = () => world.ledger.tasks.advance(500);
/** What has come to its end has to be ended as well. */
const then = (step: () => Promise<unknown>) => async () => {
  await step();
  await world.calm();
};

const ROWS: readonly Row[] = [
  {
    name: 'a grant whose end has come',
    sees: { ends: true },
    arrange: async () => {
      const { grant } = await world.live();
      await world.sql(`update grants set expires_at = ${past} where id = $1`, [grant]);
      return then(advance);
    },
  },
  {
    name: 'an intent past its deadline',
    sees: { ends: true },
    arrange: async () => {
      const { mint } = await world.open();
      await world.sql(`update mints set deadline = ${past}, due_at = ${past} where id = $1`, [mint]);
      return then(advance);
    },
  },
  {
    name: 'a task whose end has come',
    sees: { ends: true },
    arrange: async () => {
      const task = await world.task();
      await world.sql(`update tasks set ends_at = ${past} where id = $1`, [task]);
      return advanceTasks;
    },
  },
  {
    name: 'an ended task with something below it',
    sees: { ends: true },
    arrange: async () => {
      const task = await world.task();
      await world.open({ task });
      await world.sql(`update mints set due_at = clock_timestamp() + interval '1 day' where state = 'intent'`);
      await world.endTask(task, 0);
      return then(advanceTasks);
    },
  },
  {
    name: 'an order that is not swept',
    sees: { orders: true },
    arrange: async () => {
      const order = await world.order({ kind: 'owner', value: 'nobody' });
      return () => world.ledger.reaping.sweep(order, 500);
    },
  },
  {
    name: 'a mint that is to be ended',
    sees: { toEnd: [SHAPE.provider] },
    arrange: async () => {
      const opened = await world.live();
      await world.revoke(opened);
      return () => world.claim(opened);
    },
  },
  {
    name: 'a mint that is to be cleared away',
    sees: { toClean: [SHAPE.provider] },
    arrange: async () => {
      const opened = await world.live();
      await world.revoke(opened);
      const { mint, epoch } = await world.claim(opened);
      await world.ledger.reaping.close(mint, epoch, 'ended', true);
      return async () => {
        for (const { mint: each } of await world.ledger.reaping.claimCleanups(SHAPE.provider, 9, 120))
          await world.ledger.reaping.finishCleanup(each);
      };
    },
  },
];

test.each(ROWS)('$name', async ({ sees, arrange }) => {
  expect(await look()).toEqual(NOTHING);
  const seeTo = await arrange();
  expect(await look()).toEqual({ ...NOTHING, ...sees });
  await seeTo();
  expect(await look()).toEqual(NOTHING);
});

test('of providers that are not named nothing is said', async () => {
  const { grant } = await world.live();
  await world.ledger.issuing.endGrant({ grant, why: 'revocation', reason: 'x', actor: OPERATOR, origin: null });
  expect(await world.ledger.reaping.due([OTHER])).toEqual(NOTHING);
});
