import { setTimeout as sleep } from 'node:timers/promises';
import { startLoop } from '../../src/reaper/loop.ts';
import type { Deferred } from '../support/deferred.ts';
import { deferred } from '../support/deferred.ts';
import { isOpen, until } from '../support/waiting.ts';

const HOUR = 3_600_000;

/** A loop whose rounds end when they are told to. */
function harness(intervalMs = HOUR) {
  const rounds: Deferred<boolean>[] = [];
  const errors: unknown[] = [];
  let running = 0;
  let most = 0;
  const loop = startLoop(
    intervalMs,
    async () => {
      const round = deferred<boolean>();
      rounds.push(round);
      most = Math.max(most, (running += 1));
      return round.promise.finally(() => (running -= 1));
    },
    (error) => errors.push(error),
  );
  const end = (more = false) => rounds.at(-1)?.resolve(more);
  return { loop, rounds, errors, end, most: () => most };
}
/** Long enough for whatever would follow at once. */
const settle = () => sleep(20);

test('begins at once, and comes round by itself', async () => {
  const { loop, rounds, end } = harness(5);
  for (let round = 1; round <= 3; round++) {
    await until(() => rounds.length === round);
    end();
  }
  await until(() => rounds.length === 4);
  end();
  await loop.stop();
});

test.each([
  { name: 'nothing more: waits', more: false, rounds: 1 },
  { name: 'more: goes on at once', more: true, rounds: 2 },
])('$name', async ({ more, rounds: want }) => {
  const { loop, rounds, end } = harness();
  end(more);
  await settle();
  expect(rounds).toHaveLength(want);
  end();
  await loop.stop();
});

test('woken while it waits: at once', async () => {
  const { loop, rounds, end } = harness();
  end();
  await settle();
  loop.wake();
  await until(() => rounds.length === 2);
  end();
  await loop.stop();
});

test('woken in the middle of a round, however often: one more round, and never two at a time', async () => {
  const { loop, rounds, end, most } = harness();
  for (let n = 0; n < 5; n++) loop.wake();
  await settle();
  expect(rounds).toHaveLength(1);
  end();
  await until(() => rounds.length === 2);
  end();
  await settle();
  expect([rounds.length, most()]).toEqual([2, 1]);
  await loop.stop();
});

test('a failure is told and waited out, and the next round comes', async () => {
  const errors: unknown[] = [];
  let rounds = 0;
  const loop = startLoop(
    5,
    async () => {
      rounds += 1;
      if (rounds === 1) throw new Error('once');
      return false;
    },
    (error) => errors.push(error),
  );
  await until(() => rounds > 2);
  expect(errors).toEqual([new Error('once')]);
  await loop.stop();
});

test('a failure does not spin', async () => {
  let rounds = 0;
  const loop = startLoop(
    HOUR,
    async () => {
      rounds += 1;
      throw new Error('always');
    },
    () => undefined,
  );
  await settle();
  expect(rounds).toBe(1);
  await loop.stop();
});

test('stopped: waits for the round under way, and begins no other', async () => {
  const { loop, rounds, end } = harness(1);
  const stopped = loop.stop();
  expect(await isOpen(stopped)).toBe(true);
  end(true);
  await stopped;
  loop.wake();
  await settle();
  expect(rounds).toHaveLength(1);
});

test('stopped while it waits: at once, and twice is harmless', async () => {
  const { loop, end } = harness();
  end();
  await settle();
  await loop.stop();
  await loop.stop();
});
