import { startCallsOnTasks } from '../calls/on-task.ts';
import type { CallsOnTasks } from '../calls/on-task.ts';
import { TXN_TOKEN } from '../support/task-broker.ts';

/** Every kind of token that travels, shown at every place where one is taken: each counts where it is meant, and nowhere else. */
let calls: CallsOnTasks;
const tokens: Record<Kind, string> = {
  evidence: '',
  operator: '',
  person: '',
  task: '',
  access: '',
  denial: '',
};
let question: object;
beforeAll(async () => {
  calls = await startCallsOnTasks();
  const task = await calls.task();
  const granted = await calls.post('/v1/grants', { profile: 'lookup', purpose: 'test' });
  const { token: access } = granted.body['credential'] as { token: string };
  question = calls.question({ tool: 'mcp.night', context: { task: task.id } });
  const { context } = await calls.evaluate(question);
  const { binding_token: denial } = context['access_request'] as { binding_token: string };
  Object.assign(tokens, {
    ...{ evidence: calls.people.workload('agent/one'), operator: calls.people.operator('security') },
    ...{ person: calls.person('ada'), task: task.token, access, denial },
  });
});
afterAll(() => calls.close());

type Kind = 'evidence' | 'operator' | 'person' | 'task' | 'access' | 'denial';
const KINDS = ['evidence', 'operator', 'person', 'task', 'access', 'denial'] as const;

const one = () => calls.people.workload('agent/one');
const told = ({ status, code }: { status: number; code: unknown }) =>
  status === 401 ? UNTRUSTED : code === undefined ? String(status) : `${status} ${String(code)}`;
const lookup = { profile: 'lookup', purpose: 'test' };
const exchange = (change: Record<string, string>) => ({
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: tokens.task,
  subject_token_type: TXN_TOKEN,
  actor_token: calls.people.workload('agent/two'),
  actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  ...change,
});

interface Place {
  readonly where: string;
  readonly show: (token: string) => Promise<string>;
  /** What each kind comes to; those that are not named come to `otherwise`. */
  readonly want: Partial<Record<Kind, string>>;
  readonly otherwise: string;
}

/** Nobody vouches for it, or who is named does not: both are a 401, and which it is depends on what the token says of itself. */
const UNTRUSTED = '401 refused';
const PLACES: readonly Place[] = [
  {
    where: 'as evidence of a workload',
    show: async (as) => told(await calls.ask('POST', '/v1/grants', { as, json: lookup })),
    want: { evidence: '201', operator: '403 not_a_workload' },
    otherwise: UNTRUSTED,
  },
  {
    where: 'as evidence, before a call of a tool',
    show: async (as) => told(await calls.ask('POST', '/access/v1/evaluation', { as, json: calls.question() })),
    want: { evidence: '200', operator: '403 not_a_workload' },
    otherwise: UNTRUSTED,
  },
  {
    where: 'as an operator’s',
    show: async (as) => told(await calls.ask('GET', '/v1/grants', { as })),
    want: { operator: '200', evidence: '403 not_an_operator' },
    otherwise: UNTRUSTED,
  },
  {
    where: 'as an approver’s answer',
    show: async (as) =>
      told(await calls.ask('POST', '/v1/approvals/a000000000000000000000/approve', { as, json: { reason: 'x' } })),
    want: { operator: '404 not_found', evidence: '403 not_an_operator' },
    otherwise: UNTRUSTED,
  },
  {
    where: 'in Txn-Token, to ask for a credential',
    show: async (token) =>
      told(
        await calls.ask('POST', '/v1/grants', {
          as: one(),
          json: { profile: 'lookup' },
          headers: { 'Txn-Token': token },
        }),
      ),
    want: { task: '201' },
    otherwise: '403 task_token_invalid',
  },
  {
    where: 'in Txn-Token, before a call',
    show: async (token) =>
      told(
        await calls.ask('POST', '/access/v1/evaluation', {
          as: one(),
          json: calls.question(),
          headers: { 'Txn-Token': token },
        }),
      ),
    want: { task: '200' },
    otherwise: '403 task_token_invalid',
  },
  {
    where: 'in Txn-Token, passed on by an enforcement point',
    show: async (token) => {
      const subject = { type: 'workload', id: 'spiffe://test.example/agent/one', properties: { trust: 'mesh' } };
      const json = { ...calls.question(), subject };
      const as = calls.people.workload('evaluator');
      return told(await calls.ask('POST', '/access/v1/evaluation', { as, json, headers: { 'Txn-Token': token } }));
    },
    want: { task: '200' },
    otherwise: '403 task_token_invalid',
  },
  {
    where: 'as the subject token of an exchange',
    show: async (token) => {
      const as = calls.people.workload('agent/two');
      return told(await calls.ask('POST', '/oauth/token', { as, form: exchange({ subject_token: token }) }));
    },
    want: { task: '200' },
    otherwise: '400 task_token_invalid',
  },
  {
    where: 'as the actor token of an exchange, by the same bearer',
    show: async (token) => {
      const as = calls.people.workload('agent/one');
      const { status, text } = await calls.ask('POST', '/oauth/token', { as, form: exchange({ actor_token: token }) });
      return `${status} ${/delegation_loop|actor_token: \w+/.exec(text)?.[0].replace(/evidence_(untrusted|invalid)/, 'refused') ?? text}`;
    },
    // its own evidence holds; that it has the task already is another matter
    want: { evidence: '400 delegation_loop' },
    otherwise: '400 actor_token: refused',
  },
  {
    where: 'as the token of a principal',
    show: async (token) => {
      const json = { purpose: 'audit', mode: 'observe', environment: 'test', on_behalf_of: { token } };
      return told(await calls.post('/v1/tasks', json));
    },
    want: { person: '201' },
    otherwise: '403 principal_refused',
  },
  {
    where: 'as the denial that an approval is asked for',
    show: async (token) =>
      told(await calls.post('/access/v1/requests', { ...question, denial: { binding_token: token } })),
    want: { denial: '202' },
    otherwise: '400 invalid_denial_binding',
  },
  {
    where: 'introspected by a registered client',
    show: async (token) => {
      const as = calls.people.workload('gateway');
      const { body } = await calls.ask('POST', '/oauth/introspect', { as, form: { token } });
      return String(body['active']);
    },
    want: { task: 'true', access: 'true' },
    otherwise: 'false',
  },
  {
    where: 'introspected by whom it was given to, who is no client',
    show: async (token) => {
      const answer = await calls.ask('POST', '/oauth/introspect', { as: one(), form: { token } });
      return answer.status === 200 ? String(answer.body['active']) : told(answer);
    },
    want: { task: 'true', access: 'true' },
    otherwise: '403 not_a_client',
  },
];

test.each(PLACES)('$where', async ({ show, want, otherwise }) => {
  const got: Partial<Record<Kind, string>> = {};
  for (const kind of KINDS) got[kind] = await show(tokens[kind]);
  expect(got).toEqual(Object.fromEntries(KINDS.map((kind) => [kind, want[kind] ?? otherwise])));
});

test('what one workload holds is nothing in the hands of another', async () => {
  const as = calls.people.workload('agent/two');
  const shown = { 'Txn-Token': tokens.task };
  expect(told(await calls.ask('POST', '/v1/grants', { as, json: { profile: 'lookup' }, headers: shown }))).toBe(
    '403 task_token_invalid',
  );
  const denial = { binding_token: tokens.denial };
  const { context } = question as { context: object };
  const theirs = { ...question, context: { ...context, task: undefined }, denial };
  expect(told(await calls.post('/access/v1/requests', theirs, { as: 'agent/two' }))).toBe('400 invalid_denial_binding');
  for (const token of [tokens.task, tokens.access])
    expect(told(await calls.ask('POST', '/oauth/introspect', { as, form: { token } }))).toBe('403 not_a_client');
});

/** Whom an enforcement point may ask about is a matter of `clients:`, whatever its own evidence is worth. */
test.each([
  { who: 'evaluator', tool: 'search', want: 'allowed' },
  { who: 'evaluator', tool: 'own', want: 'not_a_client' }, // of no audience of its
  { who: 'gateway', tool: 'search', want: 'not_a_client' }, // it may introspect
  { who: 'other-gateway', tool: 'search', want: 'not_a_client' },
  { who: 'spiffe://brief.example/evaluator', tool: 'search', want: UNTRUSTED },
  { who: 'evaluator/child', tool: 'search', want: 'not_a_client' },
  { who: 'agent/two', tool: 'search', want: 'not_a_client' },
])('$who asks about another’s call of $tool: $want', async ({ who, tool, want }) => {
  const { id: grant } = await calls.grant();
  const subject = { type: 'workload', id: 'spiffe://test.example/agent/one', properties: { trust: 'mesh' } };
  const json = { ...calls.question({ tool, context: { grant } }), subject };
  const answer = await calls.post('/access/v1/evaluation', json, { as: who });
  const { reason } = (answer.body['context'] ?? {}) as { reason?: string };
  expect(answer.status === 200 ? (reason ?? 'allowed') : told(answer)).toBe(want);
});

test('what is given back as another’s ends nothing', async () => {
  const as = calls.people.workload('agent/two');
  for (const kind of KINDS) await calls.ask('POST', '/oauth/revoke', { as, form: { token: tokens[kind] } });
  const gateway = calls.people.workload('gateway');
  for (const token of [tokens.task, tokens.access]) {
    const { body } = await calls.ask('POST', '/oauth/introspect', { as: gateway, form: { token } });
    expect(body['active']).toBe(true);
  }
});

test('each class has keys of its own, and says what it is', () => {
  const headers = (['task', 'access', 'denial'] as const).map(
    (kind) =>
      JSON.parse(Buffer.from(tokens[kind].split('.')[0] ?? '', 'base64url').toString()) as { kid: string; typ: string },
  );
  expect(headers.map(({ typ }) => typ)).toEqual(['txntoken+jwt', 'at+jwt', 'denial+jwt']);
  expect(new Set(headers.map(({ kid }) => kid)).size).toBe(3);
});
