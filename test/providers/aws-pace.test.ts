import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from '../../src/domain/deadline.ts';
import { makeIds } from '../../src/domain/ids.ts';
import { makeClients } from '../../src/providers/aws/clients.ts';
import { aws } from '../../src/providers/aws/index.ts';
import { makeKnown } from '../../src/providers/aws/known.ts';
import { mintSession } from '../../src/providers/aws/mint.ts';
import { makeParents } from '../../src/providers/aws/parents.ts';
import { readPlan } from '../../src/providers/aws/plan.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { deferred } from '../support/deferred.ts';
import { failure } from '../support/failure.ts';
import { awsProfile, awsWorld, MONTH, type AwsWorld } from './aws-harness.ts';

/** How long a mint may take, and that nothing of it goes on when nobody waits for it any more. */
let world: AwsWorld;
let url: string;
const closers: (() => unknown)[] = [];
beforeAll(async () => {
  world = await awsWorld();
  ({ url } = world.fake);
});
afterEach(async () => {
  world.fake.faults.clear();
  for (const close of closers.splice(0)) await close();
});
afterAll(() => world.fake.close());

const ids = makeIds(randomBytes, () => world.fake.now().getTime());

function planned(by: Provider) {
  const now = world.now();
  const names = { mint: ids.mint(), grant: ids.grant(), task: ids.task() };
  const subject = { trust: 'mesh', id: 'spiffe://prod.example/agent/a' };
  const endsAt = new Date(now.getTime() + 600_000);
  return by.plan(awsProfile(), { month: MONTH }, { ...names, subject, now, endsAt });
}

/** The mint of a provider, with a limit of its own. */
function minting(scoped: 'on' | 'off', endpoint = url) {
  const config = aws.config.parse({
    region: world.fake.region,
    endpoint,
    scoped,
    credentials: { access_key_id: world.broker.accessKeyId, secret_access_key: world.broker.secretAccessKey },
  });
  const clock = { now: world.fake.now, offsetMs: () => 0 };
  const clients = makeClients(config, { clock, readFile: () => Promise.reject(new Error('no file is read')) });
  const provider = world.provider({ url: endpoint, config: { scoped } });
  closers.push(
    () => clients.close(),
    () => provider.close(),
  );
  const parts = { clients, known: makeKnown(config), parents: makeParents(clock.now), clock };
  const request = readPlan(planned(provider));
  return (limitMs: number, recorded?: Promise<void>) => {
    const { signal } = deadline(limitMs, undefined, recorded); // as the exchange bounds it
    return mintSession(parts, request, { signal, ...(recorded && { recorded }) });
  };
}

/** What the SDK's own limits for one call, with its three attempts, come to. */
const ALL_ATTEMPTS_MS = 9_000;

test.each(['on', 'off'] as const)(
  'children %s: the time of a mint begins with the commit of its intent, however long that takes',
  async (scoped) => {
    world.fake.faults.silent = true;
    let commit = () => {};
    const recorded = new Promise<void>((resolve) => (commit = resolve));
    let over = false;
    const failing = failure(minting(scoped)(50, recorded)).finally(() => (over = true));
    await sleep(300);
    expect(over).toBe(false);
    const began = Date.now();
    commit();
    expect(await failing).toMatchObject({ code: 'provider_timeout' });
    expect(Date.now() - began).toBeLessThan(ALL_ATTEMPTS_MS);
  },
);

test('it is of all calls together: what the first has taken the second does not have', async () => {
  world.fake.faults.delay('AssumeRole', 2_500, 1);
  world.fake.faults.delay('GetScopedCredentials', 60_000);
  const began = Date.now();
  const error = await failure(minting('on')(4_000));
  expect(error).toMatchObject({ code: 'provider_timeout', nothingLives: false });
  expect(Date.now() - began).toBeLessThan(ALL_ATTEMPTS_MS);
});

test('what is under way is cut off when the caller goes, and counts as perhaps done', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => closing(server));
  const provider = world.provider({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    config: { scoped: 'off' },
  });
  closers.push(() => provider.close());
  const caller = new AbortController();
  const arrived = deferred<number>();
  const left = deferred<number>();
  server.on('request', (incoming) => {
    incoming.socket.on('close', () => left.resolve(Date.now()));
    arrived.resolve(Date.now());
  });
  const failing = failure(provider.mint(planned(provider), caller.signal));
  const since = await arrived.promise;
  caller.abort();
  expect(await failing).toMatchObject({ code: 'provider_timeout', nothingLives: false });
  // By itself the SDK would let it go after three seconds.
  expect((await left.promise) - since).toBeLessThan(2_900);
});

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
