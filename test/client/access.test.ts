import { makeClient, WritError } from '../../src/client/index.ts';
import type { Client, Evaluation } from '../../src/client/index.ts';
import { startFakeBroker, WORKLOAD_TOKEN, type FakeBroker } from '../support/fake-broker.ts';

/** How the client puts a denied call before a person, on the wire. test/stories/refund.test.ts does it with a broker. */
let broker: FakeBroker;
let client: Client;
beforeEach(async () => {
  broker = await startFakeBroker();
  client = makeClient({ url: broker.url, identityToken: WORKLOAD_TOKEN, taskToken: 'the.task.token', timeoutMs: 500 });
});
afterEach(() => broker.close());

const question: Evaluation = {
  action: { name: 'call' },
  resource: { type: 'tool', id: 'refund' },
  context: { arguments: { order: '12', amount: 900 } },
};
const offer = {
  endpoint: 'https://elsewhere.example/steal',
  expires_at: '2026-11-23T12:10:00Z',
  binding_token: 'a.b.c',
};
const task = {
  id: 'a1',
  status: 'pending',
  status_endpoint: 'https://writ.test/access/v1/requests/a1',
  expires_at: '2026-11-23T13:00:00Z',
};
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof WritError ? error.code : 'another error'),
  );

test('the question goes with its denial’s token, to this broker and nowhere else, on the task', async () => {
  broker.next('POST /access/v1/requests', { status: 202, body: { task } });
  expect(await client.workload.requestAccess(question, offer)).toEqual({ task });
  expect(broker.requests).toMatchObject([
    { method: 'POST', path: '/access/v1/requests', headers: { 'txn-token': 'the.task.token' } },
  ]);
  expect(broker.requests[0]?.headers['authorization']).toBe(`Bearer ${WORKLOAD_TOKEN}`);
  expect(broker.requests[0]?.body).toEqual({ ...question, denial: { binding_token: 'a.b.c' } });
});

test('an answer is waited for, longer than for any other', async () => {
  const slow = () => new Promise<void>((resolve) => setTimeout(resolve, 900));
  const approved = { ...task, status: 'approved' };
  const approval = { id: 'a1', approved_at: '2026-11-23T12:01:00Z', approved_until: '2026-11-23T13:00:00Z' };
  const result = { mode: 'reevaluate', approval };
  broker.next('GET /access/v1/requests/a1', { body: { task: approved, result }, before: slow });
  expect(await client.workload.awaitAccess('a1', { waitSeconds: 30 })).toEqual({ task: approved, result });
  expect(broker.requests).toMatchObject([{ query: { wait: '30' } }]);

  broker.next('GET /access/v1/requests/a1', { body: { task }, before: slow });
  expect(await codeOf(client.workload.awaitAccess('a1'))).toBe('unreachable');
  expect(broker.requests.at(-1)?.query).toEqual({});
});

test('the wait can be given up', async () => {
  const giveUp = new AbortController();
  broker.next('GET /access/v1/requests/a1', { fault: 'hang' });
  const waiting = codeOf(client.workload.awaitAccess('a1', { waitSeconds: 30, signal: giveUp.signal }));
  giveUp.abort();
  expect(await waiting).toBe('unreachable');
});

test.each([
  { name: 'a refusal', answer: { status: 410, body: { code: 'expired_denial' } }, code: 'expired_denial' },
  { name: 'another server', answer: { status: 200, body: { id: 'a1' } }, code: 'unexpected_answer' },
])('$name is an error', async ({ answer, code }) => {
  broker.next('POST /access/v1/requests', answer);
  expect(await codeOf(client.workload.requestAccess(question, offer))).toBe(code);
});

test('ids are escaped', async () => {
  await codeOf(client.workload.awaitAccess('../x?y'));
  expect(broker.requests[0]?.path).toBe('/access/v1/requests/..%2Fx%3Fy');
});
