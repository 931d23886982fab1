import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { OutboundError, type OutboundResponse } from '../domain/outbound.ts';

/** One request on a connection of its own: a pooled one would not be looked up, and so not checked, again. */
export interface Hop {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly ca?: string | undefined;
  readonly maxBytes: number;
  readonly lookup: LookupFunction;
  /** Aborts the whole exchange with an `OutboundError` as its reason. */
  readonly signal: AbortSignal;
}

/** @throws OutboundError `refused_address`, `unreachable`, `bad_answer`, `too_large`, or the signal's reason. */
export async function send(url: URL, hop: Hop): Promise<OutboundResponse> {
  try {
    const message = await open(url, hop);
    return { status: message.statusCode ?? 0, headers: flat(message), text: await read(message, url, hop.maxBytes) };
  } catch (error) {
    if (hop.signal.aborted) throw hop.signal.reason;
    if (error instanceof OutboundError) throw error;
    throw new OutboundError('unreachable', `${url.host} cannot be reached`, { cause: error });
  }
}

function open(url: URL, hop: Hop): Promise<IncomingMessage> {
  const options = {
    method: hop.method,
    agent: false as const,
    lookup: hop.lookup,
    signal: hop.signal,
    headers: {
      'user-agent': 'writ',
      ...hop.headers,
      // An answer in another coding is refused below, so the bound on bytes is a bound on what they unfold to.
      'accept-encoding': 'identity',
      ...(hop.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(hop.body)) }),
    },
  };
  // `rejectUnauthorized` is given because the environment could otherwise switch the check off.
  const tls = { rejectUnauthorized: true, ...(hop.ca === undefined ? {} : { ca: hop.ca }) };
  return new Promise((resolve, reject) => {
    const sent =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, ...tls }, resolve)
        : httpRequest(url, options, resolve);
    sent.on('error', reject);
    sent.end(hop.body);
  });
}

async function read(message: IncomingMessage, url: URL, maxBytes: number): Promise<string> {
  try {
    if ((message.headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new OutboundError('bad_answer', `${url.host} answered in a coding that was not asked for`);
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw new OutboundError('too_large', `${url.host} answered more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    message.destroy();
  }
}

function flat(message: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}
