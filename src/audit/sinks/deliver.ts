import { createHmac } from 'node:crypto';
import { OutboundError } from '../../domain/outbound.ts';
import type { Outbound } from '../../domain/outbound.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Secret } from '../../domain/secret.ts';
import { sha256Hex } from '../../domain/sha256.ts';
import { toOcsf } from '../ocsf.ts';

export const SINK_FORMATS = ['jsonl', 'ocsf'] as const;
export type SinkFormat = (typeof SINK_FORMATS)[number];

/** A receiver of sealed events. */
export interface WebhookSink {
  /** What may be shown of it; the ledger knows its cursor by this. */
  readonly name: string;
  readonly url: Secret<string>;
  readonly secret: Secret<Uint8Array>;
  readonly format: SinkFormat;
  /** Where it begins when it is new. */
  readonly from: 'start' | 'now';
}

export interface SealedText {
  readonly leaf: number;
  readonly body: string;
}

/** `refused`: this receiver will not take this content, however often it is sent. `away`: nothing is known of the content. */
export type Delivery = { readonly state: 'taken' } | { readonly state: 'refused' | 'away'; readonly error: string };

const TIMEOUT_MS = 10_000;
/** What the receiver says is not looked at, its status apart. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of these a receiver says that it is the content. Everything else may pass: another day, another key, another address. */
const OF_THE_CONTENT = new Set([400, 413, 422]);

/**
 * Sends events as one body, a line each. Signed as Standard Webhooks has it: an id that is the same for each attempt at the same
 * body and no other, the time of this one, and an HMAC-SHA256 over both and the body.
 */
export function makeSinkDelivery(outbound: Outbound, now: () => Date, version: string) {
  return async function deliver(
    sink: WebhookSink,
    events: readonly SealedText[],
    isReplay: boolean,
  ): Promise<Delivery> {
    const body = bodyOf(events, sink.format, version);
    if (body === undefined) return { state: 'refused', error: 'event_unreadable' };
    const digest = sha256Hex(body).slice(0, 16);
    const id = `${sink.name}.${events[0]?.leaf ?? 0}-${events.at(-1)?.leaf ?? 0}.${digest}`.replace(/[^\w.-]/g, '_');
    const timestamp = String(Math.floor(now().getTime() / 1000));
    const signature = createHmac('sha256', sink.secret.reveal()).update(`${id}.${timestamp}.${body}`).digest('base64');
    const headers = {
      'content-type': 'application/x-ndjson',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
      ...(isReplay ? { 'writ-replay': 'true' } : {}),
    };
    try {
      const request = { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES } as const;
      const { status } = await outbound(sink.url.reveal(), request);
      if (status >= 200 && status < 300) return { state: 'taken' };
      return { state: OF_THE_CONTENT.has(status) ? 'refused' : 'away', error: `status_${status}` };
    } catch (error) {
      return { state: 'away', error: error instanceof OutboundError ? error.code : 'internal_error' };
    }
  };
}
export type DeliverToSink = ReturnType<typeof makeSinkDelivery>;

/** Undefined where one of them cannot be written in this format: alone it becomes a dead letter, and holds up nothing. */
function bodyOf(events: readonly SealedText[], format: SinkFormat, version: string): string | undefined {
  try {
    return events.map((event) => `${lineOf(event, format, version)}\n`).join('');
  } catch {
    return undefined;
  }
}

/** An event's text is put in as it was sealed: written anew it could differ. */
function lineOf({ leaf, body }: SealedText, format: SinkFormat, version: string): string {
  return format === 'jsonl'
    ? `{"leaf":${leaf},"body":${JSON.stringify(body)}}`
    : JSON.stringify(toOcsf(JSON.parse(body) as JsonObject, leaf, version));
}
