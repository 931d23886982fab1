import { connect } from 'node:net';
import { asks, hold, ISSUE_PLACES, outcome, REVOKE_PLACES } from './steps.ts';
import { makeWorld, type Replica, type World } from './world.ts';

/** SIGTERM: what is in flight is finished, nothing new is started, and the process ends by itself. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const isClosing = (broker: Replica) => broker.said(/"msg":"shutting down"/);

describe.each([ISSUE_PLACES[0], ISSUE_PLACES[4], ISSUE_PLACES[7]])('told to end $step', ({ place }) => {
  test('it hands the credential over, and then ends', async () => {
    const broker = await world.start();
    const held = hold(world, place);
    const asked = world.issue(broker);
    await held.reached;
    broker.kill('SIGTERM');
    await isClosing(broker);
    expect(await outcome(broker.agent('late').workload.issue({ profile: 'orders-read', purpose: 'test' }))).toMatch(
      /^(0 unreachable|503 shutting_down)$/,
    );
    held.release();
    const grant = await asked;
    expect(await world.works(grant)).toBe(true);
    expect(await broker.exited).toEqual({ code: 0, signal: null });
    expect(await world.audit()).toEqual([]);
  });
});

describe.each([REVOKE_PLACES[0], REVOKE_PLACES[4], REVOKE_PLACES[8]])('told to end $step', ({ place }) => {
  test('it ends the login, answers, and then ends', async () => {
    const broker = await world.start();
    const grant = await world.issue(broker);
    const held = hold(world, place);
    const asked = broker.agent().workload.revoke(grant.id, 'test');
    await held.reached;
    broker.kill('SIGTERM');
    await isClosing(broker);
    held.release();
    expect((await asked).state).toBe('revoked');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
    expect(await world.works(grant)).toBe(false);
    expect(await world.audit()).toEqual([]);
  });
});

test('what a caller left behind is ended before it ends', async () => {
  const broker = await world.start();
  const gone = new AbortController();
  const held = hold(world, ISSUE_PLACES[6].place);
  const ending = hold(world, asks('targetProxy', 'NOLOGIN'));
  const asked = outcome(
    broker.agent().workload.issue({ profile: 'orders-read', purpose: 'test' }, { signal: gone.signal }),
  );
  await held.reached;
  gone.abort();
  await asked;
  await broker.said(/"aborted":true/);
  held.release();
  await ending.reached;
  broker.kill('SIGTERM');
  await isClosing(broker);
  ending.release();
  expect(await broker.exited).toEqual({ code: 0, signal: null });
  expect((await world.grants()).at(-1)).toMatchObject({ state: 'revoked', why: 'abandoned' });
  expect(await world.audit()).toEqual([]);
});

test('a connection that is in use gets no new work, and does not hold the end up', async () => {
  const broker = await world.start();
  const { hostname, port } = new URL(broker.url);
  const socket = connect(Number(port), hostname).setEncoding('utf8');
  let answered = '';
  socket.on('data', (text: string) => (answered += text));
  const get = (path: string) => socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  const held = hold(world, asks('ledgerProxy', 'to_regclass'));
  get('/readyz');
  await held.reached;
  broker.kill('SIGTERM');
  await isClosing(broker);
  get('/v1/grants');
  held.release();
  expect(await broker.exited).toEqual({ code: 0, signal: null });
  expect(answered).toMatch(/^HTTP\/1\.1 .*HTTP\/1\.1 503 .*\r\nConnection: close\r\n.*"code":"shutting_down"/s);
});

test('a ledger that is away does not keep it from ending', async () => {
  const broker = await world.start();
  const grant = await world.issue(broker);
  world.ledgerProxy.silence();
  broker.kill('SIGTERM');
  expect(await broker.exited).toEqual({ code: 0, signal: null });
  await world.ledgerProxy.resume();
  expect(await world.works(grant)).toBe(true);
  expect(await world.audit()).toEqual([]);
});

test('told twice it ends at once, and the next start finishes what was in the middle', async () => {
  const broker = await world.start();
  const held = hold(world, asks('targetProxy', 'COMMIT'));
  const asked = outcome(world.issue(broker));
  await held.reached;
  broker.kill('SIGTERM');
  await isClosing(broker);
  broker.kill('SIGTERM');
  expect(await broker.exited).toEqual({ code: 130, signal: null });
  expect(await asked).toBe('0 unreachable');
  held.release();
  const next = await world.start();
  await world.passTime();
  await world.settled();
  expect((await world.grants()).at(-1)?.state).toBe('failed');
  expect(await world.audit()).toEqual([]);
  next.kill('SIGTERM');
  await next.exited;
});
