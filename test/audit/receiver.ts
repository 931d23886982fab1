import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signSigV4 } from '../../src/audit/witnesses/sigv4.ts';
import type { AwsCredentials } from '../../src/audit/witnesses/sigv4.ts';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Keeps what is PUT or POSTed to a path, and gives it back; as S3 does, where it is told whose requests count. */
export interface Receiver {
  readonly url: string;
  readonly host: string;
  readonly requests: Received[];
  readonly kept: Map<string, string>;
  /** Answered to everything instead. */
  answer: number | undefined;
  verifyWith: AwsCredentials | undefined;
  reset(): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    req.on('end', () => {
      const received = { method: req.method ?? '', url: req.url ?? '', headers: req.headers, body };
      receiver.requests.push(received);
      const status =
        receiver.answer ?? (receiver.verifyWith && !isSigned(received, receiver.verifyWith) ? 403 : undefined);
      if (status !== undefined) {
        res.writeHead(status, { location: '/elsewhere' }).end();
      } else if (req.method === 'GET') {
        const kept = receiver.kept.get(received.url);
        res.writeHead(kept === undefined ? 404 : 200).end(kept);
      } else {
        receiver.kept.set(received.url, body);
        res.writeHead(200).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const receiver: Receiver = {
    url: `http://${host}`,
    host,
    requests: [],
    kept: new Map(),
    answer: undefined,
    verifyWith: undefined,
    reset() {
      receiver.requests.length = 0;
      receiver.kept.clear();
      receiver.answer = undefined;
      receiver.verifyWith = undefined;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return receiver;
}

/** Signs what has arrived anew, as the server does, with what the header says is signed. */
function isSigned({ method, url, headers, body }: Received, credentials: AwsCredentials): boolean {
  const { authorization = '' } = headers;
  const [, date = '', region = '', service = ''] =
    /Credential=[^/]+\/(\d+)\/([^/]+)\/([^/]+)\//.exec(authorization) ?? [];
  const names = (/SignedHeaders=([^,]+)/.exec(authorization)?.[1] ?? '').split(';');
  const sent = names
    .filter((name) => name !== 'host' && name !== 'x-amz-date')
    .map((name) => [name, String(headers[name])]);
  const time = String(headers['x-amz-date']).replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z');
  const signed = signSigV4(
    {
      method,
      url: new URL(`http://${headers.host ?? ''}${url}`),
      region,
      service,
      headers: Object.fromEntries(sent) as Record<string, string>,
      body,
    },
    credentials,
    new Date(time),
  );
  return time.startsWith(date.slice(0, 4)) && signed['authorization'] === authorization;
}
