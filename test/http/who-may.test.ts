import { OPERATIONS } from '../../src/http/operations/index.ts';
import { expired } from '../support/people.ts';
import type { Question } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/** Every route, asked by everybody: what each gets, as status and code. */
let broker: RunningBroker;
let ids: { grant: string; order: string; task: string; token: string; decision: string };

beforeAll(async () => {
  broker = await startRunningBroker();
  const grant = await broker.ask('POST', '/v1/grants', {
    as: broker.people.workload('agent/owner'),
    json: { profile: 'lookup', purpose: 'test' },
  });
  const order = await broker.ask('POST', '/v1/revocations', {
    as: broker.people.operator('security'),
    json: { selector: { agent: 'nobody' }, reason: 'test' },
  });
  const task = await broker.ask('POST', '/v1/tasks', { as: broker.people.workload('agent/owner'), json: TASK });
  const { token } = grant.body['credential'] as { token: string };
  const { id: decision } = grant.body['decision'] as { id: string };
  ids = {
    grant: String(grant.body['id']),
    order: String(order.body['id']),
    task: String(task.body['id']),
    token,
    decision,
  };
  await until(async () => (await broker.ask('GET', '/v1/audit/checkpoint', { as: auditor() })).status === 200);
});
afterAll(() => broker.close());

const auditor = () => broker.people.operator('auditor');

const TASK = { purpose: 'test', mode: 'autonomous', environment: 'test' };
const ROLES = ['platform', 'security', 'approver', 'auditor'] as const;
type Who = keyof typeof WHO;
const WHO = {
  nobody: () => undefined,
  'somebody with garbage': () => 'garbage',
  'somebody whose evidence has ended': () => broker.people.workload('agent/owner', expired()),
  'an operator whose token has ended': () => broker.people.operator('security', 'late', expired()),
  'a workload of another audience': () => broker.people.workload('agent/owner', { aud: 'https://other.test' }),
  'an operator with the workloads’ audience': () =>
    broker.people.operator('security', 'x', { aud: 'https://writ.test' }),
  'the grant’s workload': () => broker.people.workload('agent/owner'),
  'another workload': () => broker.people.workload('agent/another'),
  'an operator without a role': () => broker.people.operator(undefined),
  platform: () => broker.people.operator('platform'),
  security: () => broker.people.operator('security'),
  approver: () => broker.people.operator('approver'),
  auditor: () => broker.people.operator('auditor'),
} as const;

type Want = Readonly<Record<Who, string>>;
const REFUSED = {
  nobody: '401 evidence_missing',
  'somebody with garbage': '401 evidence_malformed',
  'somebody whose evidence has ended': '401 evidence_expired',
  'an operator whose token has ended': '401 evidence_expired',
  'a workload of another audience': '401 evidence_invalid',
  'an operator with the workloads’ audience': '401 evidence_invalid',
};
const all = (want: string): Want => Object.fromEntries(Object.keys(WHO).map((who) => [who, want])) as Want;
const roles = (allowed: readonly string[], want: string, otherwise: string) =>
  ({
    'an operator without a role': otherwise,
    ...Object.fromEntries(ROLES.map((role) => [role, allowed.includes(role) ? want : otherwise])),
  }) as Omit<Want, keyof typeof REFUSED>;

const forWorkloads = (own: string, others: string): Want => ({
  ...REFUSED,
  ...roles([], '', '403 not_a_workload'),
  'the grant’s workload': own,
  'another workload': others,
});
const forOperators = (allowed: readonly string[], want: string): Want => ({
  ...REFUSED,
  ...roles(allowed, want, '403 role_missing'),
  'the grant’s workload': '403 not_an_operator',
  'another workload': '403 not_an_operator',
});
const forBoth = (own: string, others: string, allowed: readonly string[], want: string): Want => ({
  ...forOperators(allowed, want),
  'the grant’s workload': own,
  'another workload': others,
});

/** The token endpoint answers 400 to a caller of the wrong kind. */
const inOAuthsForm = (want: Want): Want =>
  Object.fromEntries(Object.entries(want).map(([who, what]) => [who, what.replace(/^403/, '400')])) as Want;

interface Row {
  readonly route: string;
  readonly question?: () => Omit<Question, 'as'>;
  readonly query?: string;
  readonly want: Want;
}

const ROUTES: readonly Row[] = [
  {
    route: 'POST /v1/grants',
    question: () => ({ json: { profile: 'lookup', purpose: 'test' } }),
    want: forWorkloads('201', '201'),
  },
  { route: 'GET /v1/grants', want: forOperators(ROLES, '200') },
  { route: 'GET /v1/grants/{id}', want: forBoth('200', '404 not_found', ROLES, '200') },
  {
    route: 'POST /v1/grants/{id}/claim',
    question: () => ({ json: {} }),
    want: forWorkloads('409 grant_not_active', '404 not_found'),
  },
  {
    route: 'POST /v1/grants/{id}/renew',
    question: () => ({ json: {} }),
    want: forWorkloads('201', '404 not_found'),
  },
  {
    route: 'POST /v1/grants/{id}/revoke',
    question: () => ({ json: { reason: '' } }),
    want: forBoth('400 invalid_request', '400 invalid_request', ['security'], '400 invalid_request'),
  },
  { route: 'POST /v1/tasks', question: () => ({ json: TASK }), want: forWorkloads('201', '201') },
  { route: 'GET /v1/tasks', want: forBoth('200', '200', ROLES, '200') },
  { route: 'GET /v1/tasks/{id}', want: forBoth('200', '404 not_found', ROLES, '200') },
  {
    route: 'POST /v1/tasks/{id}/end',
    question: () => ({ json: { reason: '' } }),
    want: forBoth('400 invalid_request', '400 invalid_request', ['security'], '400 invalid_request'),
  },
  {
    route: 'POST /v1/revocations',
    question: () => ({ json: { selector: { agent: 'x' }, reason: 'test', dry_run: true } }),
    want: forOperators(['security'], '200'),
  },
  { route: 'GET /v1/revocations', want: forOperators(['security', 'auditor'], '200') },
  { route: 'GET /v1/revocations/{id}', want: forOperators(['security', 'auditor'], '200') },
  {
    route: 'POST /v1/revocations/{id}/lift',
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['security'], '400 invalid_request'),
  },
  {
    route: 'POST /v1/generations',
    question: () => ({ json: { files: broker.rules, dry_run: true } }),
    want: forOperators(['platform'], '200'),
  },
  { route: 'GET /v1/events', want: forOperators(['auditor', 'security', 'platform'], '200') },
  { route: 'GET /v1/decisions/{id}', want: forOperators(['auditor', 'security', 'platform'], '200') },
  { route: 'GET /v1/audit/checkpoint', want: forOperators(ROLES, '200') },
  { route: 'GET /v1/audit/proof', want: forOperators(ROLES, '400 invalid_request') },
  { route: 'GET /v1/audit/range', want: forOperators(ROLES, '200') },
  {
    route: 'POST /oauth/token',
    question: () => ({ form: { grant_type: 'password' } }),
    want: inOAuthsForm(forWorkloads('400 only token exchange is offered', '400 only token exchange is offered')),
  },
  {
    route: 'POST /oauth/introspect',
    question: () => ({ form: { token: ids.token } }),
    want: forWorkloads('200', '403 not_a_client'),
  },
  { route: 'POST /oauth/revoke', question: () => ({ form: { token: 'x' } }), want: forWorkloads('200', '200') },
  { route: 'GET /.well-known/oauth-authorization-server', want: all('200') },
  { route: 'GET /.well-known/jwks.json', want: all('200') },
  { route: 'GET /openapi.json', want: all('200') },
  { route: 'GET /healthz', want: all('200') },
  { route: 'GET /readyz', want: all('200') },
  { route: 'GET /metrics', want: all('200') },
  { route: 'GET /v1/grants/{id}/approval', want: forWorkloads('404 not_found', '404 not_found') },
  { route: 'GET /v1/approvals', want: forOperators(ROLES, '200') },
  { route: 'GET /v1/approvals/{id}', want: forOperators(ROLES, '404 not_found') },
  ...(['approve', 'deny'] as const).map((word) => ({
    route: `POST /v1/approvals/{id}/${word}`,
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['approver', 'security', 'platform'], '400 invalid_request'),
  })),
  {
    route: 'POST /access/v1/requests',
    question: () => ({ json: {} }),
    want: forWorkloads('400 invalid_request', '400 invalid_request'),
  },
  { route: 'GET /access/v1/requests/{id}', want: forWorkloads('404 not_found', '404 not_found') },
  {
    route: 'POST /v1/exceptions',
    question: () => ({ json: {} }),
    want: forOperators(['platform', 'security'], '400 invalid_request'),
  },
  { route: 'GET /v1/exceptions', want: forOperators(ROLES, '200') },
  { route: 'GET /v1/exceptions/{id}', want: forOperators(ROLES, '404 not_found') },
  ...(['approve', 'deny'] as const).map((word) => ({
    route: `POST /v1/exceptions/{id}/${word}`,
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['security', 'approver'], '400 invalid_request'),
  })),
  {
    route: 'POST /v1/exceptions/{id}/end',
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['platform', 'security'], '400 invalid_request'),
  },
  {
    route: 'POST /v1/exceptions/{id}/review',
    question: () => ({ json: { note: '' } }),
    want: forOperators(['security', 'auditor'], '400 invalid_request'),
  },
  { route: 'GET /v1/generations/{id}', want: forOperators(['platform', 'auditor'], '404 not_found') },
  { route: 'GET /v1/decisions', want: forOperators(['auditor', 'platform'], '400 invalid_request') },
  { route: 'GET /v1/tasks/{id}/timeline', want: forOperators(['auditor', 'security', 'platform'], '200') },
  {
    route: 'GET /v1/audit/evidence',
    query: '?from=then',
    want: forOperators(['auditor', 'security', 'platform'], '400 invalid_request'),
  },
  { route: 'GET /v1/audit/archives', want: forOperators(['auditor', 'security', 'platform'], '200') },
  {
    route: 'POST /v1/audit/archives',
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['security'], '400 invalid_request'),
  },
  { route: 'GET /v1/audit/holds', want: forOperators(['auditor', 'security', 'platform'], '200') },
  {
    route: 'POST /v1/audit/holds',
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['security'], '400 invalid_request'),
  },
  {
    route: 'POST /v1/audit/holds/{id}/lift',
    question: () => ({ json: { reason: '' } }),
    want: forOperators(['security'], '400 invalid_request'),
  },
  { route: 'GET /v1/audit/dead-letters', want: forOperators(['auditor', 'security', 'platform'], '200') },
  {
    route: 'POST /v1/audit/dead-letters/replay',
    question: () => ({ json: { sink: '' } }),
    want: forOperators(['security', 'platform'], '400 invalid_request'),
  },
  {
    route: 'POST /access/v1/evaluation',
    question: () => ({ json: {} }),
    want: forWorkloads('400 invalid_request', '400 invalid_request'),
  },
  {
    route: 'POST /access/v1/evaluations',
    question: () => ({ json: {} }),
    want: forWorkloads('400 invalid_request', '400 invalid_request'),
  },
  { route: 'GET /.well-known/authzen-configuration', want: all('200') },
  {
    route: 'POST /v1/tool-calls/{id}/outcome',
    question: () => ({ json: { status: '' } }),
    want: forWorkloads('400 invalid_request', '400 invalid_request'),
  },
  { route: 'GET /v1/nothing', want: all('404 not_found') },
];

const PREFIXES = ['/v1/grants', '/v1/decisions', '/v1/tasks', ''];

test.each(ROUTES)('$route', async ({ route, question, query = '', want }) => {
  const [method = '', path = ''] = route.split(' ');
  const id = [ids.grant, ids.decision, ids.task, ids.order].find((_, at) => path.startsWith(PREFIXES[at] ?? ''));
  const got = await Promise.all(
    Object.entries(WHO).map(async ([who, token]) => {
      const answer = await broker.ask(method, path.replace('{id}', id ?? '') + query, { as: token(), ...question?.() });
      return [who, answer.code === undefined ? String(answer.status) : `${answer.status} ${String(answer.code)}`];
    }),
  );
  expect(Object.fromEntries(got)).toEqual(want);
});

test('a scheme that is not Bearer is no evidence', async () => {
  const token = broker.people.workload('agent/owner');
  for (const authorization of [`Basic ${token}`, token, 'Bearer', 'Bearer ', `Bearer ${token} ${token}`]) {
    const { status, code } = await broker.ask('GET', `/v1/grants/${ids.grant}`, { headers: { authorization } });
    expect([authorization.slice(0, 8), status, code]).toEqual([authorization.slice(0, 8), 401, 'evidence_missing']);
  }
});

test('the table knows every operation, and who may call it', () => {
  const passes = (want: string | undefined) => !/^40[1-3]|not_a_workload/.test(want ?? '');
  const said = OPERATIONS.map(({ method, path, workload, roles: allowed }) => ({
    route: `${method.toUpperCase()} ${path}`,
    workload: workload ?? false,
    roles: [...(allowed ?? [])].sort(),
    anybody: !workload && !allowed,
  }));
  const known = ROUTES.filter(({ route }) => route !== 'GET /v1/nothing').map(({ route, want }) => ({
    route,
    anybody: passes(want.nobody),
    workload: !passes(want.nobody) && passes(want['the grant’s workload']),
    roles: passes(want.nobody) ? [] : ROLES.filter((role) => passes(want[role])).sort(),
  }));
  const byRoute = (a: { route: string }, b: { route: string }) => (a.route < b.route ? -1 : 1);
  expect([...known].sort(byRoute)).toEqual(said.sort(byRoute));
});
