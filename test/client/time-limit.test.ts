import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { makeClient, WritError } from '../../src/client/index.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Garbage is collected all the time: a limit that nobody keeps alive is lost. */
let collecting: NodeJS.Timeout;
let server: Server;
let url: string;
beforeAll(async () => {
  collecting = setInterval(collect, 10);
  server = createServer((request, response) => {
    if (request.url?.endsWith('/g-half'))
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"id"');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  clearInterval(collecting);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof WritError ? error.facts : error),
  );

describe.each([
  ['that never answers', 'g-none'],
  ['that never ends its answer', 'g-half'],
])('a broker %s', (_name, grant) => {
  test.each([
    ['with a caller who waits', () => ({ signal: new AbortController().signal })],
    ['alone', () => ({})],
  ])('is given up in time, %s', async (_who, options) => {
    const client = makeClient({ url, identityToken: 'x', timeoutMs: 400 });
    expect(await errorOf(client.workload.grant(grant, options()))).toMatchObject({ reason: 'timeout' });
  });

  test('is given up when the caller goes away', async () => {
    const client = makeClient({ url, identityToken: 'x' });
    const caller = new AbortController();
    const asking = errorOf(client.workload.grant(grant, { signal: caller.signal }));
    setTimeout(() => caller.abort(), 400);
    expect(await asking).toMatchObject({ reason: 'aborted' });
  });
});
