import { createHmac } from 'node:crypto';
import type { ApprovalId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import { OutboundError } from '../domain/outbound.ts';
import type { Outbound } from '../domain/outbound.ts';
import type { Secret } from '../domain/secret.ts';
import type { Notice } from '../ledger/index.ts';
import { slackMessage } from './slack.ts';

/** Where approvers are told that they are asked. */
export interface Channel {
  /** What may be shown of it; the ledger knows it by this. */
  readonly name: string;
  readonly url: Secret<string>;
  readonly format: 'json' | 'slack';
  readonly secret?: Secret<Uint8Array>;
}

export interface ChannelParts {
  readonly channels: readonly Channel[];
  readonly outbound: Outbound;
  /** Where an approval is seen and answered, by whoever shows there who they are: nothing in the link lets anybody in. */
  readonly approvalUrl: (id: ApprovalId) => string;
  readonly now: () => Date;
}

/** What the receiver says is not looked at, its status apart. */
const MAX_BYTES = 64 * 1024;
const TIMEOUT_MS = 5_000;

/**
 * Tells one channel of one approval. Null: the receiver took it. Otherwise why not, as a code of ours that holds nothing of the
 * address and nothing that the receiver said.
 */
export function makeDeliver({ channels, outbound, approvalUrl, now }: ChannelParts) {
  const known = new Map(channels.map((channel) => [channel.name, channel]));

  return async function deliver(notice: Notice): Promise<string | null> {
    const channel = known.get(notice.target);
    if (!channel) return 'unknown_channel';
    const facts = factsOf(notice, approvalUrl(notice.approval));
    const body = JSON.stringify(channel.format === 'slack' ? slackMessage(facts) : envelope(facts, now()));
    const headers = { 'content-type': 'application/json', ...signed(notice, body, channel.secret, now()) };
    try {
      const request = { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES } as const;
      const { status } = await outbound(channel.url.reveal(), request);
      return status >= 200 && status < 300 ? null : `status_${status}`;
    } catch (error) {
      return error instanceof OutboundError ? error.code : 'internal_error';
    }
  };
}

/** What is told of an approval, in either form. */
export interface NoticeFacts {
  readonly id: ApprovalId;
  readonly url: string;
  readonly kind: Notice['kind'];
  readonly resource: string;
  readonly owner: string;
  readonly environment: string;
  readonly requester: { readonly trust: string; readonly id: string };
  readonly on_behalf_of: string | null;
  readonly task: string | null;
  readonly grant: string | null;
  readonly needs: Notice['needs'];
  readonly asked: JsonObject;
  readonly asked_hash: string;
  readonly requested_at: string;
  readonly expires_at: string;
}

function factsOf(notice: Notice, url: string): NoticeFacts {
  const { approval, kind, resource, owner, environment, trust, subject, on_behalf_of, task, grant } = notice;
  return {
    id: approval,
    url,
    kind,
    resource,
    owner,
    environment,
    requester: { trust, id: subject },
    on_behalf_of,
    task,
    grant,
    needs: notice.needs,
    asked: notice.asked,
    asked_hash: notice.asked_hash,
    requested_at: new Date(notice.created_at).toISOString(),
    expires_at: new Date(notice.expires_at).toISOString(),
  };
}

function envelope(facts: NoticeFacts, now: Date) {
  return { type: 'approval.requested', timestamp: now.toISOString(), data: facts };
}

/**
 * https://github.com/standard-webhooks/standard-webhooks: an id that stays the same for each attempt, the time of this one, and an
 * HMAC-SHA256 over both and the body.
 */
function signed({ approval, target }: Notice, body: string, secret: Channel['secret'], now: Date) {
  const id = `${approval}.${target.replace(/[^\w.-]/g, '_')}`;
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const mac = (key: Uint8Array) => createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(secret ? { 'webhook-signature': `v1,${mac(secret.reveal())}` } : {}),
  };
}
