import { canonicalJson, isJsonObject } from '../../src/domain/json.ts';
import type { Json } from '../../src/domain/json.ts';
import { approvalRules } from '../support/approval-rules.ts';
import type { Answer } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

/** Whatever is sent, the answer is one that was meant: never a 500. A failure names the seed that makes it again. */
const SEED = Math.floor(Math.random() * 2 ** 32);
const ROUNDS = 600;
const AT_ONCE = 8;

const TASKS = { 'policies/tasks.cedar': '@id("tasks") permit (principal, action == Action::"create_task", resource);' };

let broker: RunningBroker;
beforeAll(async () => {
  broker = await startRunningBroker({ rulesOf: ({ readonly }) => ({ ...approvalRules(readonly), ...TASKS }) });
});
afterAll(() => broker.close());

/** Mulberry32: the same numbers for the same seed. */
function makeRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  return { below, pick: <T>(all: readonly [T, ...T[]]): T => all[below(all.length)] ?? all[0] };
}
type Random = ReturnType<typeof makeRandom>;

const NAMES = [
  'profile',
  'parameters',
  'ttl_seconds',
  'purpose',
  'selector',
  'reason',
  'files',
  'dry_run',
  'agent',
  'all',
  'ticket',
  ...(['subject', 'action', 'resource', 'context', 'arguments', 'id', 'type', 'name', 'properties', 'trust'] as const),
  ...([
    'grant',
    'task',
    'approval',
    'evaluations',
    'options',
    'evaluations_semantic',
    'denial',
    'binding_token',
  ] as const),
  ...(['mode', 'environment', 'environments', 'max_calls', 'ends_at', 'on_behalf_of', 'token', 'tools'] as const),
  ...(['scope', 'policies', 'review_by', 'starts_at', 'note', 'status', 'detail', 'at', 'sink', 'from', 'to'] as const),
  'toString',
  '__proto__',
  '',
  '\0',
  '\ud800',
  'ä',
  '{{parameters.ticket}}',
] as const;
const VALUES: readonly [Json, ...Json[]] = [
  'lookup',
  'ticket',
  'orders-read',
  'off',
  'search',
  'refund',
  'mcp.night',
  'call',
  'tool',
  'autonomous',
  'succeeded',
  '2027-01-01T00:00:00Z',
  't000000000000000000000',
  '',
  '0',
  '1',
  'x'.repeat(300),
  '\0',
  '\udfff',
  "'; drop table grants; --",
  '{{parameters.x}}',
  '%00',
  '../../etc/passwd',
  'spiffe://test.example/agent/one',
  '\u202e',
  '😀',
  0,
  1,
  -1,
  1.5,
  60,
  1e21,
  2_592_000,
  true,
  false,
  null,
];

function anything(random: Random, depth: number): Json {
  const kind = depth > 3 ? 0 : random.below(6);
  if (kind === 4) return Array.from({ length: random.below(4) }, () => anything(random, depth + 1));
  if (kind !== 5) return random.pick(VALUES);
  return object(random, depth);
}

function object(random: Random, depth: number): Json {
  const members = Array.from(
    { length: random.below(6) },
    () => [random.pick(NAMES), anything(random, depth + 1)] as const,
  );
  // as text first: an object's literal would take __proto__ for something else
  return JSON.parse(
    `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`,
  ) as Json;
}

/** Requests that are right but for what was changed of them. */
const RIGHT: Readonly<Record<string, (random: Random) => object>> = {
  '/v1/grants': (random) => ({
    profile: random.pick(['lookup', 'ticket', 'orders-read']),
    purpose: 'fuzz',
    parameters: { ticket: '1' },
  }),
  '/v1/tasks': (random) => ({ purpose: 'fuzz', mode: random.pick(['observe', 'autonomous']), environment: 'test' }),
  '/access/v1/evaluation': call,
  '/access/v1/evaluations': (random) => ({ ...call(random), evaluations: [anything(random, 1), {}] }),
  '/access/v1/requests': (random) => ({ ...call(random), denial: { binding_token: 'x' } }),
  '/v1/exceptions': () => ({
    ...{ scope: { profile: 'frozen' }, policies: ['freeze'], reason: 'fuzz' },
    ...{ ends_at: '2099-01-01T00:00:00Z', review_by: '2099-01-02T00:00:00Z' },
  }),
};

function call(random: Random) {
  const id = random.pick(['search', 'refund', 'cancel', 'mcp.x']);
  return { action: { name: 'call' }, resource: { type: 'tool', id }, context: { arguments: object(random, 1) } };
}

function nearlyRight(path: string, random: Random): Json {
  return { ...(RIGHT[path]?.(random) ?? {}), ...(object(random, 1) as object) };
}

const ROUTES = [
  'POST /v1/grants',
  'POST /v1/grants/ID/renew',
  'POST /v1/grants/ID/revoke',
  'POST /v1/revocations',
  'POST /v1/revocations/o000000000000000000000/lift',
  'POST /v1/generations',
  'POST /v1/tasks',
  'POST /v1/tasks/t000000000000000000000/end',
  'POST /access/v1/evaluation',
  'POST /access/v1/evaluations',
  'POST /access/v1/requests',
  'POST /v1/tool-calls/d000000000000000000000/outcome',
  'POST /v1/approvals/a000000000000000000000/approve',
  'POST /v1/exceptions',
  'POST /v1/exceptions/x000000000000000000000/approve',
  'POST /v1/exceptions/x000000000000000000000/review',
  'POST /v1/audit/holds/h000000000000000000000/lift',
  'POST /v1/audit/dead-letters/replay',
] as const;
const OF_SECURITY = /^\/v1\/(rev|approvals|exceptions|audit)/;

async function run(times: number, one: (random: Random) => Promise<{ sent: unknown; answer: Answer }>) {
  const wrong: unknown[] = [];
  for (let round = 0; round < times; round += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, (_, i) => one(makeRandom(SEED + round + i)));
    for (const { sent, answer } of await Promise.all(batch)) {
      const meant =
        answer.status < 500 && (answer.status < 400 || typeof answer.code === 'string' || answer.text === '');
      if (!meant) wrong.push({ seed: SEED, sent, status: answer.status, text: answer.text.slice(0, 200) });
    }
  }
  return wrong;
}

test('bodies', async () => {
  const as = {
    agent: broker.people.workload('agent/fuzz'),
    security: broker.people.operator('security'),
    platform: broker.people.operator('platform'),
  };
  const { body } = await broker.ask('POST', '/v1/grants', {
    as: as.agent,
    json: { profile: 'lookup', purpose: 'fuzz' },
  });
  const wrong = await run(ROUNDS, async (random) => {
    const route = random.pick(ROUTES).replace('ID', String(body['id']));
    const [method = '', path = ''] = route.split(' ');
    const who = OF_SECURITY.test(path) ? as.security : path === '/v1/generations' ? as.platform : as.agent;
    const json = path in RIGHT && random.below(3) > 0 ? nearlyRight(path, random) : anything(random, 0);
    // an order over everything would end the fuzzing of what comes after it
    const sent = path === '/v1/revocations' && isJsonObject(json) ? { ...json, dry_run: true } : json;
    return { sent: [route, canonicalJson(sent)], answer: await broker.ask(method, path, { as: who, json: sent }) };
  });
  expect(wrong).toEqual([]);
});

const LISTS = [
  'grants',
  'tasks',
  'approvals',
  'exceptions',
  'decisions',
  'events',
  'audit/proof',
  'audit/dead-letters',
] as const;
const ASKED = [
  ...(['state', 'agent', 'cursor', 'limit', 'x', 'task', 'mode', 'kind', 'unreviewed', 'from', 'to'] as const),
  ...(['leaf', 'seq', 'old_size', 'first', 'end', 'size', 'format', 'sink', 'environment'] as const),
] as const;

test('queries and ids', async () => {
  const who = ['security', 'auditor'] as const;
  const wrong = await run(ROUNDS / 2, async (random) => {
    const text = () => encodeURIComponent(String(random.pick(VALUES)).replace(/\p{Surrogate}/gu, '?'));
    const query = Array.from({ length: random.below(4) }, () => `${random.pick(ASKED)}=${text()}`);
    const list = random.pick(LISTS);
    const path = random.below(3) > 0 ? `/v1/${list}?${query.join('&')}` : `/v1/${list}/${text()}`;
    return { sent: path, answer: await broker.ask('GET', path, { as: broker.people.operator(random.pick(who)) }) };
  });
  expect(wrong).toEqual([]);
});

test('forms of the token endpoint, and task tokens', async () => {
  const agent = broker.people.workload('agent/fuzz');
  const made = await broker.ask('POST', '/v1/tasks', {
    as: agent,
    json: { purpose: 'fuzz', mode: 'observe', environment: 'test' },
  });
  const right: Record<string, string> = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: String(made.body['token'] ?? 'none'),
    subject_token_type: 'urn:ietf:params:oauth:token-type:txn_token',
    actor_token: agent,
    actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    request_details: '{}',
  };
  const wrong = await run(ROUNDS / 2, async (random) => {
    const name = random.pick(Object.keys(right) as [string]);
    const value = random.below(2) === 0 ? String(random.pick(VALUES)) : JSON.stringify(anything(random, 0));
    const form = { ...right, [name]: value };
    const exchanged = await broker.ask('POST', '/oauth/token', { as: agent, form });
    const header = value.replace(/[^\t\x20-\x7e]/g, '').trim();
    const shown = await broker.ask('POST', '/v1/grants', {
      as: agent,
      json: { profile: 'lookup' },
      headers: { 'Txn-Token': header },
    });
    if (shown.status < 400) throw new Error(`a task token that is none was accepted (seed ${SEED})`);
    return { sent: [name, value], answer: exchanged.status >= 500 ? exchanged : shown };
  });
  expect(wrong).toEqual([]);
});

test('tokens', async () => {
  const token = broker.people.workload('agent/fuzz');
  const wrong = await run(ROUNDS, async (random) => {
    const at = random.below(token.length);
    const cut = random.below(8);
    const char = random.pick(['A', '.', '-', '=', '_', '~', '"', '\t', 'é']);
    const as =
      random.below(3) === 0
        ? token.slice(0, at)
        : token.slice(0, at) + char.repeat(random.below(3)) + token.slice(at + cut);
    const bearer = await broker.ask('POST', '/v1/grants', { as, json: { profile: 'lookup', purpose: 'fuzz' } });
    const form = await broker.ask('POST', '/oauth/introspect', {
      as: broker.people.workload('gateway'),
      form: { token: as },
    });
    const answer = bearer.status >= 500 ? bearer : form;
    const changed = as !== token;
    if (changed && bearer.status < 400) throw new Error(`an altered token was accepted (seed ${SEED})`);
    return { sent: at, answer };
  });
  expect(wrong).toEqual([]);
});

test('nothing that broke here was met on the way', () => {
  expect(broker.log.filter(({ facts }) => facts['code'] === 'internal_error')).toEqual([]);
});
