import { agentId } from '../support/agents.ts';
import { asks, hold, ISSUE_PLACES, outcome } from './steps.ts';
import { makeWorld, type Replica, type World } from './world.ts';
import type { PostgresServer } from '../../src/dev/postgres-server.ts';
import { startOwnServer } from '../support/servers.ts';
import { makeTemplate } from '../support/template.ts';
import { until } from '../support/waiting.ts';

/** The ledger is away: no credential comes out, the answer is a 503, and service comes back by itself. */
let world: World;
let broker: Replica;
beforeAll(async () => {
  world = await makeWorld();
  broker = await world.start();
  await world.issue(broker);
});
afterAll(() => world.close());

/** Nobody tells the broker that it is back. */
async function comesBack(): Promise<void> {
  await until(async () => (await outcome(world.issue(broker))) === 'answered');
  expect((await broker.agent().ready()).ready).toBe(true);
  await world.passTime();
  await world.settled();
  expect(await world.audit()).toEqual([]);
}

test.each([
  {
    how: 'refuses',
    go: () => {
      world.ledgerProxy.refuse();
      world.ledgerProxy.drop();
    },
  },
  { how: 'falls silent', go: () => world.ledgerProxy.silence() },
])('a ledger that $how', async ({ go }) => {
  const grant = await world.issue(broker);
  const known = (await world.grants()).length;
  go();
  const agent = broker.agent().workload;
  const selector = { agent: agentId('nobody') };
  const answers = await Promise.all([
    outcome(world.issue(broker)),
    outcome(agent.renew(grant.id)),
    outcome(agent.revoke(grant.id, 'test')),
    outcome(broker.security.operator.createOrder({ selector, reason: 'test' })),
  ]);
  expect(answers).toEqual(Array(4).fill('503 ledger_unavailable'));
  expect(await broker.agent().ready()).toMatchObject({ ready: false, detail: { checks: { ledger: { ok: false } } } });
  await broker.agent().health();
  expect(await world.grants()).toHaveLength(known);
  expect(await world.works(grant)).toBe(true);
  await world.ledgerProxy.resume();
  await comesBack();
});

/** What was in the middle, if it came to be on record, is given up as soon as that can be said; the last one came after. */
async function onlyTheLastLives(known: number): Promise<void> {
  await until(async () => {
    const states = (await world.grants()).slice(known).map(({ state }) => state);
    return states.pop() === 'active' && states.every((state) => ['failed', 'revoked'].includes(state));
  });
  expect(await world.audit()).toEqual([]);
}

/** In the middle of an issuance. */
const LEDGER = ISSUE_PLACES.filter(({ place }) => place.at === 'ledgerProxy');

test.each(LEDGER)('a ledger that goes away $step', async ({ place }) => {
  const known = (await world.grants()).length;
  const held = hold(world, place);
  const asked = outcome(world.issue(broker));
  await held.reached;
  world.ledgerProxy.refuse();
  world.ledgerProxy.drop();
  held.drop();
  expect(await asked).toBe('503 ledger_unavailable');
  await world.ledgerProxy.resume();
  await comesBack();
  await onlyTheLastLives(known);
});

test.each(LEDGER)('an answer to the ledger that comes after the broker has given up, $step', async ({ place }) => {
  const known = (await world.grants()).length;
  const held = hold(world, place);
  expect(await outcome(world.issue(broker))).toBe('503 ledger_unavailable');
  held.release();
  await comesBack();
  expect(await world.grants()).toHaveLength(known + 2);
  await onlyTheLastLives(known);
});

test('a ledger that goes away while a connection to it is being made', async () => {
  world.ledgerProxy.drop();
  const held = hold(world, asks('ledgerProxy', 'set_config'));
  const asked = outcome(world.issue(broker));
  await held.reached;
  world.ledgerProxy.refuse();
  world.ledgerProxy.drop();
  held.drop();
  expect(await asked).toBe('503 ledger_unavailable');
  await world.ledgerProxy.resume();
  await comesBack();
});

/**
 * A server that is shut down says so at once on a connection that was just made: in the packet that makes it ready. Whose
 * connection it was, that of this request or of a check beside it, nobody can tell.
 */
test.each([
  { at: 'ledgerProxy', nth: 2, want: '503 ledger_unavailable' },
  { at: 'targetProxy', nth: 1, want: '502 provider_unreachable' },
] as const)('a connection by way of $at that dies as it is made', async ({ at, nth, want }) => {
  world[at].drop();
  const held = world[at].hold({ from: 'backend', nth, match: ({ type }) => type === 'Z' });
  const asked = outcome(world.issue(broker));
  await held.reached;
  await world.terminate(at);
  held.release();
  expect([want, 'answered']).toContain(await asked);
  await comesBack();
});

describe('a ledger server of its own', () => {
  let server: PostgresServer;
  let own: World;
  let processes: number[] = [];
  const signal = (name: NodeJS.Signals) => processes.forEach((pid) => process.kill(pid, name));
  beforeAll(async () => {
    server = await startOwnServer();
    const superuser = server.url.reveal();
    own = await makeWorld({ ledger: superuser, broker: await makeTemplate(superuser) });
  });
  afterAll(async () => {
    signal('SIGCONT');
    await own.close();
    await server.stop();
  });

  test('stopped in the middle, and let go on', async () => {
    const broker = await own.start('direct');
    const grant = await own.issue(broker);
    processes = [server.pid, ...(await own.select('select pid from pg_stat_activity')).map(Number)];
    signal('SIGSTOP');
    expect(await outcome(own.issue(broker))).toBe('503 ledger_unavailable');
    expect((await broker.agent().ready()).ready).toBe(false);
    expect(await own.works(grant)).toBe(true);
    signal('SIGCONT');
    processes = [];
    await until(async () => (await outcome(own.issue(broker))) === 'answered');
    await own.passTime();
    await own.settled();
    expect(await own.audit()).toEqual([]);
  });
});
