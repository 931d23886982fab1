import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestCertificate } from '../certificate.ts';
import { failed, type Request } from './serve.ts';
import type { Answer } from './route.ts';

/** What goes wrong at one door, while the server behind it is well. */
export interface Trouble {
  /** Accepts and never answers. */
  readonly silent?: boolean;
  /** Every call but `sys/health` is answered so. */
  readonly status?: number;
  /** 307 to there, with the path. */
  readonly redirectTo?: string;
  /** The server's time moves on by so much before it does what it is asked. */
  readonly takesMs?: number;
  /** What it does in place of what it is asked, and what it says in place of what it did. */
  readonly alter?: (request: Request) => Request;
  readonly tell?: (answer: Answer, request: Request) => Answer;
  /** The body is this text, whatever it is. */
  readonly text?: string;
  /** An answer that never ends. */
  readonly drips?: boolean;
  /** Only calls of such a path are concerned, and only so many of them. */
  readonly only?: RegExp;
  readonly times?: number;
}

export interface Door {
  readonly url: string;
  /** Every request that came in, in order. */
  readonly seen: readonly Request[];
  readonly connections: () => number;
  trouble: Trouble;
  /** The n-th message from now on, counted from 0 over both directions, is not passed on, and nothing after it. */
  cutAt(message: number): { happened(): boolean };
  /** Cuts all connections; new ones are let in. */
  drop(): void;
  close(): Promise<void>;
}

/** What stands behind a door: the fake, or a real server that is asked the same. */
export interface Behind {
  respond(request: Request): Answer | Promise<Answer>;
  /** Where the server's time is told what it is. */
  advanceTo?(instant: Date): void;
  now(): Date;
}

/** A listener of its own before the server: http, or https by `tls`. */
export async function openDoor(server: Behind, tls?: TestCertificate): Promise<Door> {
  const seen: Request[] = [];
  const sockets = new Set<Socket>();
  const met = new WeakMap<Trouble, number>();
  let cut: { at: number; count: number; happened: boolean } | undefined;

  /** Whether this message still passes. */
  const passes = (): boolean => {
    if (!cut) return true;
    if (cut.count++ < cut.at) return true;
    cut.happened = true;
    door.drop();
    return false;
  };

  async function receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await read(incoming);
    if (cut?.happened) return void incoming.socket.destroy();
    if (!passes()) return;
    seen.push(request);
    const trouble = troubleOf(request);
    const given = await respond(request, trouble);
    if (!given || !passes()) return;
    await sending(response, given, trouble);
  }

  function troubleOf(request: Request): Trouble {
    const { trouble } = door;
    const { only, times = Infinity } = trouble;
    const count = met.get(trouble) ?? 0;
    if (only?.test(request.path) === false || count >= times) return {};
    met.set(trouble, count + 1);
    return trouble;
  }

  async function respond(request: Request, trouble: Trouble): Promise<Answer | undefined> {
    if (trouble.silent) return undefined;
    if (trouble.takesMs !== undefined) server.advanceTo?.(new Date(server.now().getTime() + trouble.takesMs - 1));
    if (trouble.redirectTo !== undefined)
      return { status: 307, body: { location: `${trouble.redirectTo}/v1/${request.path}` } };
    if (trouble.status !== undefined && request.path !== 'sys/health') return failed(trouble.status, 'in trouble');
    const given = await server.respond(trouble.alter?.(request) ?? request);
    return trouble.tell?.(given, request) ?? given;
  }

  const listener = (incoming: IncomingMessage, response: ServerResponse) => void receive(incoming, response);
  const http = tls ? createHttps({ cert: tls.cert, key: tls.key }, listener) : createHttp(listener);
  http.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    if (cut?.happened) socket.destroy();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  http.unref(); // a suite of which only a part is run closes nothing

  const door: Door = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(http.address() as AddressInfo).port}`,
    seen,
    connections: () => sockets.size,
    trouble: {},
    cutAt(message) {
      const counting = { at: message, count: 0, happened: false };
      cut = counting;
      return { happened: () => counting.happened };
    },
    drop: () => sockets.forEach((socket) => socket.destroy()),
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        door.drop();
      }),
  };
  return door;
}

async function read(incoming: IncomingMessage): Promise<Request> {
  let text = '';
  for await (const chunk of incoming.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  return {
    method: /\?list=true$/.test(incoming.url ?? '') ? 'LIST' : (incoming.method ?? ''),
    path: decodeURIComponent((incoming.url ?? '').replace(/^\/v1\//, '').replace(/\?.*$/, '')),
    headers: incoming.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

async function sending(response: ServerResponse, { status, body }: Answer, { text, drips }: Trouble): Promise<void> {
  const { location } = status === 307 ? (body ?? {}) : {};
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(typeof location === 'string' ? { location } : {}),
  });
  while (drips && !response.destroyed) {
    response.write(' '.repeat(64 * 1024));
    await sleep(5);
  }
  response.end(text ?? (body === undefined || status === 204 ? undefined : JSON.stringify(body)));
}
