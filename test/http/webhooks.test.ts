import { createHmac, randomBytes } from 'node:crypto';
import { approvalRules } from '../support/approval-rules.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';
import { startReceiver } from '../support/webhook-receiver.ts';
import type { WebhookReceiver } from '../support/webhook-receiver.ts';

/** Approvers are told through their channels; one that is down holds nothing up, and is seen. */
const key = randomBytes(32);
let broker: RunningBroker;
let machine: WebhookReceiver;
let chat: WebhookReceiver;
beforeAll(async () => {
  [machine, chat] = await Promise.all([startReceiver(), startReceiver()]);
  broker = await startRunningBroker({
    rulesOf: ({ readonly }) => approvalRules(readonly),
    settings: {
      outbound: { allow: [machine.host, chat.host] },
      approvals: {
        lifetime: '10m',
        notify: [
          { webhook: { url: machine.url, secret: `whsec_${key.toString('base64')}` } },
          { webhook: { url: chat.url, format: 'slack' } },
        ],
      },
    },
  });
});
afterAll(async () => {
  await broker.close();
  await Promise.all([machine.close(), chat.close()]);
});

const request = async (purpose: string) => {
  const json = { profile: 'refund', purpose };
  const answer = await broker.ask('POST', '/v1/grants', { as: broker.people.workload('agent/one'), json });
  return {
    status: answer.status,
    grant: String(answer.body['id']),
    approval: answer.body['approval'] as { id: string; expires_at: string },
  };
};
const seen = async (id: string) =>
  (await broker.ask('GET', `/v1/approvals/${id}`, { as: broker.people.operator('approver') })).body;
const never = (): never => {
  throw new Error('nothing was sent');
};
const idOf = ({ body }: { body: Readonly<Record<string, unknown>> }) => (body['data'] as { id: string }).id;

test('both are told at once, each in its form, and the first can tell who wrote', async () => {
  const { approval } = await request('tell them');
  expect(Date.parse(approval.expires_at) - Date.now()).toBeLessThan(601_000);
  await until(() => machine.got.some((one) => idOf(one) === approval.id) && chat.got.length > 0);
  const { headers, text } = machine.got[0] ?? never();
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`;
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  expect(chat.got[0]?.body).toMatchObject({ text: 'Approval wanted: issue refund', blocks: expect.any(Array) });
  expect(chat.got[0]?.headers['webhook-signature']).toBeUndefined();
  await until(async () =>
    ((await seen(approval.id))['notices'] as { state: string }[]).every(({ state }) => state === 'sent'),
  );
});

test('one that is down holds nothing up, and is shown where somebody looks', async () => {
  machine.answer(503);
  const start = Date.now();
  const { status, grant, approval } = await request('nobody hears');
  expect(status).toBe(202);
  expect(Date.now() - start).toBeLessThan(10_000);
  await until(async () => JSON.stringify((await seen(approval.id))['notices']).includes('status_503'));

  const agent = broker.people.workload('agent/one');
  const waited = await broker.ask('GET', `/v1/grants/${grant}/approval`, { as: agent });
  expect(waited.body).toMatchObject({ state: 'pending', untold: 1 });
  const refused = await broker.ask('POST', `/v1/grants/${grant}/claim`, { as: agent });
  expect(refused.body).toMatchObject({ code: 'approval_pending', untold: 1 });
  const ready = await broker.ask('GET', '/readyz');
  expect([ready.status, Object.keys(ready.body['checks'] as object)]).toEqual([
    200,
    expect.arrayContaining(['approvals']),
  ]);
  expect(ready.body).toMatchObject({ checks: { approvals: expect.objectContaining({}) } });
  const channels = Object.values((ready.body['checks'] as { approvals: Record<string, object> }).approvals);
  expect(channels).toEqual(expect.arrayContaining([{ ok: true }, { ok: false, last_error: 'status_503' }]));
  expect((await broker.ask('GET', '/metrics')).text).toMatch(/^writ_approval_notices\{state="pending"\} [1-9]/m);

  machine.answer(200);
  await until(() => machine.got.filter((one) => idOf(one) === approval.id).length > 1);
  const attempts = machine.got.filter((one) => idOf(one) === approval.id).map(({ headers }) => headers['webhook-id']);
  expect(new Set(attempts).size).toBe(1);
});

test('neither the addresses nor the key are in the log, the ledger or an answer', async () => {
  const { approval } = await request('quietly');
  await until(() => machine.got.some((one) => idOf(one) === approval.id));
  const ready = await broker.ask('GET', '/readyz');
  const { rows } = await broker.database.pool.query('select row_to_json(n)::text as t from approval_notices n');
  const written = [
    JSON.stringify(broker.log),
    ready.text,
    JSON.stringify(rows),
    JSON.stringify(await seen(approval.id)),
  ].join();
  expect(written).toContain(machine.host);
  expect(written).not.toContain('s3cr3t-path');
  expect(written).not.toContain(key.toString('base64'));
});
