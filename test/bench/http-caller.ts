import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { measure } from './measure.ts';
import type { Figures } from './measure.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * One kept-alive connection that sends prepared bytes and reads one answer at a time: the load shares two cores with what it
 * measures, and an HTTP client of the usual kind would cost as much as the broker.
 */
export function openCaller(url: string): { call(request: Buffer): Promise<Answer>; close(): void } {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  let received: Buffer = Buffer.alloc(0);
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const answer = complete(received);
    if (!answer) return;
    received = Buffer.alloc(0);
    const done = waiting;
    waiting = undefined;
    done?.resolve(answer);
  });
  const fail = (error: Error) => waiting?.reject(error);
  socket.on('error', fail);
  socket.on('close', () => {
    fail(new Error('the connection was closed'));
  });
  return {
    call: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}

function complete(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  return { status: Number(head.slice(9, 12)), body: bytes.toString('utf8', end + 4, end + 4 + length) };
}

/** The bytes of a POST with a JSON body. */
export function post(path: string, token: string, body: object): Buffer {
  const text = JSON.stringify(body);
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: bench',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`);
}

export interface Load {
  readonly url: string;
  readonly callers: number;
  readonly count: number;
  /** As `measure` takes it. */
  readonly perSecond?: number | undefined;
}

/** What exchanges come to that each make something. @param next - the request of the next one. */
export async function measureRequests(
  { url, callers, count, perSecond }: Load,
  next: () => Buffer | undefined,
): Promise<Figures> {
  const connections = Array.from({ length: callers }, () => openCaller(url));
  try {
    const exchange = async (caller: number) => {
      const request = next();
      const answer = request && (await connections[caller]?.call(request));
      if (answer?.status !== 201)
        throw new Error(`a request was answered ${answer?.status}: ${answer?.body.slice(0, 300)}`);
    };
    return await measure(callers, count, exchange, perSecond);
  } finally {
    for (const connection of connections) connection.close();
  }
}
