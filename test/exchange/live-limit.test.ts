import { setImmediate as turn } from 'node:timers/promises';
import { makeLiveLimit } from '../../src/exchange/live-limit.ts';
import { makeDecideSoon } from '../../src/policy/decide-soon.ts';
import { request } from '../policy/world.ts';
import { deferred } from '../support/deferred.ts';
import { ALLOW, codeOf } from './world.ts';

/** A ledger of one number, whose counts come when they are let: each sees what was committed when it was asked. */
function world(limit: number) {
  let nowMs = 0;
  let live = 0;
  let counts = 0;
  let gate: Promise<void> | undefined;
  const count = async (_trust: string, _id: string, upTo: number) => {
    counts += 1;
    const seen = Math.min(live, upTo);
    await gate;
    return seen;
  };
  const soon: (() => void)[] = [];
  const { within, ahead } = makeLiveLimit({ limit, count, nowMs: () => nowMs, later: (call) => void soon.push(call) });
  const open = (commit: Promise<unknown> = Promise.resolve(), id = 'one') =>
    codeOf(
      within('mesh', id, async () => {
        await commit;
        live += 1;
      }),
    );
  return {
    open,
    ahead: () => ahead('mesh', 'one'),
    within,
    counts: () => counts,
    live: () => live,
    end: (n: number) => void (live -= n),
    pass: (ms: number) => void (nowMs += ms),
    /** Calls what was put off. */
    later: () => soon.splice(0).forEach((call) => call()),
    hold: (until: Promise<void> | undefined) => void (gate = until),
  };
}

test('so many and no more, whoever comes at once', async () => {
  const { open, live } = world(3);
  const codes = await Promise.all(Array.from({ length: 10 }, () => open()));
  expect(codes.filter((code) => code === 'done')).toHaveLength(3);
  expect(codes.filter((code) => code === 'too_many_live_grants')).toHaveLength(7);
  expect(live()).toBe(3);
});

test('what ended makes room at once, though the count was fresh', async () => {
  const { open, end } = world(2);
  await Promise.all([open(), open()]);
  expect(await open()).toBe('too_many_live_grants');
  end(1);
  expect([await open(), await open()]).toEqual(['done', 'too_many_live_grants']);
});

test('counted once while there is room, and again after five seconds', async () => {
  const { open, counts, pass, later } = world(100);
  for (let n = 0; n < 20; n++) await open();
  expect(counts()).toBe(1);
  pass(5_001);
  await Promise.all([open(), open()]);
  later();
  expect(counts()).toBe(2);
});

test('a count that is due begins ahead, is waited for, and is not taken twice', async () => {
  const { open, ahead, counts, end, hold, pass } = world(3);
  const counting = deferred<void>();
  hold(counting.promise);
  ahead();
  const first = open();
  expect(counts()).toBe(1);
  counting.resolve();
  hold(undefined);
  expect(await first).toBe('done');
  ahead();
  await open();
  expect(counts()).toBe(1);
  end(-1); // by another process
  pass(5_001);
  ahead();
  expect(counts()).toBe(2);
  expect(await open()).toBe('too_many_live_grants');
});

describe('with much room', () => {
  const filled = async (limit: number, committed: number) => {
    const made = world(limit);
    await made.open();
    made.end(1 - committed);
    made.pass(5_001);
    return made;
  };

  test('a count that is due is taken soon, once, and not ahead', async () => {
    const { open, ahead, counts, later } = await filled(100, 1);
    ahead();
    expect([await open(), await open(), counts()]).toEqual(['done', 'done', 1]);
    later();
    expect(counts()).toBe(2);
    later();
    expect(counts()).toBe(2);
  });

  test('what another process opened counts for whoever comes after that count', async () => {
    const { open, counts, live, later } = await filled(100, 99);
    expect(await open()).toBe('done');
    later();
    await turn();
    expect(await open()).toBe('too_many_live_grants');
    expect([live(), counts()]).toEqual([100, 3]);
  });

  test('those let in while it is counted are counted, whether or not it saw them', async () => {
    const { open, hold, live, later } = await filled(100, 70);
    const counting = deferred<void>();
    await open();
    hold(counting.promise);
    later();
    const during = await Promise.all(Array.from({ length: 24 }, () => open()));
    expect(new Set(during)).toEqual(new Set(['done']));
    hold(undefined);
    counting.resolve();
    await turn(); // what it found is known
    const after = await Promise.all(Array.from({ length: 10 }, () => open()));
    expect(after.filter((code) => code === 'done')).toHaveLength(5);
    expect(live()).toBe(100);
  });

  test('those being opened while it finds no room are waited for, and nobody is let in before', async () => {
    const { open, live, later } = await filled(100, 98);
    const commit = deferred<void>();
    const first = open(commit.promise);
    const second = open(commit.promise);
    later();
    await turn();
    const third = open();
    commit.resolve();
    expect(await Promise.all([first, second, third])).toEqual(['done', 'done', 'too_many_live_grants']);
    expect(live()).toBe(100);
  });

  test('a count of a minute ago lets nobody in any more', async () => {
    const { open, pass, end } = await filled(100, 100);
    pass(60_000);
    expect(await open()).toBe('too_many_live_grants');
    end(1);
    expect(await open()).toBe('done');
  });

  test('where a few are all that there may be, there is never much', async () => {
    const { open } = await filled(16, 16);
    expect(await open()).toBe('too_many_live_grants');
  });
});

test('with little room what another process opened counts after five seconds at the latest', async () => {
  const { open, end, pass } = world(5);
  await open();
  end(-4);
  pass(5_001);
  expect(await open()).toBe('too_many_live_grants');
});

test('one that commits while it is counted is counted, though the count did not see it', async () => {
  const { open, hold, pass, live } = world(2);
  await open();
  const commit = deferred<void>();
  const counting = deferred<void>();
  const slow = open(commit.promise);
  pass(5_001);
  hold(counting.promise);
  const next = open(); // its count sees one, and waits
  commit.resolve();
  expect(await slow).toBe('done');
  hold(undefined);
  counting.resolve();
  expect(await next).toBe('too_many_live_grants');
  expect(live()).toBe(2);
});

test('one that is being opened and fails takes nobody’s place', async () => {
  const { open, within } = world(1);
  const fail = deferred<void>();
  const failing = codeOf(
    within('mesh', 'one', async () => {
      await fail.promise;
      throw new Error('away');
    }),
  );
  const next = open();
  fail.resolve();
  expect(await failing).toBeInstanceOf(Error);
  expect(await next).toBe('done');
});

test('each workload has its own, trust entry and id together', async () => {
  const limits = new Map<string, number>();
  const { within } = makeLiveLimit({
    limit: 1,
    count: async (trust, id) => limits.get(JSON.stringify([trust, id])) ?? 0,
    nowMs: () => 0,
  });
  const open = (trust: string, id: string) =>
    codeOf(within(trust, id, async () => void limits.set(JSON.stringify([trust, id]), 1)));
  expect([await open('a', 'b'), await open('a', 'b'), await open('a","', 'b'), await open('b', 'b')]).toEqual([
    'done',
    'too_many_live_grants',
    'done',
    'done',
  ]);
});

test('a count is with the ledger before anything else is decided, though a pool sends it a tick later', async () => {
  const done: string[] = [];
  const { ahead } = makeLiveLimit({
    limit: 1,
    count: () => new Promise(() => process.nextTick(() => done.push('sent'))),
    nowMs: () => 0,
  });
  const decideSoon = makeDecideSoon((requests) => {
    done.push('decided');
    return requests.map(() => ALLOW);
  });
  ahead('mesh', 'one');
  await decideSoon(request());
  expect(done).toEqual(['sent', 'decided']);
});

test('a count that fails lets nobody through, and the next one is counted anew', async () => {
  let away = true;
  const { within, ahead } = makeLiveLimit({
    limit: 1,
    count: async () => {
      if (away) throw Object.assign(new Error('away'), { code: 'ledger_unavailable' });
      return 0;
    },
    nowMs: () => 0,
  });
  let opened = 0;
  const open = () => codeOf(within('mesh', 'one', async () => void (opened += 1)));
  ahead('mesh', 'one');
  expect(await Promise.all([open(), open()])).toEqual(['ledger_unavailable', 'ledger_unavailable']);
  away = false;
  expect([await open(), opened]).toEqual(['done', 1]);
});

test('many idle workloads are forgotten, and counted again when they come back', async () => {
  let counts = 0;
  const { within } = makeLiveLimit({ limit: 5, count: async () => (counts += 1) * 0, nowMs: () => 0 });
  const open = (id: string) => within('mesh', id, async () => undefined);
  for (let n = 0; n < 10_100; n++) await open(`agent ${n}`);
  expect(counts).toBe(10_100);
  await open('agent 10099');
  expect(counts).toBe(10_100);
  await open('agent 0');
  expect(counts).toBe(10_101);
});
