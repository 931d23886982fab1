import type { JsonObject } from '../../src/domain/json.ts';
import { auditLedger } from '../support/audit-ledger.ts';
import { callRules } from '../support/tool-rules.ts';
import { runSql } from '../support/sql.ts';
import { reasonOf, startCalls } from './world.ts';
import type { Asking, Calls } from './world.ts';

/** The task of a call travels in `Txn-Token`: it is the task of every question that comes with it, or the request is refused. */
let calls: Calls;
beforeAll(async () => {
  const policies = `
    @id("make") permit (principal in Trust::"mesh", action == Action::"create_task", resource);`;
  calls = await startCalls({ rules: callRules({ 'policies/make.cedar': policies }) });
});
afterAll(() => calls.close());

/** Under it every call that changes something waits for a person. */
async function supervised(who = 'agent/one') {
  const json = { purpose: 'tidy up', mode: 'supervised', environment: 'test' };
  const { body } = await calls.post('/v1/tasks', json, { as: who });
  return { id: String(body['id']), token: String(body['token']) };
}
const shown = (token: string, as?: string): Asking => ({
  headers: { 'Txn-Token': token },
  ...(as === undefined ? {} : { as }),
});
const cancel = (change: JsonObject = {}) =>
  calls.question({ tool: 'cancel', context: { arguments: { orders: ['1'] }, ...change } });
const about = (who: string) => ({
  subject: { type: 'workload', id: `spiffe://test.example/${who}`, properties: { trust: 'mesh' } },
});
const submit = (question: JsonObject, context: JsonObject, asking: Asking) =>
  calls.post('/access/v1/requests', { ...question, denial: context['access_request'] }, asking);
const approve = (id: string) =>
  calls.ask('POST', `/v1/approvals/${id}/approve`, { as: calls.people.operator('approver'), json: { reason: 'seen' } });

test('a call is decided on it, one or many', async () => {
  const { token } = await supervised();
  expect(reasonOf(await calls.evaluate(cancel()))).toBe('allowed');
  expect(reasonOf(await calls.evaluate(cancel(), shown(token)))).toEqual({ reason: 'approval_required' });
  const many = await calls.evaluateAll({ ...cancel(), evaluations: [{}, {}] }, shown(token));
  expect(many.map(reasonOf)).toEqual([{ reason: 'approval_required' }, { reason: 'approval_required' }]);
});

describe.each([
  { who: 'the workload', as: 'agent/one', subject: {} },
  { who: 'an enforcement point that passes it on', as: 'evaluator', subject: about('agent/one') },
])('$who asks a person', ({ as, subject }) => {
  test('about the call on that task, which is then allowed on it, and on no other', async () => {
    const { token } = await supervised();
    const question = { ...cancel(), ...subject };
    const denied = await calls.evaluate(question, shown(token, as));
    const asked = await submit(question, denied.context, shown(token, as));
    expect(asked.status).toBe(202);
    const approval = (asked.body['task'] as { id: string }).id;
    expect((await approve(approval)).status).toBe(200);
    const again = { ...cancel({ approval }), ...subject };
    const other = await supervised();
    expect(reasonOf(await calls.evaluate(again, shown(other.token, as)))).toEqual({ reason: 'approval_required' });
    expect(reasonOf(await calls.evaluate(again, shown(token, as)))).toBe('allowed');
  });

  test.each<{ name: string; token: (own: string) => Promise<string | undefined>; code: string }>([
    { name: 'without it', token: async () => undefined, code: 'invalid_denial_binding' },
    {
      name: 'with that of another task',
      token: async () => (await supervised()).token,
      code: 'invalid_denial_binding',
    },
    {
      name: 'with that of somebody else',
      token: async () => (await supervised('agent/two')).token,
      code: as === 'evaluator' ? 'invalid_denial_binding' : 'task_token_invalid',
    },
    { name: 'with one that does not hold', token: async (own) => own.slice(0, -4), code: 'task_token_invalid' },
  ])('$name nobody is asked', async ({ token, code }) => {
    const own = await supervised();
    const question = { ...cancel(), ...subject };
    const { context } = await calls.evaluate(question, shown(own.token, as));
    const other = await token(own.token);
    const asked = await submit(question, context, other === undefined ? { as } : shown(other, as));
    expect(asked.code).toBe(code);
  });
});

test('what is asked about a call ends with its task', async () => {
  const ends = new Date(Date.now() + 60_000).toISOString();
  const json = { purpose: 'tidy up', mode: 'supervised', environment: 'test', ends_at: ends };
  const { body } = await calls.post('/v1/tasks', json);
  const asking = shown(String(body['token']));
  const denied = await calls.evaluate(cancel(), asking);
  const asked = await submit(cancel(), denied.context, asking);
  expect((asked.body['task'] as { expires_at: string }).expires_at).toBe(body['ends_at']);
});

test.each([
  { name: 'was ended', path: (id: string) => `/v1/tasks/${id}/end`, code: 'invalid_denial_binding' },
  { name: 'an order covers', path: () => '/v1/revocations', code: 'under_order' },
])('asking a person about a call on a task that $name is an alarm', async ({ path, code }) => {
  const { id, token } = await supervised();
  const denied = await calls.evaluate(cancel(), shown(token));
  const json = code === 'under_order' ? { selector: { task: id }, reason: 'incident 7' } : { reason: 'incident 7' };
  await calls.ask('POST', path(id), { as: calls.people.operator('security'), json });
  expect((await submit(cancel(), denied.context, shown(token))).code).toBe(code);
  const uses = await calls.rows(`select body from events where type = 'use.after_revocation' and task_id = $1`, id);
  expect(uses).toHaveLength(1);
});

test('a question that names another task than the one shown is none', async () => {
  const [one, other] = [await supervised(), await supervised()];
  const question = cancel({ task: other.id });
  for (const path of ['/access/v1/evaluation', '/access/v1/requests']) {
    const json = { ...question, denial: { binding_token: 'x' } };
    const { status, body } = await calls.post(path, json, shown(one.token));
    expect([path, status, body['errors']]).toEqual([
      path,
      400,
      [{ path: 'context.task', problem: 'is not the task of Txn-Token' }],
    ]);
  }
});

test('and the tables are what the record of all that says', async () => {
  expect(await calls.rows(`select 1 from decisions where action = 'call' and asked_by is not null`)).not.toEqual([]);
  expect(await calls.rows(`select 1 from approvals where asked ? 'asked_by'`)).not.toEqual([]);
  expect(await auditLedger(calls.database.pool)).toEqual([]);

  const forge = `update decisions set asked_by = null, outcome = 'allow', code = null where asked_by is not null and outcome <> 'allow'`;
  await runSql(calls.database.url, 'set session_replication_role = replica', forge);
  const found = await auditLedger(calls.database.pool);
  expect(found.filter((line) => line.includes('asked_by is null and its events say')).length).toBeGreaterThan(0);
  expect(found.filter((line) => line.includes('outcome is "allow" and its events say')).length).toBeGreaterThan(0);
});
