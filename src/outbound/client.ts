import { lookup as dnsLookup } from 'node:dns';
import { OutboundError, type Outbound, type OutboundRequest, type OutboundResponse } from '../domain/outbound.ts';
import { makeGuard, type Guard, type Resolve } from './guard.ts';
import { send } from './send.ts';

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 3;

export interface OutboundConfig {
  /** Hosts, or `host:port`, that may resolve to private addresses and be spoken to without TLS. */
  readonly allow: readonly string[];
  /** How names are resolved; the system's way by default. */
  readonly resolve?: Resolve;
}

/**
 * Fetches what configuration or a peer names, and nothing inside (domain/outbound.ts). https alone, http only to hosts
 * that are allowed by name; each hop's address is checked as it is connected to, so that a name cannot be made to mean
 * another host in between; time covers the whole exchange, redirects included; an error status is an answer, not an error.
 */
export function makeOutbound({ allow, resolve = dnsLookup }: OutboundConfig): Outbound {
  const guard = makeGuard(allow, resolve);
  return async (url, request = {}) => {
    const timeoutMs = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      abort.abort(new OutboundError('timeout', `no full answer within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await follow(parse(url), request, guard, abort.signal);
    } finally {
      clearTimeout(timer);
    }
  };
}

async function follow(
  start: URL,
  request: OutboundRequest,
  guard: Guard,
  signal: AbortSignal,
): Promise<OutboundResponse> {
  const { method = 'GET', body, ca, maxBytes = DEFAULT_MAX_BYTES } = request;
  let url = start;
  let headers = request.headers ?? {};
  for (let redirects = 0; ; redirects++) {
    guard.check(url);
    const response = await send(url, { method, headers, body, ca, maxBytes, lookup: guard.lookup(url), signal });
    const next = method === 'GET' ? redirectTarget(response, url) : undefined;
    if (!next) return response;
    if (redirects === MAX_REDIRECTS) {
      throw new OutboundError('too_many_redirects', `${start.host} redirects more than ${MAX_REDIRECTS} times`);
    }
    if (url.protocol === 'https:' && next.protocol !== 'https:') {
      throw new OutboundError('refused_scheme', `${url.host} redirects away from https`);
    }
    // Headers were meant for the origin that the caller named: another one gets none, Authorization least of all.
    if (next.origin !== url.origin) headers = {};
    url = next;
  }
}

function redirectTarget(response: OutboundResponse, from: URL): URL | undefined {
  const location = response.headers['location'];
  if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return undefined;
  if (!URL.canParse(location, from.href)) {
    throw new OutboundError('bad_answer', `${from.host} redirects to something that is no URL`);
  }
  return new URL(location, from.href);
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw new OutboundError('refused_scheme', 'not a URL');
  return new URL(text);
}
