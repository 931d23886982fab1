import { gzipSync } from 'node:zlib';
import type { Question } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

let broker: RunningBroker;
let agent: string;
let security: string;
let platform: string;
let approver: string;
let auditor: string;
beforeAll(async () => {
  broker = await startRunningBroker();
  agent = broker.people.workload('agent/one');
  security = broker.people.operator('security');
  platform = broker.people.operator('platform');
  approver = broker.people.operator('approver');
  auditor = broker.people.operator('auditor');
});
afterAll(() => broker.close());

const paths = (body: Readonly<Record<string, unknown>>) =>
  [...new Set((body['errors'] as { path: string }[]).map(({ path }) => path))].sort();
const proto = (members: string) => ({ body: `{${members}}`, headers: { 'content-type': 'application/json' } });

/** The paths of everything that is wrong, in one answer. */
const GRANTS: readonly { name: string; question: Question; want: readonly string[] }[] = [
  { name: 'nothing', question: {}, want: ['profile'] },
  { name: 'a list', question: { json: [] }, want: ['body'] },
  {
    name: 'every fault at once',
    question: {
      json: { parameters: { a: 1, b: null }, ttl_seconds: 1.5, purpose: 7, profil: 'x', extra: {} },
      headers: { 'idempotency-key': 'two words' },
    },
    want: ['Idempotency-Key', 'extra', 'parameters.a', 'parameters.b', 'profil', 'profile', 'purpose', 'ttl_seconds'],
  },
  { name: 'a task', question: { json: { profile: 'lookup', task: 't1' } }, want: ['task'] },
  {
    name: 'a principal',
    question: { json: { profile: 'lookup', on_behalf_of: { name: 'alice' } } },
    want: ['on_behalf_of'],
  },
  {
    name: 'a principal of no name',
    question: { json: { profile: 'lookup', on_behalf_of: '' } },
    want: ['on_behalf_of'],
  },
  { name: '__proto__', question: proto('"profile":"lookup","__proto__":{"purpose":"x"}'), want: ['__proto__'] },
  {
    name: '__proto__ further down',
    question: proto('"profile":"lookup","parameters":{"__proto__":{"a":"x"}},"x":[{"__proto__":1}]'),
    want: ['parameters.__proto__', 'x', 'x.0.__proto__'],
  },
  { name: 'constructor', question: proto('"profile":"lookup","constructor":{}'), want: ['constructor'] },
  {
    name: 'what Postgres cannot keep',
    question: proto('"profile":"a\\u0000","purpose":"\\ud800","parameters":{"x":"\\udc00"}'),
    want: ['parameters.x', 'profile', 'purpose'],
  },
  ...[0, -1, 2_592_001, 1e300, '60', null, true].map((ttl_seconds) => ({
    name: `ttl_seconds ${String(ttl_seconds)}`,
    question: { json: { profile: 'lookup', ttl_seconds } },
    want: ['ttl_seconds'],
  })),
  { name: 'a long purpose', question: { json: { profile: 'lookup', purpose: 'x'.repeat(1_001) } }, want: ['purpose'] },
  { name: 'a long profile', question: { json: { profile: 'x'.repeat(201) } }, want: ['profile'] },
  ...['', 'x'.repeat(201), 'ä'].map((key) => ({
    name: `idempotency key ${key.slice(0, 3)}`,
    question: { json: { profile: 'lookup' }, headers: { 'idempotency-key': key } },
    want: ['Idempotency-Key'],
  })),
  {
    name: 'parameters that the profile does not declare so',
    question: { json: { profile: 'ticket', purpose: 'test', parameters: { ticket: '1234567', other: 'x' } } },
    want: ['parameters.other', 'parameters.ticket'],
  },
  {
    name: 'a missing parameter',
    question: { json: { profile: 'ticket', purpose: 'test' } },
    want: ['parameters.ticket'],
  },
  {
    name: 'a line end where the pattern ends',
    question: { json: { profile: 'ticket', purpose: 'test', parameters: { ticket: '1\n' } } },
    want: ['parameters.ticket'],
  },
];

test.each(GRANTS)('POST /v1/grants, $name: 400 with every fault', async ({ question, want }) => {
  const answer = await broker.ask('POST', '/v1/grants', { as: agent, ...question });
  expect([answer.status, answer.code]).toEqual([400, 'invalid_request']);
  expect(paths(answer.body)).toEqual(want);
});

/** Bodies before anything is understood of them. */
const deep = (n: number) => `${'['.repeat(n)}${']'.repeat(n)}`;
const json = { 'content-type': 'application/json' };
const BODIES: readonly { name: string; question: Question; want: string }[] = [
  { name: 'broken JSON', question: { body: '{"profile":', headers: json }, want: '400 invalid_request' },
  { name: 'a bare word', question: { body: '"lookup"', headers: json }, want: '400 invalid_request' },
  {
    name: 'not UTF-8',
    question: { body: Buffer.from('7b22ff223a317d', 'hex'), headers: json },
    want: '400 invalid_request',
  },
  { name: 'deep', question: { body: `{"profile":${deep(30_000)}}`, headers: json }, want: '400 invalid_request' },
  {
    name: 'deep where text is',
    question: { body: `{"parameters":{"a":${deep(30_000)}}}`, headers: json },
    want: '400 invalid_request',
  },
  { name: 'too large', question: { json: { profile: 'x'.repeat(70_000) } }, want: '413 body_too_large' },
  {
    name: 'too large once it is unpacked',
    question: { body: gzipped(10_000_000), headers: { ...json, 'content-encoding': 'gzip' } },
    want: '413 body_too_large',
  },
  {
    name: 'text',
    question: { body: '{"profile":"lookup"}', headers: { 'content-type': 'text/plain' } },
    want: '415 unsupported_media_type',
  },
  { name: 'of no type', question: { body: '{"profile":"lookup"}' }, want: '415 unsupported_media_type' },
  { name: 'a form', question: { form: { profile: 'lookup' } }, want: '415 unsupported_media_type' },
  {
    name: 'of an unknown charset',
    question: { body: '{}', headers: { 'content-type': 'application/json; charset=ebcdic' } },
    want: '415 unsupported_media_type',
  },
  {
    name: 'of an unknown encoding',
    question: { body: '{}', headers: { ...json, 'content-encoding': 'zip' } },
    want: '415 unsupported_media_type',
  },
  {
    name: 'that is not what its encoding says',
    question: { body: '{}', headers: { ...json, 'content-encoding': 'gzip' } },
    want: '400 invalid_request',
  },
];

const READERS: readonly { path: string; as: () => string }[] = [
  { path: '/v1/grants', as: () => agent },
  { path: '/v1/tasks', as: () => agent },
  { path: '/v1/tasks/t000000000000000000000/end', as: () => agent },
  { path: '/access/v1/evaluation', as: () => agent },
  { path: '/access/v1/requests', as: () => agent },
  { path: '/v1/tool-calls/d000000000000000000000/outcome', as: () => agent },
  { path: '/v1/approvals/a000000000000000000000/approve', as: () => approver },
  { path: '/v1/exceptions', as: () => security },
  { path: '/v1/exceptions/x000000000000000000000/review', as: () => security },
  { path: '/v1/audit/holds', as: () => security },
  { path: '/v1/audit/dead-letters/replay', as: () => security },
];

test.each(BODIES)('a body that is $name', async ({ question, want }) => {
  for (const { path, as } of READERS) {
    const answer = await broker.ask('POST', path, { as: as(), ...question });
    expect([path, `${answer.status} ${String(answer.code)}`]).toEqual([path, want]);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  }
});

test('a body that another type hides is not taken for none', async () => {
  const issued = await broker.ask('POST', '/v1/grants', { as: agent, json: { profile: 'lookup', purpose: 'test' } });
  const question = { as: agent, body: '{"ttl_seconds":60}', headers: { 'content-type': 'text/plain' } };
  const { status } = await broker.ask('POST', `/v1/grants/${String(issued.body['id'])}/renew`, question);
  expect(status).toBe(415);
});

/** Other routes: who asks, where, with what, and the paths that are wrong. */
interface Other {
  readonly route: string;
  readonly as: () => string;
  readonly json?: unknown;
  readonly want: readonly string[];
}
const ORDER = { selector: { agent: 'x' }, reason: 'test' };
const TASK = { purpose: 'x', mode: 'autonomous', environment: 'test' };
const CALL = { action: { name: 'call' }, resource: { type: 'tool', id: 'x' } };
const EXCEPTION = {
  scope: { profile: 'refund' },
  policies: ['x'],
  reason: 'test',
  ends_at: '2027-01-01T00:00:00Z',
  review_by: '2027-02-01T00:00:00Z',
};
const NEWER: readonly Other[] = [
  { route: 'POST /v1/tasks', as: () => agent, json: {}, want: ['environment', 'mode', 'purpose'] },
  {
    route: 'POST /v1/tasks',
    as: () => agent,
    json: {
      ...{ purpose: '', mode: 'yolo', environment: 'a b', environments: [], ends_at: 'tomorrow', max_grants: 0 },
      ...{ max_calls: 1.5, profiles: ['"'], tools: 'x', parameters: { a: [] }, max_ttl_seconds: 0, on_behalf_of: '' },
      ...{ budget: 7 },
    },
    want: [
      ...['budget', 'ends_at', 'environment', 'environments', 'max_calls', 'max_grants', 'max_ttl_seconds', 'mode'],
      ...['on_behalf_of', 'parameters.a', 'profiles.0', 'purpose', 'tools'],
    ],
  },
  { route: 'POST /v1/tasks', as: () => agent, json: { ...TASK, environments: ['staging'] }, want: ['environments'] },
  { route: 'POST /v1/tasks', as: () => agent, json: { ...TASK, ends_at: '2020-01-01T00:00:00Z' }, want: ['ends_at'] },
  { route: 'POST /v1/tasks', as: () => agent, json: { ...TASK, purpose: 'a\0' }, want: ['purpose'] },
  { route: 'POST /v1/tasks/t000000000000000000000/end', as: () => agent, json: { why: 'x' }, want: ['reason', 'why'] },
  { route: 'GET /v1/tasks?mode=x&limit=0', as: () => agent, want: ['limit', 'mode'] },
  { route: 'POST /access/v1/evaluation', as: () => agent, json: {}, want: ['action', 'resource'] },
  {
    route: 'POST /access/v1/evaluation',
    as: () => agent,
    json: {
      subject: { type: 'workload' },
      action: {},
      resource: { type: 'tool', id: '' },
      context: { arguments: [], grant: 7, task: '', approval: {} },
    },
    want: [
      ...['action.name', 'context.approval', 'context.arguments', 'context.grant', 'context.task', 'resource.id'],
      'subject.id',
    ],
  },
  { route: 'POST /access/v1/evaluations', as: () => agent, json: { ...CALL, evaluations: 7 }, want: ['evaluations'] },
  {
    route: 'POST /access/v1/evaluations',
    as: () => agent,
    json: {
      ...CALL,
      evaluations: Array.from({ length: 101 }, () => ({})),
      options: { evaluations_semantic: 'some' },
    },
    want: ['evaluations', 'options.evaluations_semantic'],
  },
  { route: 'POST /access/v1/requests', as: () => agent, json: CALL, want: ['denial'] },
  {
    route: 'POST /access/v1/requests',
    as: () => agent,
    json: { denial: { binding_token: '' } },
    want: ['action', 'denial.binding_token', 'resource'],
  },
  { route: 'GET /access/v1/requests/a000000000000000000000?wait=61', as: () => agent, want: ['wait'] },
  { route: 'POST /v1/tool-calls/d000000000000000000000/outcome', as: () => agent, json: {}, want: ['status'] },
  {
    route: 'POST /v1/tool-calls/d000000000000000000000/outcome',
    as: () => agent,
    json: { status: 'done', detail: 'a sentence', at: 'now', more: 1 },
    want: ['at', 'detail', 'more', 'status'],
  },
  { route: 'POST /v1/approvals/a000000000000000000000/approve', as: () => approver, json: {}, want: ['reason'] },
  {
    route: 'POST /v1/approvals/a000000000000000000000/deny',
    as: () => approver,
    json: { x: 1 },
    want: ['reason', 'x'],
  },
  { route: 'GET /v1/approvals?state=open&kind=x', as: () => approver, want: ['kind', 'state'] },
  { route: 'GET /v1/grants/g000000000000/approval?wait=-1', as: () => agent, want: ['wait'] },
  { route: 'POST /v1/grants/g000000000000/claim', as: () => agent, json: { ttl_seconds: 7 }, want: ['ttl_seconds'] },
  {
    route: 'POST /v1/exceptions',
    as: () => security,
    json: {},
    want: ['ends_at', 'policies', 'reason', 'review_by', 'scope'],
  },
  {
    route: 'POST /v1/exceptions',
    as: () => security,
    json: { ...EXCEPTION, scope: { profile: 'a', tool: 'b' }, policies: [] },
    want: ['policies', 'scope'],
  },
  {
    route: 'POST /v1/exceptions',
    as: () => security,
    json: { ...EXCEPTION, scope: { profile: 'a', agent: 'no-trust' }, ends_at: '2027', all: true },
    want: ['all', 'ends_at', 'scope.agent'],
  },
  { route: 'POST /v1/exceptions/x000000000000000000000/approve', as: () => approver, json: {}, want: ['reason'] },
  {
    route: 'POST /v1/exceptions/x000000000000000000000/end',
    as: () => security,
    json: { note: 'x' },
    want: ['note', 'reason'],
  },
  { route: 'POST /v1/exceptions/x000000000000000000000/review', as: () => security, json: {}, want: ['note'] },
  { route: 'GET /v1/exceptions?unreviewed=yes&state=x', as: () => security, want: ['state', 'unreviewed'] },
  { route: 'GET /v1/decisions', as: () => auditor, want: ['from'] },
  { route: 'GET /v1/decisions?from=then&to=now&cursor=x', as: () => auditor, want: ['cursor', 'from', 'to'] },
  { route: 'GET /v1/events?cursor=-1&limit=0&format=xml', as: () => auditor, want: ['cursor', 'format', 'limit'] },
  { route: 'GET /v1/events?task=&more=1', as: () => auditor, want: ['more', 'task'] },
  { route: 'GET /v1/audit/proof', as: () => auditor, want: ['query'] },
  { route: 'GET /v1/audit/proof?leaf=1&seq=2', as: () => auditor, want: ['query'] },
  { route: 'GET /v1/audit/proof?leaf=x&size=-1', as: () => auditor, want: ['leaf', 'size'] },
  { route: 'GET /v1/audit/range?from=yesterday', as: () => auditor, want: ['from'] },
  { route: 'GET /v1/audit/evidence?from=x&to=2026-13-01T00:00:00Z', as: () => auditor, want: ['from', 'to'] },
  {
    route: 'GET /v1/tasks/t000000000000000000000/timeline?cursor=x&limit=0',
    as: () => auditor,
    want: ['cursor', 'limit'],
  },
  { route: 'POST /v1/audit/holds', as: () => security, json: { from: 'x' }, want: ['from', 'reason'] },
  {
    route: 'POST /v1/audit/holds',
    as: () => security,
    json: { from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z', reason: 'x' },
    want: ['to'],
  },
  { route: 'POST /v1/audit/holds/h000000000000000000000/lift', as: () => security, json: {}, want: ['reason'] },
  { route: 'GET /v1/audit/dead-letters?cursor=x&limit=501', as: () => auditor, want: ['cursor', 'limit'] },
  {
    route: 'POST /v1/audit/dead-letters/replay',
    as: () => security,
    json: { task: '' },
    want: ['reason', 'sink', 'task'],
  },
];
const OTHERS: readonly Other[] = [
  ...NEWER,
  {
    route: 'POST /v1/grants/g000000000000/renew',
    as: () => agent,
    json: { ttl_seconds: 0, x: 1 },
    want: ['ttl_seconds', 'x'],
  },
  { route: 'POST /v1/grants/g000000000000/revoke', as: () => agent, json: {}, want: ['reason'] },
  { route: 'POST /v1/grants/g000000000000/revoke', as: () => security, json: { reason: 'x\0' }, want: ['reason'] },
  { route: 'POST /v1/revocations', as: () => security, json: {}, want: ['reason', 'selector'] },
  { route: 'POST /v1/revocations', as: () => security, json: { ...ORDER, selector: {} }, want: ['selector'] },
  {
    route: 'POST /v1/revocations',
    as: () => security,
    json: { ...ORDER, selector: { all: true, agent: 'x' } },
    want: ['selector'],
  },
  {
    route: 'POST /v1/revocations',
    as: () => security,
    json: { ...ORDER, selector: { all: false } },
    want: ['selector.all'],
  },
  {
    route: 'POST /v1/revocations',
    as: () => security,
    json: { ...ORDER, selector: { agent: '' } },
    want: ['selector.agent'],
  },
  {
    route: 'POST /v1/revocations',
    as: () => security,
    json: { ...ORDER, selector: { agents: 'x' } },
    want: ['selector', 'selector.agents'],
  },
  {
    route: 'POST /v1/revocations',
    as: () => security,
    json: { ...ORDER, selector: { on_behalf_of: '' } },
    want: ['selector.on_behalf_of'],
  },
  {
    route: 'POST /v1/revocations',
    as: () => security,
    json: { ...ORDER, dry_run: 'yes', block: 1 },
    want: ['block', 'dry_run'],
  },
  {
    route: 'POST /v1/revocations/o000000000000000000000/lift',
    as: () => security,
    json: { reason: '' },
    want: ['reason'],
  },
  { route: 'POST /v1/generations', as: () => platform, json: {}, want: ['files'] },
  {
    route: 'POST /v1/generations',
    as: () => platform,
    json: { files: { a: 1 }, dry_run: 'x' },
    want: ['dry_run', 'files.a'],
  },
  { route: 'GET /v1/grants?state=living', as: () => security, want: ['state'] },
  { route: 'GET /v1/grants?agents=x', as: () => security, want: ['agents'] },
  { route: 'GET /v1/grants?agent=', as: () => security, want: ['agent'] },
  { route: 'GET /v1/grants?agent=a&agent=b', as: () => security, want: ['agent'] },
  { route: 'GET /v1/grants?agent[x]=b', as: () => security, want: ['agent[x]'] },
  { route: 'GET /v1/grants?agent=%00', as: () => security, want: ['agent'] },
  { route: 'GET /v1/grants?__proto__=x', as: () => security, want: ['__proto__'] },
  { route: 'GET /v1/grants?on_behalf_of=', as: () => security, want: ['on_behalf_of'] },
  { route: 'GET /v1/grants?limit=0', as: () => security, want: ['limit'] },
  { route: 'GET /v1/grants?limit=501', as: () => security, want: ['limit'] },
  { route: 'GET /v1/grants?limit=ten', as: () => security, want: ['limit'] },
  // times that are written as they should be, and that no calendar of the database has
  ...['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+23:59', '9999-12-31T23:59:59-23:59'].flatMap((time) => [
    { route: 'POST /v1/audit/holds', as: () => security, json: { from: time, reason: 'x' }, want: ['from'] },
    { route: 'POST /v1/audit/holds', as: () => security, json: { to: time, reason: 'x' }, want: ['to'] },
    { route: `GET /v1/audit/range?from=${encodeURIComponent(time)}`, as: () => auditor, want: ['from'] },
    { route: `GET /v1/audit/evidence?to=${encodeURIComponent(time)}`, as: () => auditor, want: ['to'] },
    { route: 'POST /v1/tasks', as: () => agent, json: { ...TASK, ends_at: time }, want: ['ends_at'] },
    {
      route: `GET /v1/decisions?from=${time}&to=${time}`.replaceAll('+', '%2b'),
      as: () => auditor,
      want: ['from', 'to'],
    },
    { route: 'POST /v1/exceptions', as: () => security, json: { ...EXCEPTION, starts_at: time }, want: ['starts_at'] },
    {
      route: 'POST /v1/tool-calls/d000000000000000000000/outcome',
      as: () => agent,
      json: { status: 'succeeded', at: time },
      want: ['at'],
    },
  ]),
  { route: 'GET /v1/grants?cursor=x', as: () => security, want: ['cursor'] },
  {
    route: `GET /v1/grants?cursor=${Buffer.from('["-200000-01-01T00:00:00Z",["g"]]').toString('base64url')}`,
    as: () => security,
    want: ['cursor'],
  },
];

test.each(OTHERS)('$route $json', async ({ route, as, json: sent, want }) => {
  const [method = '', path = ''] = route.split(' ');
  const answer = await broker.ask(method, path, { as: as(), ...(sent === undefined ? {} : { json: sent }) });
  expect([answer.status, answer.code, answer.body['errors'] && paths(answer.body)]).toEqual([
    400,
    'invalid_request',
    want,
  ]);
});

/** What cannot be an id, is there in no other way than one that is not there. */
test.each([
  'x',
  'g',
  'g00000000000',
  'g00000000000O',
  'G000000000000',
  'o000000000000000000000',
  '%00',
  '%2e%2e',
  "g';--",
  'ä',
])('the id %s', async (id) => {
  for (const [path, as] of [
    [`/v1/grants/${id}`, agent],
    [`/v1/grants/${id}`, security],
    [`/v1/revocations/${id}`, security],
    [`/v1/tasks/${id}`, agent],
    [`/v1/tasks/${id}`, security],
    [`/v1/tasks/${id}/timeline`, auditor],
    [`/v1/approvals/${id}`, security],
    [`/v1/exceptions/${id}`, security],
    [`/v1/decisions/${id}`, auditor],
    [`/v1/generations/${id}`, platform],
    [`/v1/grants/${id}/approval`, agent],
    [`/access/v1/requests/${id}`, agent],
  ] as const) {
    const answer = await broker.ask('GET', encodeURI(path).replaceAll('%25', '%'), { as });
    expect([path, answer.status, answer.code]).toEqual([path, 404, 'not_found']);
  }
});

test('a path that is no text', async () => {
  const answer = await broker.ask('GET', '/v1/grants/%ff', { as: agent });
  expect([answer.status, answer.code]).toEqual([400, 'invalid_request']);
});

test.each([
  { name: 'no token', form: {}, status: 400 },
  { name: 'an empty token', form: { token: '' }, status: 400 },
  { name: 'a token that is too long', form: { token: 'x'.repeat(16_385) }, status: 413 },
  { name: 'no form', body: '{"token":"x"}', status: 415 },
  {
    name: 'two tokens',
    body: 'token=a&token=b',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    status: 400,
  },
])('OAuth, $name', async ({ form, body, headers, status }) => {
  for (const path of ['/oauth/introspect', '/oauth/revoke']) {
    const question = { as: agent, ...(form ? { form } : { body, headers: headers ?? json }) };
    const answer = await broker.ask('POST', path, question);
    expect([path, answer.status, answer.body['error']]).toEqual([path, status, 'invalid_request']);
    expect(Object.keys(answer.body).sort()).toEqual(['error', 'error_description']);
  }
});

function gzipped(bytes: number): Buffer {
  return gzipSync(JSON.stringify({ profile: 'x'.repeat(bytes) }));
}
