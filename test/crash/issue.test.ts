import { answers, asks, hold, ISSUE_PLACES, outcome, type Place } from './steps.ts';
import { makeWorld, type Replica, type World } from './world.ts';

/** SIGKILL at each step of an issuance; another process finds what was left, and what still comes of it. */
let world: World;
let broker: Replica;
beforeAll(async () => {
  world = await makeWorld();
  broker = await world.start();
});
afterAll(() => world.close());

const ENDS = ['drop', 'release'] as const;

/** How each step of `ISSUE_PLACES` ends up, when what was under way is lost and when it arrives: state, mint's outcome. */
const ISSUE: readonly { readonly drop: string | undefined; readonly release: string }[] = [
  { drop: undefined, release: 'failed absent' },
  { drop: 'failed absent', release: 'failed absent' },
  { drop: 'failed absent', release: 'failed absent' },
  { drop: 'failed absent', release: 'failed absent' },
  { drop: 'failed absent', release: 'failed ended' },
  { drop: 'failed ended', release: 'failed ended' },
  { drop: 'failed ended', release: 'active ' },
  { drop: 'active ', release: 'active ' },
];

describe.each(ISSUE_PLACES.map((step, n) => ({ ...step, want: ISSUE[n] })))('killed $step', ({ place, want }) => {
  test.each(ENDS)('what was under way: %s', async (end) => {
    const known = (await world.grants()).length;
    const held = hold(world, place);
    const asked = outcome(world.issue(broker));
    await held.reached;
    await world.crash(broker, held, end);
    expect(await asked).toBe('0 unreachable');

    broker = await world.start();
    await world.passTime();
    await world.settled();
    const [grant] = (await world.grants()).slice(known);
    expect(grant && `${grant.state} ${grant.mints.map(({ outcome }) => outcome ?? '').join()}`).toBe(want?.[end]);
    expect(await world.audit()).toEqual([]);
  });
});

/** The first login stays as it is; only the renewal is lost. */
const RENEW = [
  {
    step: 'before the intent is committed',
    place: asks('ledgerProxy', 'open_mint'),
    drop: 'live',
    release: 'live ended',
  },
  {
    step: 'after the intent is committed',
    place: answers('ledgerProxy', 'open_mint'),
    drop: 'live ended',
    release: 'live ended',
  },
  {
    step: 'before the login is committed',
    place: asks('targetProxy', 'COMMIT'),
    drop: 'live ended',
    release: 'live ended',
  },
  {
    step: 'before the issuance is committed',
    place: asks('ledgerProxy', 'activate_mint'),
    drop: 'live ended',
    release: 'live live',
  },
];

describe.each(RENEW)('a renewal, killed $step', ({ place, ...want }) => {
  test.each(ENDS)('what was under way: %s', async (end) => {
    const first = await world.issue(broker);
    const held = hold(world, place);
    const asked = outcome(broker.agent().workload.renew(first.id));
    await held.reached;
    await world.crash(broker, held, end);
    expect(await asked).toBe('0 unreachable');

    broker = await world.start();
    await world.passTime();
    await world.settled();
    const { state, mints } = await world.grant(first.id);
    expect([state, mints.map((mint) => mint.state).join(' ')]).toEqual(['active', want[end]]);
    expect(await world.works(first)).toBe(true);
    expect(await world.audit()).toEqual([]);
  });
});

/** A repeat ends the earlier login before it mints: never two, and the next repeat goes on from whatever was reached. */
const REPEAT: readonly { readonly step: string; readonly place: Place }[] = [
  { step: 'after the earlier login is retired', place: answers('ledgerProxy', 'retire_mints') },
  { step: 'before the earlier login is called ended', place: asks('ledgerProxy', 'close_mint') },
  { step: 'before the new login is committed', place: asks('targetProxy', 'COMMIT') },
  { step: 'after the new issuance is committed', place: answers('ledgerProxy', 'activate_mint') },
];

describe.each(REPEAT)('a repeated request, killed $step', ({ step, place }) => {
  test.each(ENDS)('what was under way: %s', async (end) => {
    const key = `${step} ${end}`.replaceAll(' ', '-');
    const first = await world.issue(broker, key);
    const held = hold(world, place);
    const asked = outcome(world.issue(broker, key));
    await held.reached;
    await world.crash(broker, held, end);
    expect(await asked).toBe('0 unreachable');

    broker = await world.start();
    await world.passTime();
    await world.settled();
    expect(await world.works(first)).toBe(false);
    const again = await world.issue(broker, key);
    expect(again.id).toBe(first.id);
    expect(await world.works(again)).toBe(true);
    const { mints } = await world.grant(first.id);
    expect(mints.filter(({ state }) => state === 'live')).toHaveLength(1);
    expect(await world.audit()).toEqual([]);
  });
});
