import type { ApprovalId } from '../../src/domain/ids.ts';
import { makeWaiting } from '../../src/exchange/waiting.ts';
import { ids } from '../ledger/world.ts';
import { codeOf } from './world.ts';

/** Long polls: however many wait, the ledger is asked one question, and nobody waits longer than they said. */
const patient = () => new AbortController().signal;

function ledger() {
  const done = new Set<ApprovalId>();
  const asked: (readonly ApprovalId[])[] = [];
  let broken = false;
  const settled = async (of: readonly ApprovalId[]) => {
    asked.push(of);
    if (broken) throw new Error('away');
    return of.filter((id) => done.has(id));
  };
  return { done, asked, settled, break: (is: boolean) => (broken = is) };
}
const passed = async (wait: Promise<void>, ms = 50) =>
  Promise.race([wait.then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), ms))]);

test('who waits is let go when it is answered, and nobody else', async () => {
  const { done, settled } = ledger();
  const waiting = makeWaiting({ settled, pollMs: 10_000 });
  const [one, two] = [ids.approval(), ids.approval()];
  const waits = [
    waiting.wait(one, 'a', 5, patient()),
    waiting.wait(one, 'b', 5, patient()),
    waiting.wait(two, 'c', 5, patient()),
  ];
  done.add(one);
  waiting.wake();
  expect(await Promise.all(waits.map((wait) => passed(wait)))).toEqual([true, true, false]);
  expect(waiting.count()).toBe(1);
  waiting.close();
  expect(await passed(waits[2] ?? Promise.resolve())).toBe(true);
});

test('without a notice it is seen at the next look', async () => {
  const { done, settled } = ledger();
  const waiting = makeWaiting({ settled, pollMs: 20 });
  const id = ids.approval();
  const wait = waiting.wait(id, 'a', 5, patient());
  await new Promise((resolve) => setTimeout(resolve, 30));
  done.add(id);
  expect(await passed(wait, 200)).toBe(true);
  waiting.close();
});

test('what was answered before is seen at once', async () => {
  const { done, settled } = ledger();
  const waiting = makeWaiting({ settled, pollMs: 10_000 });
  const id = ids.approval();
  done.add(id);
  expect(await passed(waiting.wait(id, 'a', 5, patient()))).toBe(true);
});

test('what is answered while it looks is looked at again', async () => {
  const { done, settled } = ledger();
  const id = ids.approval();
  let looks = 0;
  const waiting = makeWaiting({
    pollMs: 10_000,
    settled: async (of) => {
      const found = await settled(of);
      looks += 1;
      if (looks === 1) {
        done.add(id);
        waiting.wake();
      }
      return found;
    },
  });
  expect(await passed(waiting.wait(id, 'a', 5, patient()))).toBe(true);
});

test('one question for all that wait', async () => {
  const { asked, settled } = ledger();
  const waiting = makeWaiting({ settled, pollMs: 10_000, mostOfOne: 1_000 });
  const some = Array.from({ length: 5 }, () => ids.approval());
  for (let n = 0; n < 500; n++) void waiting.wait(some[n % 5] ?? ids.approval(), 'a', 5, patient());
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = asked.length;
  waiting.wake();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(asked.slice(before)).toHaveLength(1);
  expect(new Set(asked.at(-1))).toEqual(new Set(some));
  waiting.close();
});

test('its time, a caller that is gone, and none at all', async () => {
  const { settled } = ledger();
  const waiting = makeWaiting({ settled });
  const gone = new AbortController();
  const wait = waiting.wait(ids.approval(), 'a', 5, gone.signal);
  gone.abort();
  expect(await passed(wait)).toBe(true);
  expect(await passed(waiting.wait(ids.approval(), 'a', 0, patient()))).toBe(true);
  expect(await passed(waiting.wait(ids.approval(), 'a', 5, gone.signal))).toBe(true);
  expect(await passed(waiting.wait(ids.approval(), 'a', 0.02, patient()), 200)).toBe(true);
  expect(waiting.count()).toBe(0);
});

test('while the ledger is away they wait on', async () => {
  const { done, settled, break: away } = ledger();
  const waiting = makeWaiting({ settled, pollMs: 10 });
  const id = ids.approval();
  away(true);
  done.add(id);
  const wait = waiting.wait(id, 'a', 5, patient());
  expect(await passed(wait)).toBe(false);
  away(false);
  expect(await passed(wait, 200)).toBe(true);
});

test('so many of one caller, and of all', async () => {
  const { settled } = ledger();
  const waiting = makeWaiting({ settled, most: 3, mostOfOne: 2 });
  const wait = (who: string) => codeOf(waiting.wait(ids.approval(), who, 0.2, patient()));
  const all = await Promise.all([wait('a'), wait('a'), wait('a'), wait('b'), wait('c')]);
  expect(all).toEqual(['done', 'done', 'too_many_requests', 'done', 'too_many_requests']);
  expect(await wait('a')).toBe('done');
});

test('once it is closed nobody waits', async () => {
  const { settled } = ledger();
  const waiting = makeWaiting({ settled });
  const wait = waiting.wait(ids.approval(), 'a', 60, patient());
  waiting.close();
  expect(await passed(wait)).toBe(true);
  expect(await passed(waiting.wait(ids.approval(), 'a', 60, patient()))).toBe(true);
});
