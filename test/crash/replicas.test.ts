import { agentId } from '../support/agents.ts';
import type { PgMessage } from '../support/pg-proxy.ts';
import { until } from '../support/waiting.ts';
import { asks, commits, executed, hold, ISSUE_PLACES, outcome, REVOKE_PLACES, type Place } from './steps.ts';
import { makeWorld, PROVIDER, type Replica, type World } from './world.ts';

/**
 * Two replicas, one of them stopped in the middle and let go on later, when the other has taken its work over. The
 * stopped one believes that no time has passed. What it had on the way arrives before the take-over, or after it.
 */
let world: World;
let stopped: Replica;
let other: Replica;
beforeAll(async () => {
  world = await makeWorld();
  [stopped, other] = await Promise.all([world.start(), world.start('direct')]);
});
afterAll(() => world.close());

const ARRIVES = ['before', 'after'] as const;
/** Who stood still for longer than it gives the ledger may believe that the ledger is away, and says so. */
const AWAY = '503 ledger_unavailable';

describe.each(ISSUE_PLACES)('an issuance, stopped $step', ({ place }) => {
  test.each(ARRIVES)('what was under way arrives %s the take-over', async (when) => {
    const known = (await world.grants()).length;
    const held = hold(world, place);
    const asked = outcome(world.issue(stopped));
    await held.reached;
    stopped.kill('SIGSTOP');
    if (when === 'before') held.release();
    await world.takenOver(other, known);
    stopped.kill('SIGCONT');
    held.release();

    const answer = await asked;
    expect(answer).toMatch(/^(answered|409 superseded|50[24] provider_[a-z]+|503 ledger_unavailable)$/);
    await world.takenOver(other, known);
    // An answer that was under way when the grant ended may still arrive: what it holds is worth nothing by then.
    const [grant, ...more] = (await world.grants()).slice(known);
    expect(more).toEqual([]);
    const wasActive = answer === 'answered' || grant?.why === 'revocation' || (answer === AWAY && grant?.issued);
    if (grant || answer !== AWAY) expect(grant?.state).toBe(wasActive ? 'revoked' : 'failed');
    expect(await world.audit()).toEqual([]);
    expect(await world.logins()).toEqual([]);
  });
});

/** A revocation held at `place`. Either replica's reaper may be the first to claim the end: then another grant is tried. */
async function caughtRevoking(place: Place) {
  for (;;) {
    const grant = await world.issue(other);
    const session = await world.session(grant);
    const held = hold(world, place);
    const asked = outcome(stopped.agent().workload.revoke(grant.id, 'test'));
    const first = await Promise.race([held.reached.then(() => 'held'), asked]);
    if (first === 'held') return { grant, session, held, asked };
    held.release();
    await session.close();
  }
}

describe.each(REVOKE_PLACES)('a revocation, stopped $step', ({ place }) => {
  test.each(ARRIVES)('what was under way arrives %s the take-over', async (when) => {
    const { grant, session, held, asked } = await caughtRevoking(place);
    stopped.kill('SIGSTOP');
    if (when === 'before') held.release();
    await world.takenOver(other);
    stopped.kill('SIGCONT');
    held.release();
    expect(['answered', AWAY]).toContain(await asked);
    await world.settled();
    expect((await world.grant(grant.id)).state).toBe('revoked');
    expect([await world.works(grant), await session.alive()]).toEqual([false, false]);
    await session.close();
    expect(await world.audit()).toEqual([]);
  });
});

/** In seconds: the lease of a claim. */
const LEASE = 30;

/** The lease of such a claim is anybody's as that of the first: whoever asked is not kept waiting for its end. */
test('a revocation, stopped with a claim on its way that arrives when the take-over has begun', async () => {
  const { grant, session, held, asked } = await caughtRevoking(asks('targetProxy', 'REVOKE'));
  const { match, ...place } = asks('ledgerProxy', 'claim_mints');
  const ofProvider = (message: PgMessage) => message.body.includes(`"provider":"${PROVIDER}"`);
  const polling = hold(world, { ...place, match: (message) => ofProvider(message) && match?.(message) === true });
  await polling.reached;
  stopped.kill('SIGSTOP');
  const start = Date.now();
  const begun = `select id from mints where grant_id = '${grant.id}' and (state = 'ended' or due_at <= clock_timestamp())`;
  await Promise.all([
    world.takenOver(other),
    until(async () => (await world.select(begun)).length > 0).then(() => polling.release()),
  ]);
  expect(Date.now() - start).toBeLessThan(LEASE * 1000);
  stopped.kill('SIGCONT');
  held.release();
  expect(['answered', AWAY]).toContain(await asked);
  await world.settled();
  expect((await world.grant(grant.id)).state).toBe('revoked');
  expect(await session.alive()).toBe(false);
  await session.close();
});

/**
 * Half a request has arrived, its commit has not, and whoever sent it is gone without a word: the network was cut in
 * between. What it locked does not stand in the way of an order for long.
 */
test.each(['open_grant', 'activate_mint'])('an order behind a %s that never commits', async (sql) => {
  const held = hold(world, commits('ledgerProxy', sql));
  const asked = outcome(world.issue(stopped));
  await held.reached;
  await executed(world, sql);
  stopped.kill('SIGSTOP');
  const selector = { agent: agentId('one') };
  const ordered = await outcome(
    until(
      async () => (await outcome(other.security.operator.createOrder({ selector, reason: 'test' }))) === 'answered',
    ),
  );
  expect(ordered).toBe('answered');
  stopped.kill('SIGCONT');
  held.release();
  expect(await asked).not.toBe('answered');
  await world.passTime();
  await world.settled();
  expect(await world.logins()).toEqual([]);
  await world.liftAll(other);
  expect(await world.audit()).toEqual([]);
});
