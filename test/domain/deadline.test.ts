import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deadline } from '../../src/domain/deadline.ts';

const aborted = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener('abort', () => resolve(signal.reason));
  });

test('the time is up, however often the garbage is collected meanwhile', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const collecting = setInterval(collect, 10);
  const { signal } = deadline(200, new AbortController().signal);
  const outcome = await Promise.race([aborted(signal), sleep(2_000, 'never')]);
  clearInterval(collecting);
  expect(outcome).toMatchObject({ name: 'TimeoutError' });
});

test('time that begins with something else: with its end, and never where that fails or all is over before', async () => {
  let done = () => {};
  const begins = new Promise<void>((resolve) => (done = resolve));
  const [bounded, cleared] = [deadline(20, undefined, begins), deadline(20, undefined, begins)];
  const failed = deadline(20, undefined, Promise.reject(new Error('failed')));
  await sleep(60);
  expect(bounded.signal.aborted).toBe(false);
  cleared.clear();
  done();
  expect(await aborted(bounded.signal)).toMatchObject({ name: 'TimeoutError' });
  await sleep(60);
  expect([cleared.signal.aborted, failed.signal.aborted]).toEqual([false, false]);
});

test('a caller that goes away, before or meanwhile, is the reason', async () => {
  const reason = new Error('gone');
  const before = deadline(10_000, AbortSignal.abort(reason));
  expect(before.signal.reason).toBe(reason);
  const caller = new AbortController();
  const { signal, clear } = deadline(10_000, caller.signal);
  caller.abort(reason);
  expect(await aborted(signal)).toBe(reason);
  clear();
  before.clear();
});

test('what is over is not aborted, and leaves nothing at its caller', async () => {
  const caller = new AbortController();
  const { signal, clear } = deadline(20, caller.signal);
  clear();
  await sleep(60);
  expect([signal.aborted, getEventListeners(caller.signal, 'abort')]).toEqual([false, []]);
});
