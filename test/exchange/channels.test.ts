import { createHmac } from 'node:crypto';
import type { ApprovalId } from '../../src/domain/ids.ts';
import { Secret } from '../../src/domain/secret.ts';
import { makeDeliver } from '../../src/exchange/channels.ts';
import { visible } from '../../src/exchange/slack.ts';
import type { Notice } from '../../src/ledger/index.ts';
import { makeOutbound } from '../../src/outbound/client.ts';
import { startReceiver } from '../support/webhook-receiver.ts';
import type { WebhookReceiver } from '../support/webhook-receiver.ts';

/** What approvers are sent: signed, exact, and with nothing in it that lets anybody in or looks like an answer. */
let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

const KEY = new Uint8Array(32).fill(7);
const NOW = new Date('2026-11-23T12:00:00.500Z');
const NOTICE: Notice = {
  approval: 'a1m84ntart0cnp9x3vmghy' as ApprovalId,
  target: 'chat',
  attempts: 0,
  kind: 'call',
  trust: 'mesh',
  subject: 'spiffe://dev.local/agent/one',
  on_behalf_of: 'alice',
  task: null,
  grant: null,
  resource: 'refund',
  owner: 'payments',
  environment: 'production',
  asked: { arguments: { amount: 900, order: '4711' } },
  asked_hash: 'ab'.repeat(32),
  needs: [{ role: 'security', count: 2 }],
  created_at: '2026-11-23T11:59:00Z',
  expires_at: '2026-11-23T13:00:00Z',
};

function deliver(format: 'json' | 'slack', change: Partial<Notice> = {}, allow = [receiver.host]) {
  const channel = { name: 'chat', url: new Secret(receiver.url), format, secret: new Secret(KEY) };
  return makeDeliver({
    channels: [channel],
    outbound: makeOutbound({ allow }),
    approvalUrl: (id) => `https://writ.test/v1/approvals/${id}`,
    now: () => NOW,
  })({ ...NOTICE, ...change });
}

test('json: everything that is asked, signed as Standard Webhooks says', async () => {
  expect(await deliver('json')).toBeNull();
  const [{ headers, text, body } = { headers: {}, text: '', body: {} }] = receiver.got;
  expect(body).toEqual({
    type: 'approval.requested',
    timestamp: '2026-11-23T12:00:00.500Z',
    data: {
      id: NOTICE.approval,
      url: `https://writ.test/v1/approvals/${NOTICE.approval}`,
      kind: 'call',
      resource: 'refund',
      owner: 'payments',
      environment: 'production',
      requester: { trust: 'mesh', id: 'spiffe://dev.local/agent/one' },
      on_behalf_of: 'alice',
      task: null,
      grant: null,
      needs: [{ role: 'security', count: 2 }],
      asked: { arguments: { amount: 900, order: '4711' } },
      asked_hash: 'ab'.repeat(32),
      requested_at: '2026-11-23T11:59:00.000Z',
      expires_at: '2026-11-23T13:00:00.000Z',
    },
  });
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': `${NOTICE.approval}.chat`,
    'webhook-timestamp': '1795435200',
  });
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`;
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
});

test('another attempt has the same id', async () => {
  await deliver('json');
  await deliver('json', { attempts: 3 });
  const ids = receiver.got.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(1);
});

interface Block {
  readonly type: string;
  readonly text: { readonly type: string; readonly text: string };
}
const slack = async (change: Partial<Notice> = {}) => {
  expect(await deliver('slack', change)).toBeNull();
  const { text, mrkdwn, blocks } = receiver.got.at(-1)?.body as { text: string; mrkdwn: boolean; blocks: Block[] };
  return { text, mrkdwn, blocks, all: blocks.map((block) => block.text.text).join('\n') };
};

test('slack: a text and blocks, with exact arguments, requester, needs and end', async () => {
  const { text, mrkdwn, blocks, all } = await slack();
  expect([text, mrkdwn]).toEqual(['Approval wanted: call refund', false]);
  for (const part of [
    '"amount": 900',
    '"order": "4711"',
    'mesh/spiffe://dev.local/agent/one',
    'On behalf of: alice',
    '2 of security',
    '2026-11-23T13:00:00.000Z',
    NOTICE.asked_hash,
    `https://writ.test/v1/approvals/${NOTICE.approval}`,
  ])
    expect(all).toContain(part);
  for (const block of blocks) {
    expect(block.text.type).toBe('plain_text');
    expect(block.text.text.length).toBeLessThanOrEqual(3_000);
  }
  expect(blocks.length).toBeLessThanOrEqual(50);
});

test('slack: what the workload wrote cannot be a mention, a link, a format or an answer', async () => {
  const hostile = '<!channel> <https://evil.test|approve> *APPROVED* ```\u202e\u2066\u0007\u2028</script>';
  const { text, all, blocks } = await slack({
    resource: hostile,
    subject: hostile,
    on_behalf_of: hostile,
    asked: { note: hostile },
  });
  expect(text).not.toMatch(/[<>]/);
  expect(all).not.toMatch(/[\u202e\u2066\u0007\u2028]/);
  expect(all).toContain('\\u{202e}');
  // plain_text is shown as it is: nothing in it is interpreted
  expect(new Set(blocks.map((block) => block.text.type))).toEqual(new Set(['plain_text']));
});

test('slack: what does not fit is said not to', async () => {
  const { all, blocks } = await slack({ asked: { text: 'x'.repeat(60_000) } });
  expect(all).toMatch(/NOT ALL IS SHOWN: \d+ more characters/);
  expect(blocks.length).toBeLessThanOrEqual(50);
  expect((await slack({ asked: { text: 'x'.repeat(10_000) } })).all).not.toContain('NOT ALL IS SHOWN');
});

test.each(['json', 'slack'] as const)('%s: no secret, and no link that lets anybody in', async (format) => {
  await deliver(format);
  const { text } = receiver.got[0] ?? { text: '' };
  expect(text).not.toContain(Buffer.from(KEY).toString('base64'));
  expect(text).not.toContain('s3cr3t-path');
  const urls = [...text.matchAll(/https?:\/\/[^\s"\\]+/g)].map((match) => match[0]);
  for (const url of urls) expect(new URL(url).search).toBe('');
});

test.each<[number | 'hang', string]>([
  [404, 'status_404'],
  [500, 'status_500'],
  [301, 'status_301'],
  [429, 'status_429'],
])('a receiver that answers %s has not got it', async (status, code) => {
  receiver.answer(status);
  expect(await deliver('json')).toBe(code);
});

test('nor one that does not answer, that is not there, or that may not be reached', async () => {
  receiver.answer('hang');
  expect(await deliver('json')).toBe('timeout');
  expect(await deliver('json', {}, [])).toBe('refused_scheme');
  await receiver.close();
  expect(await deliver('json')).toBe('unreachable');
  expect(await deliver('json', { target: 'another' })).toBe('unknown_channel');
  receiver = await startReceiver();
}, 15_000);

test('what cannot be seen is written out', () => {
  expect(visible('a\u200bb\u0000\ttab\nline\u{e0041}é😀')).toBe('a\\u{200b}b\\u{0}\\u{9}tab\nline\\u{e0041}é😀');
});
