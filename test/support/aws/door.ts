import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.ts';
import { makeFaults } from './faults.ts';
import type { Door } from './types.ts';

const BODY_MAX = 1_000_000;

/** Listens on 127.0.0.1, on a port of its own, for the same API. */
export async function openDoor(api: Api, now: () => Date): Promise<Door> {
  const faults = makeFaults();
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    if (faults.public.silent) return;
    if (faults.cuts()) return void request.socket.destroy();
    const headers = new Map(
      Object.entries(request.headersDistinct).map(([name, values]) => [name, (values ?? []).join(',')]),
    );
    const method = request.method ?? '';
    const answer = api.answer({ method, target: request.url ?? '/', headers, body }, faults);
    if (answer.silent) return;
    const ms = faults.delaying(answer.action);
    if (ms > 0) await sleep(ms, undefined, { ref: false });
    if (faults.cuts()) return void request.socket.destroy();
    response.sendDate = false;
    response.writeHead(answer.status, {
      'content-type': 'text/xml',
      'x-amzn-requestid': answer.requestId,
      date: faults.public.date ?? now().toUTCString(),
    });
    response.end(answer.xml);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.keepAliveTimeout = 0;
  server.on('connection', (socket) => {
    if (faults.isCut()) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults: faults.public,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > BODY_MAX) throw new Error('the body is too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
