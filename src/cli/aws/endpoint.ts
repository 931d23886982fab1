import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The credential endpoint of containers, for one command: what an SDK asks when AWS_CONTAINER_CREDENTIALS_FULL_URI is set.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
export interface CredentialEndpoint {
  readonly url: string;
  /** What the `Authorization` header must be, as it is. */
  readonly token: string;
  close(): Promise<void>;
}

export interface EndpointAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

const PATH = '/credentials';

/** Listens on a free port of 127.0.0.1. `answer` is asked for each request that may ask, and does not throw. */
export async function openEndpoint(answer: () => Promise<EndpointAnswer>): Promise<CredentialEndpoint> {
  const token = randomBytes(32).toString('base64url');
  let host = '';
  const limits = { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000, maxHeaderSize: 16_384 };
  const server = createServer(limits, (request, response) => {
    const refused = refusalOf(request, host, token);
    void (refused ? Promise.resolve(refused) : answer()).then((told) => send(response, told));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}${PATH}`, token, close: () => closeServer(server) };
}

/** In an order that tells whoever has no token nothing but that. The host is checked for pages that a browser shows. */
function refusalOf(request: IncomingMessage, host: string, token: string): EndpointAnswer | undefined {
  if (request.headers.host !== host)
    return refusal(421, 'MisdirectedRequest', 'This is not the address that was given out');
  if (!isSame(request.headers.authorization ?? '', token))
    return refusal(403, 'AccessDenied', 'The Authorization header is not the token');
  if (request.url !== PATH) return refusal(404, 'NotFound', `There is ${PATH} and nothing else`);
  if (request.method !== 'GET')
    return { ...refusal(405, 'MethodNotAllowed', 'Credentials are read with GET'), headers: { allow: 'GET' } };
  return undefined;
}

export function refusal(status: number, code: string, message: string): EndpointAnswer {
  return { status, body: { Code: code, Message: message } };
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

function send(response: ServerResponse, { status, body, headers }: EndpointAnswer): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(JSON.stringify(body));
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
