import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deferred, type Deferred } from './deferred.ts';
import { forward } from './pg-forward.ts';
import { fits, makeHolds, type Hold, type MessageSpec } from './pg-holds.ts';
import { bodyWithText, encode, type PgMessage } from './pg-messages.ts';
import { followStatements } from './pg-statements.ts';

export type { Hold, MessageSpec } from './pg-holds.ts';
export type { PgMessage } from './pg-messages.ts';

type Change = (message: PgMessage) => string | Buffer | undefined;

export interface PgProxy {
  /** The upstream's URL, by way of the proxy. */
  readonly url: string;
  /** How many clients are connected now. */
  readonly connections: number;
  /** Stops the `nth` (default 1) message from now on that fits. */
  hold(spec: MessageSpec & { readonly nth?: number }): Hold;
  /** Counts the messages from now on that fit. */
  count(spec: MessageSpec): { readonly n: number };
  /** Changes messages: a string is a new text (see `PgMessage.text`), a Buffer a new body. Returns the undoing. */
  rewrite(change: Change): () => void;
  /** Delays what fits (default: each answer that ends a transaction) by `ms`; 0 for none. */
  delay(ms: number, match?: (message: PgMessage) => boolean): void;
  /** Cuts all connections. */
  drop(): void;
  /** New connections are refused; those that are there go on. */
  refuse(): void;
  /** New connections are accepted, and nothing is forwarded any more, on any of them, in either direction. */
  silence(): void;
  /** Ends refusing and silence; what was said in silence is delivered now. */
  resume(): Promise<void>;
  close(): void;
}

const HOST = '127.0.0.1';

/** A proxy before the PostgreSQL server of `upstream`, in this process; what it holds is held from outside of a broker. */
export async function startPgProxy(upstream: string): Promise<PgProxy> {
  const to = new URL(upstream);
  const sockets = new Set<Socket>();
  const holds = makeHolds();
  const counters = new Set<(message: PgMessage) => void>();
  const changes = new Set<Change>();
  let delay = { ms: 0, match: endsTransaction };
  let silence: Deferred<void> | undefined;
  let clients = 0;

  const pass = (message: PgMessage, raw: Buffer): Buffer | Promise<Buffer | undefined> => {
    for (const count of counters) count(message);
    const held = holds.check(message);
    const delayMs = delay.ms > 0 && delay.match(message) ? delay.ms : 0;
    if (!held && !delayMs && !silence) return changed(changes, message) ?? raw;
    return (async () => {
      if (held && !(await held)) return undefined;
      if (delayMs) await sleep(delayMs, undefined, { ref: false });
      while (silence) await silence.promise;
      return changed(changes, message) ?? raw;
    })();
  };

  const server = createServer((client) => {
    const upstreamSocket = connect(Number(to.port || 5432), to.hostname);
    for (const socket of [client, upstreamSocket]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    const both = { connection: ++clients, statements: followStatements(), pass };
    forward({ ...both, from: 'frontend', source: client, sink: upstreamSocket });
    forward({ ...both, from: 'backend', source: upstreamSocket, sink: client });
  });
  const listen = async (port: number) => {
    server.listen(port, HOST);
    await once(server, 'listening');
  };
  await listen(0);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const drop = () => sockets.forEach((socket) => socket.destroy());

  return {
    url: Object.assign(new URL(upstream), { host: `${HOST}:${port}` }).href,
    get connections() {
      return sockets.size / 2;
    },
    hold: (spec) => holds.add(spec),
    count: (spec) => {
      const counter = { n: 0 };
      counters.add((message) => {
        if (fits(spec, message)) counter.n++;
      });
      return counter;
    },
    rewrite: (change) => {
      changes.add(change);
      return () => void changes.delete(change);
    },
    delay: (ms, match = endsTransaction) => {
      delay = { ms, match };
    },
    drop,
    refuse: () => {
      server.close();
    },
    silence: () => {
      silence ??= deferred();
    },
    resume: async () => {
      silence?.resolve();
      silence = undefined;
      if (!server.listening) await listen(port);
    },
    close: () => {
      drop();
      server.close();
    },
  };
}

function endsTransaction({ from, type, text }: PgMessage): boolean {
  return from === 'backend' && type === 'Z' && text === 'I';
}

function changed(changes: Set<Change>, message: PgMessage): Buffer | undefined {
  for (const change of changes) {
    const to = change(message);
    if (to !== undefined) return encode(message.type, typeof to === 'string' ? bodyWithText(message, to) : to);
  }
  return undefined;
}
