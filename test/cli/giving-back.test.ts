import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { giveBack } from '../../src/cli/giving-back.ts';
import { makeClient } from '../../src/client/index.ts';

/** A broker that takes what is sent and never answers. */
const hanging: typeof fetch = (_url, init) =>
  new Promise((_resolve, reject) => {
    init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
  });
const grant = { id: 'g1', expires_at: '2026-11-25T12:15:00Z' };

test('is given up after ten seconds, whatever garbage is collected, and says when the grant ends', async () => {
  setFlagsFromString('--expose-gc');
  const collecting = setInterval(runInNewContext('gc') as () => void, 50);
  const client = makeClient({ url: 'http://127.0.0.1:1', identityToken: 'x', fetch: hanging, timeoutMs: 45_000 });
  const notes: string[] = [];
  const shell = { sleep: () => Promise.resolve(), out: { note: async (line: string) => void notes.push(line) } };
  const caller = new AbortController();
  const began = Date.now();
  expect(await giveBack({ shell, client, grant, reason: 'test', signal: caller.signal })).toBe(false);
  clearInterval(collecting);
  expect(Date.now() - began).toBeLessThan(30_000);
  expect(notes).toEqual([expect.stringContaining('ends at 2026-11-25T12:15:00Z')]);
  expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
});
