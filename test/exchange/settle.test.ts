import type { GrantId, MintId } from '../../src/domain/ids.ts';
import { pauseSeconds, STUCK_AFTER } from '../../src/exchange/settle.ts';
import type { Ended, Found } from '../../src/providers/provider.ts';
import { deferred } from '../support/deferred.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { caller, makeWorld, notDone, REQUEST, startProcess, unclear } from './world.ts';
import type { World } from './world.ts';

/** What one claim of the reaper comes to, by what the provider says (CORRECTNESS, *Issue* 5 and *Ending*). */
let world: World;
beforeAll(async () => {
  world = await makeWorld({ provider: memoryProvider({ has: ['cleanup'] }) });
});
afterAll(() => world.close());
afterEach(() => world.provider.recover());

/** An intent whose process is gone: `lives` says whether the provider had done its part. */
async function orphan(lives: boolean): Promise<{ grant: GrantId; mint: MintId }> {
  const opened = await world.record.open({ provider: 'memory' });
  const plan = {
    mint: opened.mint,
    endsAt: new Date(Date.now() + 600_000),
    revocability: { mode: 'immediate' },
    request: {},
  } as const;
  if (lives) await world.provider.mint(plan, new AbortController().signal);
  await world.record.age(opened.grant, 16);
  await world.record.ledger.reaping.advanceDue(500);
  return opened;
}

const future = () => new Date(Date.now() + 60_000);
const past = () => new Date(Date.now() - 1_000);
const found = (answer?: () => Found) => () => {
  if (answer) world.provider.answers.find = answer;
};
const ended = (answer: () => Ended) => () => {
  world.provider.answers.end = answer;
};
const throwing = (call: string, error: () => Error) => () => {
  world.provider.before = (asked) => {
    if (asked === call) throw error();
  };
};

test.each([
  {
    name: 'found, and ended',
    lives: true,
    break: found(),
    state: 'failed',
    mint: { state: 'ended', outcome: 'ended' },
    calls: ['find', 'end'],
  },
  {
    name: 'absent, and a late mint made harmless',
    lives: false,
    break: found(),
    state: 'failed',
    mint: { state: 'ended', outcome: 'absent' },
    calls: ['find'],
  },
  {
    name: 'unknowable until later',
    lives: false,
    break: found(() => ({ kind: 'unknowable', until: future() })),
    state: 'ending',
    mint: { state: 'ending', attempts: 0 },
    calls: ['find'],
  },
  {
    name: 'unknowable, and past it',
    lives: false,
    break: found(() => ({ kind: 'unknowable', until: past() })),
    state: 'expired',
    mint: { state: 'ended', outcome: 'lapsed' },
    calls: ['find'],
  },
  {
    name: 'found, its end needs time',
    lives: true,
    break: ended(() => ({ kind: 'pending', until: future() })),
    state: 'ending',
    mint: { state: 'ending', attempts: 0 },
    calls: ['find', 'end'],
  },
  {
    name: 'found, and not to be taken back',
    lives: true,
    break: ended(() => ({ kind: 'not_revocable', until: future() })),
    state: 'ending',
    mint: { state: 'ending', attempts: 0 },
    calls: ['find', 'end'],
  },
  {
    name: 'found, and over by itself',
    lives: true,
    break: ended(() => ({ kind: 'not_revocable', until: past() })),
    state: 'expired',
    mint: { state: 'ended', outcome: 'lapsed' },
    calls: ['find', 'end'],
  },
  {
    name: 'finding fails',
    lives: true,
    break: throwing('find', unclear),
    state: 'ending',
    mint: { state: 'ending', attempts: 1, last_error: 'provider_timeout', handle: null },
    calls: ['find'],
  },
  {
    name: 'ending fails: the handle is kept',
    lives: true,
    break: throwing('end', unclear),
    state: 'ending',
    mint: { state: 'ending', attempts: 1, last_error: 'provider_timeout', handle: { login: expect.any(String) } },
    calls: ['find', 'end'],
  },
  {
    name: 'ending breaks',
    lives: true,
    break: throwing('end', () => new TypeError('x')),
    state: 'ending',
    mint: { attempts: 1, last_error: 'internal_error' },
    calls: ['find', 'end'],
  },
  {
    name: 'a refusal to end is no end',
    lives: true,
    break: throwing('end', notDone),
    state: 'ending',
    mint: { attempts: 1, last_error: 'provider_refused' },
    calls: ['find', 'end'],
  },
])('$name: $state', async ({ lives, break: begin, state, mint, calls }) => {
  const { grant, mint: id } = await orphan(lives);
  begin();
  const before = world.provider.calls.length;
  await world.settleGrant(grant);
  expect(await world.record.grant(grant)).toMatchObject({ state });
  const row = await world.record.mint(id);
  expect(row).toMatchObject(mint);
  expect(world.provider.calls.slice(before).map(({ call }) => call)).toEqual(calls);
  // what was ended is cleared away by a provider that has something to clear
  expect(row.cleanup_due_at !== null).toBe(row.state === 'ended');
  if (row.state === 'ending') expect(row.due_at.getTime()).toBeGreaterThan(Date.now());
});

test('a provider that this process does not have: counted as a failure, for others to see', async () => {
  const opened = await world.record.live({ provider: 'gone' });
  await world.record.revoke(opened);
  await world.settleGrant(opened.grant);
  expect(await world.record.mint(opened.mint)).toMatchObject({
    state: 'ending',
    attempts: 1,
    last_error: 'provider_unreachable',
  });
});

test('a claim that was lost before the handle was noted: nothing is ended on its strength', async () => {
  const { grant, mint } = await orphan(true);
  const [claim] = await world.record.ledger.reaping.claim({ grant, owner: 'slow', limit: 1, lease_seconds: 30 });
  world.provider.after = async (call) => {
    if (call !== 'find') return;
    await world.record.age(grant, 31);
    await world.record.ledger.reaping.claim({ grant, owner: 'next', limit: 1, lease_seconds: 30 });
  };
  const before = world.provider.calls.length;
  if (claim) await world.settle(claim);
  expect(world.provider.calls.slice(before).map(({ call }) => call)).toEqual(['find']);
  expect(await world.record.mint(mint)).toMatchObject({ state: 'ending', claimed_by: 'next', handle: null });
});

test('two processes, one stopped in the middle: the other takes over, and the first changes nothing when it goes on', async () => {
  const { grant, mint } = await orphan(true);
  const stopped = deferred<void>();
  world.provider.before = (call) => (call === 'end' ? stopped.promise : undefined);
  const [claim] = await world.record.ledger.reaping.claim({ grant, owner: 'stopped', limit: 1, lease_seconds: 30 });
  const first = claim ? world.settle(claim) : undefined;
  while (!(await world.record.mint(mint)).handle) await new Promise((resolve) => setTimeout(resolve, 5));
  await world.record.age(grant, 31);
  world.provider.recover();
  const second = await startProcess(world.proxy.url, [world.provider]);
  await second.settleGrant(grant);
  expect(await world.record.grant(grant)).toMatchObject({ state: 'failed' });
  const events = await world.record.events(grant);
  stopped.resolve();
  await first;
  expect(await world.record.events(grant)).toEqual(events);
  await second.close();
});

test('the ledger does not take the failure: settling ends all the same, and the lease brings it round again', async () => {
  const issued = await world.issue(caller(), REQUEST);
  await world.record.revoke(issued);
  const [claim] = await world.record.ledger.reaping.claim({
    grant: issued.grant,
    owner: 'me',
    limit: 1,
    lease_seconds: 30,
  });
  world.provider.before = (call) => {
    if (call !== 'end') return;
    world.proxy.refuse();
    world.proxy.drop();
    throw unclear();
  };
  if (claim) await world.settle(claim);
  await world.proxy.resume();
  world.provider.recover();
  expect(await world.reap(issued.grant, 31)).toBe('revoked');
});

test('stuck after so many attempts, and tried on', async () => {
  const issued = await world.issue(caller(), REQUEST);
  await world.record.revoke(issued);
  world.provider.before = (call) => {
    if (call === 'end') throw unclear();
  };
  const states: string[] = [];
  for (let attempt = 0; attempt < STUCK_AFTER + 2; attempt++) states.push(await world.reap(issued.grant, 61));
  expect(states).toEqual([...Array.from({ length: STUCK_AFTER - 1 }, () => 'ending'), 'stuck', 'stuck', 'stuck']);
  world.provider.recover();
  expect(await world.reap(issued.grant, 61)).toBe('revoked');
});

test.each([
  [0, 1],
  [1, 2],
  [3, 8],
  [5, 32],
  [6, 60],
  [100, 60],
])('the pause after %i failures is %i s, and up to a quarter less', (attempts, seconds) => {
  expect(pauseSeconds(attempts, 0)).toBe(seconds);
  expect(pauseSeconds(attempts, 1)).toBe(seconds * 0.75);
});
