import { answers, asks, hold, outcome, REVOKE_PLACES, type Place } from './steps.ts';
import { makeWorld, PROFILE, type Replica, type World } from './world.ts';

/** SIGKILL at each step of a revocation; from its commit on the grant ends, whoever has to finish it. */
let world: World;
let broker: Replica;
beforeAll(async () => {
  world = await makeWorld();
  broker = await world.start();
});
afterAll(() => world.close());

const ENDS = ['drop', 'release'] as const;

interface Step {
  readonly step: string;
  readonly place: Place;
  /** What remains is still active: nothing was committed. */
  readonly stays?: 'drop';
}

describe.each(REVOKE_PLACES)('killed $step', ({ step, place }) => {
  test.each(ENDS)('what was under way: %s', async (end) => {
    const grant = await world.issue(broker);
    const session = await world.session(grant);
    const held = hold(world, place);
    const asked = outcome(broker.agent().workload.revoke(grant.id, 'test'));
    await held.reached;
    await world.crash(broker, held, end);
    expect(await asked).toBe('0 unreachable');

    broker = await world.start();
    await world.passTime();
    await world.settled();
    const alive = step === 'before the revocation is committed' && end === 'drop';
    expect((await world.grant(grant.id)).state).toBe(alive ? 'active' : 'revoked');
    expect([await world.works(grant), await session.alive()]).toEqual([alive, alive]);
    await session.close();
    expect(await world.audit()).toEqual([]);
  });
});

/** Nothing lives any more; only the name has to go, in the end. */
const CLEAN: readonly Step[] = [
  {
    step: 'after it is claimed',
    place: { ...answers('ledgerProxy', 'claim_cleanups'), match: isRow('claim_cleanups') },
  },
  { step: 'before the role is dropped', place: asks('targetProxy', 'DROP ROLE') },
  { step: 'after the role is dropped', place: answers('targetProxy', 'DROP ROLE') },
  { step: 'before that is committed', place: asks('ledgerProxy', 'finish_cleanup') },
];

function isRow(sql: string): NonNullable<Place['match']> {
  return ({ type, sql: said }) => type === 'D' && said.includes(sql);
}

describe.each(CLEAN)('clearing away, killed $step', ({ place }) => {
  test.each(ENDS)('what was under way: %s', async (end) => {
    const grant = await world.issue(broker);
    const held = hold(world, place);
    await broker.agent().workload.revoke(grant.id, 'test');
    await held.reached;
    await world.crash(broker, held, end);

    broker = await world.start();
    await world.passTime();
    await world.settled();
    await world.cleared(grant.id);
    expect(await world.rolesOf(grant.id)).toEqual([]);
    expect(await world.audit()).toEqual([]);
  });
});

const ORDER: readonly Step[] = [
  { step: 'before the order is committed', place: asks('ledgerProxy', 'create_order'), stays: 'drop' },
  { step: 'after the order is committed', place: answers('ledgerProxy', 'create_order') },
  { step: 'before its sweep', place: asks('ledgerProxy', 'sweep_order') },
  { step: 'after its sweep', place: answers('ledgerProxy', 'sweep_order') },
];

describe.each(ORDER)('an order, killed $step', ({ place, stays }) => {
  test.each(ENDS)('what was under way: %s', async (end) => {
    const grant = await world.issue(broker);
    const held = hold(world, place);
    const asked = outcome(broker.security.operator.createOrder({ selector: { profile: PROFILE }, reason: 'test' }));
    await held.reached;
    await world.crash(broker, held, end);
    await asked;

    broker = await world.start();
    await world.passTime();
    await world.settled();
    const alive = stays === end;
    expect((await world.grant(grant.id)).state).toBe(alive ? 'active' : 'revoked');
    expect(await world.works(grant)).toBe(alive);
    expect(await outcome(world.issue(broker))).toBe(alive ? 'answered' : '409 under_order');
    await world.liftAll(broker);
    expect(await world.audit()).toEqual([]);
  });
});
