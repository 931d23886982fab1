import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Settings } from './config/settings.ts';
import { makeMessages } from './http/messages.ts';
import type { App } from './http/messages.ts';
import { StartError } from './start-error.ts';
import type { StartErrorCode } from './start-error.ts';

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
  handle(app: App): void;
  /** No new connections; what is in flight finishes, for 20 seconds at most. */
  drain(): Promise<void>;
}

/** @throws StartError with a code of its own, where nothing can listen there. */
export async function startListening(
  { host, port, tls }: Settings['server'],
  { headersMs, requestMs, checkMs } = PATIENCE,
): Promise<Listening> {
  let listener: RequestListener = (_req, res) => {
    res.writeHead(503, { 'Retry-After': '1', Connection: 'close' }).end();
  };
  const dispatch: RequestListener = (req, res) => listener(req, res);
  const messages = makeMessages();
  const options = {
    ...messages.classes,
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
    server.once('error', (error) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls ? 'https' : 'http'}://${name}:${address.port}`,
    port: address.port,
    handle(app) {
      messages.belongTo(app);
      listener = app;
    },
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

/** What is wrong with an address, in words of the configuration, by the system's code. */
const FAULTS: Readonly<Record<string, readonly [StartErrorCode, string, (at: string) => string]>> = {
  EADDRINUSE: [
    'address_in_use',
    'port',
    (at) => `${at} is taken: stop what listens there, or give another port (0: a free one)`,
  ],
  EACCES: ['address_not_allowed', 'port', (at) => `this user may not listen on ${at}: give a port from 1024 on`],
  EADDRNOTAVAIL: ['address_not_here', 'host', notHere],
  EAFNOSUPPORT: ['address_not_here', 'host', notHere],
  ENOTFOUND: ['address_not_here', 'host', notHere],
};

function notHere(at: string): string {
  return `${at} is no address of this machine: give one of its own`;
}

/** A StartError where the address is what is wrong; any other error as it is. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const fault = FAULTS[error.code ?? ''];
  if (!fault) return error;
  const [code, member, sentence] = fault;
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new StartError(`server.${member}: ${sentence(at)}`, { code, cause: error });
}
