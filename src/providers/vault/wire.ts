import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { ProviderError } from '../../domain/errors.ts';
import type { Json } from '../../domain/json.ts';

/** From the first byte of a request to the last of its answer. */
const CALL_MS = 5_000;
/** Sooner than a server closes what is idle (Vault's `http_idle_timeout` is 5 minutes): a request must not meet that. */
const IDLE_MS = 60_000;
const MAX_BYTES = 4 * 1024 * 1024;
const TOO_LARGE = { nothingLives: false, facts: { finding: 'answer_too_large' } };

/** Where a server is, read once of its address and not for each request. */
export interface Origin {
  readonly address: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string | number | null;
}

export function originOf(address: string): Origin {
  const { protocol, hostname, port } = urlToHttpOptions(new URL(address));
  return { address, protocol: protocol ?? '', hostname: hostname ?? '', port: port ?? null };
}

export interface Sent {
  readonly method: string;
  readonly to: Origin;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** `body` is undefined where the answer had none, or none that is JSON. */
export interface Reply {
  readonly status: number;
  readonly body: Json | undefined;
}

/**
 * The connections to one server: kept alive, bounded in time and size. No redirect is followed, because that would hand the
 * token to whoever is named in it, and no proxy of the environment is taken.
 */
export interface Wire {
  /** @throws ProviderError; `nothingLives` where nothing of the request can have arrived. */
  send(sent: Sent): Promise<Reply>;
  /** Trusts this authority (PEM) from now on, and no other; undefined: those of the system. What is under way goes on. */
  trust(ca: string | undefined): void;
  /** What is under way fails, and nothing is sent any more. */
  close(): void;
}

export function makeWire(): Wire {
  const http: Way = { agent: new HttpAgent({ keepAlive: true, timeout: IDLE_MS }), under: 0 };
  let trusted: string | undefined;
  let https: Way = { agent: httpsAgent(undefined), under: 0 };
  /** With requests that began before another authority was trusted. */
  const before = new Set<Way>();
  let closed = false;

  const leave = (way: Way) => {
    way.under--;
    if (way.under === 0 && before.delete(way)) way.agent.destroy();
  };

  return {
    async send(sent) {
      if (closed) throw new ProviderError('provider_unreachable', { nothingLives: true, facts: { finding: 'closed' } });
      const way = isTls(sent.to) ? https : http;
      const fate = { arrived: false, late: false };
      way.under++;
      try {
        const { status, text } = await exchange(sent, way.agent, fate);
        return { status, body: parse(text) };
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        throw new ProviderError(fate.late ? 'provider_timeout' : 'provider_unreachable', {
          nothingLives: !fate.arrived,
        });
      } finally {
        leave(way);
      }
    },
    trust(ca) {
      if (ca === trusted) return;
      trusted = ca;
      if (https.under > 0) before.add(https);
      else https.agent.destroy();
      https = { agent: httpsAgent(ca), under: 0 };
    },
    close() {
      closed = true;
      for (const { agent } of [http, https, ...before]) agent.destroy();
    },
  };
}

/** Connections, and how many requests are under way on them. */
interface Way {
  readonly agent: HttpAgent;
  under: number;
}

/** `rejectUnauthorized` is given because the environment could otherwise switch the check off. */
function httpsAgent(ca: string | undefined): HttpsAgent {
  return new HttpsAgent({
    keepAlive: true,
    timeout: IDLE_MS,
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
  });
}

/** How far a request has come. */
interface Fate {
  /** The server may have got something. */
  arrived: boolean;
  /** The time was up, or the caller had gone. */
  late: boolean;
}

/**
 * One request and the whole of its answer. Three of them stand on the way of an issuance: with listeners of our own each costs less than with
 * a signal in the request and a loop over the answer.
 */
function exchange({ method, to, path, headers, body, signal }: Sent, agent: HttpAgent, fate: Fate) {
  return new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const { protocol, hostname, port } = to;
    const options = {
      protocol,
      hostname,
      port,
      path,
      method,
      agent,
      headers: { ...headers, 'accept-encoding': 'identity', ...length },
    };
    const leave = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', tooLate);
    };
    const fail = (error: Error) => {
      leave();
      reject(error);
    };
    const tooLate = () => {
      fate.late = true;
      request.destroy();
      fail(new Error('the time was up'));
    };
    if (signal.aborted) {
      fate.late = true;
      reject(new Error('the caller has gone'));
      return;
    }
    const request = isTls(to) ? httpsRequest(options) : httpRequest(options);
    const timer = setTimeout(tooLate, CALL_MS);
    signal.addEventListener('abort', tooLate);
    noteArrival(request, to, fate);
    let answer: IncomingMessage | undefined;
    request.on('response', (message) => {
      answer = message;
      const chunks: Buffer[] = [];
      let size = 0;
      message.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_BYTES) {
          chunks.push(chunk);
          return;
        }
        message.destroy();
        fail(new ProviderError('provider_answer_wrong', TOO_LARGE));
      });
      message.on('end', () => {
        leave();
        resolve({ status: message.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
      message.on('error', fail);
    });
    request.on('error', fail);
    request.on('close', () => {
      if (answer?.complete !== true) fail(new Error('the connection was closed'));
    });
    request.end(body);
  });
}

/** Until its connection stands, with TLS where there is TLS, nothing of a request has left. */
function noteArrival(request: ClientRequest, to: Origin, fate: Fate): void {
  const arrived = () => (fate.arrived = true);
  request.on('socket', (socket) => {
    if (request.reusedSocket) arrived();
    else socket.once(isTls(to) ? 'secureConnect' : 'connect', arrived);
  });
}

const isTls = ({ protocol }: Origin) => protocol === 'https:';

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
