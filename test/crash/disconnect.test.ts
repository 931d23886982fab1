import { hold, ISSUE_PLACES, outcome } from './steps.ts';
import { makeWorld, PROFILE, type Replica, type World } from './world.ts';
import { until } from '../support/waiting.ts';

const goneCallers = () => broker.lines.filter((line) => line.includes('"aborted":true')).length;

/** The caller goes away before its credential was flushed: nobody has it, so it is ended. */
let world: World;
let broker: Replica;
beforeAll(async () => {
  world = await makeWorld();
  broker = await world.start();
});
afterAll(() => world.close());

describe.each(ISSUE_PLACES)('a caller that goes away $step', ({ place }) => {
  test('leaves nothing alive', async () => {
    const known = (await world.grants()).length;
    const told = goneCallers();
    const gone = new AbortController();
    const held = hold(world, place);
    const request = { profile: PROFILE, purpose: 'test' };
    const asked = outcome(broker.agent().workload.issue(request, { signal: gone.signal }));
    await held.reached;
    gone.abort();
    expect(await asked).toBe('0 unreachable');
    await until(() => goneCallers() > told);
    held.release();
    await until(async () => (await world.grants()).length > known);
    await world.settled();
    await until(async () => (await world.grants())[known]?.state !== 'active');
    await world.settled();
    expect((await world.grants()).slice(known)).toMatchObject([{ state: 'revoked', why: 'abandoned' }]);
    expect(await world.logins()).toEqual([]);
    expect(await world.audit()).toEqual([]);
  });
});

test('a renewal whose caller goes away ends alone', async () => {
  const grant = await world.issue(broker);
  const told = goneCallers();
  const gone = new AbortController();
  const held = hold(world, ISSUE_PLACES[6].place);
  const asked = outcome(broker.agent().workload.renew(grant.id, { signal: gone.signal }));
  await held.reached;
  gone.abort();
  await asked;
  await until(() => goneCallers() > told);
  held.release();
  await until(async () => (await world.grant(grant.id)).mints.some(({ state }) => state === 'ended'));
  expect(await world.grant(grant.id)).toMatchObject({
    state: 'active',
    mints: [{ state: 'live' }, { state: 'ended' }],
  });
  expect(await world.works(grant)).toBe(true);
  expect(await world.audit()).toEqual([]);
});
