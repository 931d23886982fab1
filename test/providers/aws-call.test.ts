import { getEventListeners } from 'node:events';
import { ProviderError } from '../../src/domain/errors.ts';
import { ask, watching } from '../../src/providers/aws/call.ts';

/** A client in the SDK's place: what it sends goes through our middleware, as often as it likes. */
function client(answer: (attempt: number) => Promise<{ response: unknown }>) {
  let sent = 0;
  const attempt = watching<{ readonly input: object }, { response: unknown }>(() => answer((sent += 1)));
  return { attempt, sent: () => sent };
}

const throttled = () =>
  Promise.reject(Object.assign(new Error('Rate exceeded'), { name: 'Throttling', $metadata: { httpStatusCode: 400 } }));
const command = () => ({ input: {} });

test('once the caller has gone no further attempt leaves, and what was throttled before has left nothing', async () => {
  const caller = new AbortController();
  const { attempt, sent } = client(throttled);
  const one = command();
  let again: Promise<unknown> = Promise.resolve();
  const asked = ask(caller.signal, one, async () => {
    await attempt(one).catch(() => caller.abort());
    again = attempt(one);
    await again;
  });
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ProviderError);
  expect(error).toMatchObject({ code: 'provider_timeout', nothingLives: true });
  await expect(again).rejects.toThrow();
  expect(sent()).toBe(1);
});

test('of two calls at once neither knows of the other’s attempts', async () => {
  const forever = new AbortController().signal;
  const { attempt: lost } = client(() => Promise.reject(new Error('the connection broke')));
  const { attempt: refused } = client(throttled);
  const [one, other] = [command(), command()];
  const [first, second] = await Promise.allSettled([
    ask(forever, one, () => lost(one)),
    ask(forever, other, () => refused(other)),
  ]);
  expect(first).toMatchObject({ reason: { nothingLives: false } });
  expect(second).toMatchObject({ reason: { nothingLives: true } });
});

test('what nobody asked for does not leave', async () => {
  const { attempt, sent } = client(() => Promise.resolve({ response: {} }));
  await expect(attempt(command())).rejects.toThrow(TypeError);
  expect(sent()).toBe(0);
});

test('what cannot even be sent is a failure like others, and leaves nothing behind', async () => {
  const { signal } = new AbortController();
  const asked = ask(signal, command(), () => {
    throw new TypeError('no such member');
  });
  await expect(asked).rejects.toMatchObject({ name: 'ProviderError', nothingLives: true });
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
