import { isOpen, until } from '../support/waiting.ts';
import { askAbout, callRecord, deniedCall, recordOne } from './calling.ts';
import { openInTheMaking } from './in-the-making.ts';
import type { InTheMaking } from './in-the-making.ts';
import { ids, makeWorld, OPERATOR } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/**
 * Check-then-act: an order that commits while a giving call waits for the lock must stop that call (CORRECTNESS,
 * *Orders, task ends*).
 */
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

/** An order that is written and not yet committed. */
async function orderInTheMaking(value: string): Promise<void> {
  const order = { id: ids.order(), kind: 'agent', value, reason: 'r', author: OPERATOR, blocks: true, origin: null };
  await other.begin('create_order', order);
}

interface Giving {
  readonly name: string;
  readonly arrange: (
    subject: string,
  ) => Promise<{ readonly grant?: OpenedGrant; readonly run: () => Promise<unknown> }>;
}

const GIVING: readonly Giving[] = [
  { name: 'open', arrange: async (subject) => ({ run: () => world.open({ subject }) }) },
  {
    name: 'activate',
    arrange: async (subject) => {
      const grant = await world.open({ subject });
      return { grant, run: () => world.activate(grant) };
    },
  },
  {
    name: 'renew',
    arrange: async (subject) => {
      const grant = await world.live({ subject });
      return { grant, run: () => world.ledger.issuing.openMint(world.openingMint(grant, 'renewal')) };
    },
  },
  {
    name: 'activate a renewal',
    arrange: async (subject) => {
      const grant = await world.live({ subject });
      const opening = world.openingMint(grant, 'renewal');
      const { epoch } = await world.ledger.issuing.openMint(opening);
      return { grant, run: () => world.activate({ mint: opening.mint.id, epoch }) };
    },
  },
  {
    name: 'claim',
    arrange: async (subject) => {
      const waiting = await world.pending({ subject });
      await world.answer(waiting);
      return { run: () => world.ledger.issuing.claimGrant(world.claimOf(waiting)) };
    },
  },
  { name: 'make a task', arrange: async (subject) => ({ run: () => world.task({}, { subject }) }) },
  {
    name: 'hand a part of one on',
    arrange: async (subject) => {
      const parent = await world.task({}, { subject });
      return { run: () => world.task({ parent }, { subject: `${subject}, below` }) };
    },
  },
  { name: 'call', arrange: async (subject) => ({ run: () => recordOne(world, callRecord({ subject })) }) },
  {
    name: 'ask a person about a call',
    arrange: async (subject) => {
      const denied = await deniedCall(world, { subject });
      return { run: () => askAbout(world, denied) };
    },
  },
];

test.each(GIVING)('$name waits for an order in the making, and is refused by it', async ({ name, arrange }) => {
  const { grant, run } = await arrange(name);
  await orderInTheMaking(name);
  const call = run().then(
    () => 'given',
    (error: unknown) => (error as { code?: string }).code,
  );
  await other.waitedFor(call);
  expect(await isOpen(call)).toBe(true);
  await other.commit();
  expect(await call).toBe('under_order');
  if (grant) expect(await world.ledger.grants.mintIsActive(grant.mint)).toBe(false);
});

test.each(GIVING)('$name goes on when the order was never committed', async ({ name, arrange }) => {
  const { run } = await arrange(`${name} 2`);
  await orderInTheMaking(`${name} 2`);
  const call = run();
  await other.waitedFor(call);
  await other.rollback();
  await call;
});

test('issuers that race an order: nothing that matches counts from its commit on, and nothing lives after its sweep', async () => {
  const given: OpenedGrant[] = [];
  let stop = false;
  const issuer = async () => {
    while (!stop) {
      const opened = await world.open({ subject: 'racer' }).catch(() => undefined);
      if (!opened) return;
      given.push(opened);
      await world.activate(opened).catch(() => undefined);
    }
  };
  const issuers = Array.from({ length: 6 }, issuer);
  await until(() => given.length > 40);
  const order = await world.order({ kind: 'agent', value: 'racer' });
  const counted = await Promise.all(given.map(({ mint }) => world.ledger.grants.mintIsActive(mint)));
  expect(counted.filter(Boolean)).toEqual([]);
  await Promise.all(issuers);
  stop = true;
  const [row] = await world.sql<{ late: number }>(
    `select count(*)::integer as late from grants, orders where orders.id = $1 and subject = 'racer' and (opened_at > created_at or issued_at > created_at)`,
    [order],
  );
  expect(row?.late).toBe(0);
  while (!(await world.ledger.reaping.sweep(order, 10)).done);
  expect(await world.sql(`select 1 from grants where subject = 'racer' and state in ('issuing', 'active')`)).toEqual(
    [],
  );
});
