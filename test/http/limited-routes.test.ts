import { OPERATIONS } from '../../src/http/operations/index.ts';
import { approvalRules, LIMITED } from '../support/approval-rules.ts';
import type { Answer } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/**
 * Every route of operators, asked with roles that reach one owner, or one environment, that has nothing: what they do not reach is not
 * there or is refused by name. A route that is new has to say here which.
 */
const ROLES = ['platform', 'security', 'approver', 'auditor'] as const;
let broker: RunningBroker;
let ids: Readonly<Record<'grant' | 'task' | 'approval' | 'exception' | 'order' | 'hold' | 'decision', string>>;

beforeAll(async () => {
  const [trust] = LIMITED.trust;
  const rolesOf = (role: string) => [
    { groups: [role] },
    { groups: [`owner-${role}`], owners: ['nobody'] },
    { groups: [`environment-${role}`], environments: ['nowhere'] },
  ];
  broker = await startRunningBroker({
    rulesOf: ({ readonly }) => approvalRules(readonly),
    settings: {
      operators: { trust: [{ ...trust, roles: Object.fromEntries(ROLES.map((role) => [role, rolesOf(role)])) }] },
    },
  });
  const workload = broker.people.workload('agent/one');
  const made = async (path: string, json: object, as = operator('security')) => {
    const answer = await broker.ask('POST', path, { as, json });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer.body as Readonly<Record<string, string & { readonly id: string }>>;
  };
  const grant = await made('/v1/grants', { profile: 'lookup', purpose: 'test' }, workload);
  const asked = await made('/v1/grants', { profile: 'refund', purpose: 'test' }, workload);
  const task = await made('/v1/tasks', { purpose: 'test', mode: 'autonomous', environment: 'test' }, workload);
  const exception = await made('/v1/exceptions', EXCEPTION(), operator('platform'));
  const order = await made('/v1/revocations', { selector: { agent: 'nobody' }, reason: 'test' });
  const hold = await made('/v1/audit/holds', REASON);
  ids = {
    grant: String(grant['id']),
    decision: String(grant['decision']?.id),
    task: String(task['id']),
    approval: String(asked['approval']?.id),
    exception: String(exception['id']),
    order: String(order['id']),
    hold: String(hold['id']),
  };
  const checkpoint = () => broker.ask('GET', '/v1/audit/checkpoint', { as: operator('auditor') });
  await until(async () => (await checkpoint()).status === 200);
});
afterAll(() => broker.close());

const operator = (...groups: string[]) => broker.people.operator(undefined, groups.join('+'), { groups });
const said = ({ status, code }: Answer) => (typeof code === 'string' ? `${status} ${code}` : String(status));

const REASON = { reason: 'test' };
const EXCEPTION = () => {
  const from = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
  const dates = { ends_at: from(600), review_by: from(86_400) };
  return { scope: { profile: 'frozen' }, policies: ['freeze'], ...REASON, ...dates };
};

type Name = keyof typeof ids;
interface Row {
  /** What of it is asked for: put in for `{id}`. */
  readonly of?: Name;
  /** Where it is asked, if not at its own path. */
  readonly at?: string;
  readonly json?: () => object;
  /**
   * Refused: they reach nothing of what belongs to everybody, or of what this can touch. Hidden: it is not there for them. A list: it is
   * empty. Open: it tells of nobody, and is for all.
   */
  readonly want: 'refused' | 'hidden' | 'open' | { readonly list: string };
}
const one = (of: Name, json?: object): Row => ({ of, want: 'hidden', ...(json && { json: () => json }) });

const ROUTES: Readonly<Record<string, Row>> = {
  'GET /v1/grants': { want: { list: 'grants' } },
  'GET /v1/grants/{id}': one('grant'),
  'POST /v1/grants/{id}/revoke': one('grant', REASON),
  'GET /v1/tasks': { want: { list: 'tasks' } },
  'GET /v1/tasks/{id}': one('task'),
  'GET /v1/tasks/{id}/timeline': { of: 'task', want: 'refused' },
  'POST /v1/tasks/{id}/end': one('task', REASON),
  'POST /v1/revocations': {
    json: () => ({ selector: { agent: 'nobody' }, dry_run: true, ...REASON }),
    want: 'refused',
  },
  'GET /v1/revocations': { want: { list: 'orders' } },
  'GET /v1/revocations/{id}': one('order'),
  'POST /v1/revocations/{id}/lift': one('order', REASON),
  'GET /v1/approvals': { want: { list: 'approvals' } },
  'GET /v1/approvals/{id}': one('approval'),
  'POST /v1/approvals/{id}/approve': one('approval', REASON),
  'POST /v1/approvals/{id}/deny': one('approval', REASON),
  'POST /v1/exceptions': { json: EXCEPTION, want: 'refused' },
  'GET /v1/exceptions': { want: { list: 'exceptions' } },
  'GET /v1/exceptions/{id}': one('exception'),
  'POST /v1/exceptions/{id}/approve': one('exception', REASON),
  'POST /v1/exceptions/{id}/deny': one('exception', REASON),
  'POST /v1/exceptions/{id}/end': one('exception', REASON),
  'POST /v1/exceptions/{id}/review': one('exception', { note: 'test' }),
  'POST /v1/generations': { json: () => ({ files: broker.rules, dry_run: true }), want: 'refused' },
  'GET /v1/generations/{id}': { at: '/v1/generations/1', want: 'refused' },
  'GET /v1/decisions': { at: '/v1/decisions?from=2020-01-01T00:00:00Z', want: 'refused' },
  'GET /v1/decisions/{id}': { of: 'decision', want: 'refused' },
  'GET /v1/events': { want: 'refused' },
  'GET /v1/audit/evidence': { want: 'refused' },
  'GET /v1/audit/holds': { want: 'refused' },
  'POST /v1/audit/holds': { json: () => REASON, want: 'refused' },
  'POST /v1/audit/holds/{id}/lift': { of: 'hold', json: () => REASON, want: 'refused' },
  'GET /v1/audit/archives': { want: 'refused' },
  'POST /v1/audit/archives': { json: () => ({ month: '2020-01', ...REASON }), want: 'refused' },
  'GET /v1/audit/dead-letters': { want: 'refused' },
  'POST /v1/audit/dead-letters/replay': { json: () => ({ sink: 'siem', ...REASON }), want: 'refused' },
  'GET /v1/audit/checkpoint': { want: 'open' },
  'GET /v1/audit/proof': { at: '/v1/audit/proof?leaf=0', want: 'open' },
  'GET /v1/audit/range': { want: 'open' },
};

const ofOperators = OPERATIONS.flatMap(({ method, path, roles }) =>
  roles ? [{ route: `${method.toUpperCase()} ${path}`, roles }] : [],
);

function ask(route: string, as: string): Promise<Answer> {
  const { of, at, json } = ROUTES[route] ?? {};
  const [method = '', path = ''] = route.split(' ');
  return broker.ask(method, at ?? path.replace('{id}', of ? ids[of] : ''), { as, ...(json && { json: json() }) });
}

test('the table has every route that operators may ask', () => {
  expect(Object.keys(ROUTES).sort()).toEqual(ofOperators.map(({ route }) => route).sort());
});

describe.each(ofOperators)('$route', ({ route, roles }) => {
  const { want } = ROUTES[route] ?? { want: 'refused' };

  test.each(roles.flatMap((role) => [`owner-${role}`, `environment-${role}`]))('to %s', async (group) => {
    const answer = await ask(route, operator(group));
    if (typeof want === 'object') expect([answer.status, answer.body[want.list]]).toEqual([200, []]);
    else expect(said(answer)).toBe({ refused: '403 role_limited', hidden: '404 not_found', open: '200' }[want]);
    if (want === 'refused') expect(JSON.stringify(answer.body)).toContain(`"${group.replace(/^[a-z]+-/, '')}"`);
  });
});

test.each(ofOperators)('$route is there for who has a role of it without limits, beside one with', async (row) => {
  const { want } = ROUTES[row.route] ?? {};
  for (const role of row.roles) {
    const answer = await ask(row.route, operator(role, ...ROLES.map((each) => `owner-${each}`)));
    // of the sink there is none, and what was answered or ended by one role is so for the next
    expect([answer.status, answer.code]).not.toEqual([403, 'role_limited']);
    if (row.route !== 'POST /v1/audit/dead-letters/replay') expect([role, answer.status]).not.toEqual([role, 404]);
    if (typeof want === 'object') expect([role, answer.body[want.list]]).not.toEqual([role, []]);
  }
});
