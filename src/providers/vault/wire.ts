import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { deadline } from '../../domain/deadline.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { Json } from '../../domain/json.ts';

/** From the first byte of a request to the last of its answer. */
const CALL_MS = 5_000;
/** Sooner than a server closes what is idle (Vault's `http_idle_timeout` is 5 minutes): a request must not meet that. */
const IDLE_MS = 60_000;
const MAX_BYTES = 4 * 1024 * 1024;

export interface Sent {
  readonly method: string;
  readonly url: URL;
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
      const { signal, clear } = deadline(CALL_MS, sent.signal);
      const way = sent.url.protocol === 'https:' ? https : http;
      const fate = { arrived: false };
      way.under++;
      try {
        const message = await open({ ...sent, signal }, way.agent, fate);
        const text = await read(message);
        return { status: message.statusCode ?? 0, body: parse(text) };
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        const code = signal.aborted ? 'provider_timeout' : 'provider_unreachable';
        throw new ProviderError(code, { nothingLives: !fate.arrived });
      } finally {
        clear();
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

/** @param fate.arrived - set as soon as the server may have got something. */
async function open(
  { method, url, headers, body, signal }: Sent,
  agent: HttpAgent,
  fate: { arrived: boolean },
): Promise<IncomingMessage> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = { method, agent, signal, headers: { ...headers, 'accept-encoding': 'identity', ...length } };
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    noteArrival(request, url.protocol, fate);
    request.on('response', resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** Until its connection stands, with TLS where there is TLS, nothing of a request has left. */
function noteArrival(request: ClientRequest, protocol: string, fate: { arrived: boolean }): void {
  const arrived = () => (fate.arrived = true);
  request.on('socket', (socket) => {
    if (request.reusedSocket) arrived();
    else socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', arrived);
  });
}

async function read(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) {
      message.destroy();
      throw new ProviderError('provider_answer_wrong', { nothingLives: false, facts: { finding: 'answer_too_large' } });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
