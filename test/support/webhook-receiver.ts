import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A webhook's receiver: keeps what it gets, and answers what it is told to. */
export interface WebhookReceiver {
  readonly url: string;
  readonly host: string;
  readonly got: readonly Delivery[];
  /** From now on: a status, or `hang` without an answer. */
  answer(status: number | 'hang'): void;
  close(): Promise<void>;
}

export async function startReceiver(path = '/hook/s3cr3t-path'): Promise<WebhookReceiver> {
  const got: Delivery[] = [];
  let next: number | 'hang' = 200;
  const server = createServer((req, res) => {
    let text = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    req.once('end', () => {
      if (req.url === path) got.push({ headers: req.headers, text, body: JSON.parse(text) as Delivery['body'] });
      if (next !== 'hang') res.writeHead(req.url === path ? next : 404).end('thanks');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}${path}`,
    host,
    got,
    answer: (status) => (next = status),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
