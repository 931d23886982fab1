import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Settings } from './config/settings.ts';
import { StartError } from './start-error.ts';

const MAX_HEADER_BYTES = 16 * 1024;
const KEEP_ALIVE_MS = 65_000;
const DRAIN_MS = 20_000;
const LOOK_FOR_IDLE_MS = 50;

/** How long a request's head, and all of it, may take to arrive; and how often that is looked at. */
const PATIENCE = { headersMs: 10_000, requestMs: 30_000, checkMs: 2_000 };

/** A listener whose handler comes later: the address, and so the audience of evidence, is known only once it listens. */
export interface Listening {
  readonly url: string;
  readonly port: number;
  handle(listener: RequestListener): void;
  /** No new connections; what is in flight finishes, for 20 seconds at most. */
  drain(): Promise<void>;
}

/** @throws StartError where it cannot listen there. */
export async function startListening(
  { host, port, tls }: Settings['server'],
  { headersMs, requestMs, checkMs } = PATIENCE,
): Promise<Listening> {
  let listener: RequestListener = (_req, res) => {
    res.writeHead(503, { 'Retry-After': '1', Connection: 'close' }).end();
  };
  const dispatch: RequestListener = (req, res) => listener(req, res);
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: requestMs,
    headersTimeout: headersMs,
    connectionsCheckingInterval: checkMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const server: Server = tls
    ? createTlsServer({ ...options, cert: await readFile(tls.cert), key: await readFile(tls.key) }, dispatch)
    : createServer(options, dispatch);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(notListening(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls ? 'https' : 'http'}://${name}:${address.port}`,
    port: address.port,
    handle: (next) => (listener = next),
    drain: () =>
      new Promise((resolve) => {
        const forced = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
        // A connection that is kept open becomes idle only once it is answered.
        const idle = setInterval(() => server.closeIdleConnections(), LOOK_FOR_IDLE_MS);
        server.close(() => {
          clearTimeout(forced);
          clearInterval(idle);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function notListening(cause: Error & { readonly code?: string }, host: string, port: number): StartError {
  const { code = 'no code' } = cause;
  const taken =
    code === 'EADDRINUSE'
      ? ': the port is taken, and server.port (in the sample, the variable PORT) names another'
      : '';
  return new StartError(`cannot listen on ${host} port ${port} (${code})${taken}`, { cause });
}
