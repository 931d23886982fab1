import { join } from 'node:path';
import type { RuleFiles } from '../../src/config/index.ts';
import type { DecisionRecord } from '../../src/client/index.ts';
import { makeLocalCommands } from '../../src/local-commands.ts';
import { makeReplay } from '../../src/policy-commands.ts';
import { seeded } from '../support/random.ts';
import { profile, TOOLS_AUDIENCE, withSchema } from '../support/running-broker-rules.ts';
import { startTaskBroker } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';
import { TOOLS } from '../support/tool-rules.ts';
import { openStation } from './harness.ts';
import type { Station } from './harness.ts';

/**
 * `writ policy replay` and `writ policy explain` on a broker that is real: a decision is a pure function of its recorded inputs, so that a
 * recorded period comes out the same under the rules of then, and under others differs in what those say otherwise.
 */
const SEED = Math.floor(Math.random() * 2 ** 32);
const ROUNDS = 250;
const AT_ONCE = 6;

const token = `jwt: { audience: "${TOOLS_AUDIENCE}" }`;
const POLICIES = `
@id("tasks") permit (principal in Trust::"mesh", action == Action::"create_task", resource) when { resource.purpose != "never" };
@id("some-ask") @requires("approval") forbid (principal, action == Action::"create_task", resource) when { resource.purpose == "asks" } unless { context has approval };
@id("take") permit (principal in Trust::"mesh", action == Action::"delegate", resource) when { context has delegation && context.delegation.from.trust == "mesh" };
@id("named") @on_behalf_of("named") permit (principal == Workload::"mesh/spiffe://test.example/agent/one", action, resource) when { context has on_behalf_of && context.on_behalf_of like "customer:*" };
@id("reads") permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource) when { resource.effect == "read" && context.task.purpose != "never" };
@id("tickets-by-half") forbid (principal, action, resource == Profile::"ticket") when { context.parameters has ticket && context.parameters.ticket == "13" };
@id("charges") permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource) when { resource.effect == "purchase" };
@id("charges-ask") @requires("approval") forbid (principal, action == Action::"issue", resource == Profile::"charge") unless { context has approval };
@id("freeze") @overridable forbid (principal, action, resource == Profile::"frozen");
@id("calls") permit (principal in Trust::"mesh", action == Action::"call", resource) when { resource.name != "search" && resource.name != "mcp.forbidden" };
@id("searches") permit (principal in Trust::"mesh", action == Action::"call", resource == Tool::"search");
@id("no-order-thirteen") forbid (principal, action == Action::"call", resource) when { context.arguments has order && context.arguments.order == "13" };
@id("nights-ask") @requires("approval") forbid (principal, action == Action::"call", resource == Tool::"mcp.night") unless { context has approval };
`;
const RULES: RuleFiles = {
  ...profile('lookup', 'tools', token),
  ...profile('ticket', 'tools', 'parameters: { ticket: { pattern: "[0-9]{1,6}" } }', token),
  ...profile('charge', 'tools', 'effect: purchase', token),
  ...profile('pay', 'tools', 'effect: purchase', token),
  ...profile('frozen', 'tools', token),
  ...profile('far', 'tools', 'environment: production', token),
  ...TOOLS,
  'policies/all.cedar': POLICIES,
};
/** Two things that are said otherwise: who may search, and how many orders may be cancelled at once. */
const STRICTER: RuleFiles = {
  ...RULES,
  'policies/all.cedar': POLICIES.replace(
    'resource == Tool::"search")',
    'resource == Tool::"search") unless { principal.id == "spiffe://test.example/agent/two" }',
  ),
  'tools/cancel.yaml': (RULES['tools/cancel.yaml'] ?? '').replace('max: 3', 'max: 2'),
};

let broker: TaskBroker;
let station: Station;
let from: string;
let to: string;
let decisions: DecisionRecord[];
const tasks: { id: string; token: string; who: string }[] = [];
const grants: { id: string; who: string }[] = [];

beforeAll(async () => {
  broker = await startTaskBroker();
  station = openStation();
  await apply(withSchema(RULES));
  from = new Date(Date.now() - 1_000).toISOString();
  await record();
  to = new Date(Date.now() + 1_000).toISOString();
  decisions = [];
  let cursor = '';
  do {
    const query = `from=${from}&to=${to}&limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const { body } = await broker.ask('GET', `/v1/decisions?${query}`, { as: broker.people.operator('auditor') });
    decisions.push(...(body['decisions'] as DecisionRecord[]));
    cursor = String(body['next_cursor'] ?? '');
  } while (cursor !== '');
});
afterAll(async () => {
  station.close();
  await broker.close();
});

async function apply(files: RuleFiles): Promise<number> {
  const as = broker.people.operator('platform');
  const { status, text, body } = await broker.ask('POST', '/v1/generations', { as, json: { files } });
  if (status !== 201) throw new Error(text);
  return Number(body['number']);
}
const security = (path: string, json: object) =>
  broker.ask('POST', path, { as: broker.people.operator('security'), json });

/** Whatever makes decisions: what is known to come out in each way first, then at random. */
async function record(): Promise<void> {
  const [one, two] = ['agent/one', 'agent/two'];
  const make = async (who: string, json: object) => {
    const made = await broker.create(who, { environment: 'test', ...json });
    if (made.status === 201) tasks.push({ id: String(made.body['id']), token: String(made.body['token']), who });
  };
  for (const who of [one, two])
    for (const mode of ['observe', 'supervised', 'autonomous']) await make(who, { mode, purpose: `${mode} it` });
  await make(one, { purpose: 'never' });
  await make(one, { purpose: 'asks' });
  await make(one, { on_behalf_of: 'customer:7' });
  await make(two, { on_behalf_of: 'customer:7' });
  await make(one, { profiles: ['ticket'], tools: ['search'], parameters: { ticket: ['7'] } });
  await issue(one, { profile: 'lookup', task: tasks.at(-1)?.id });
  await issue(one, { profile: 'lookup', task: tasks[0]?.id });
  await evaluate(one, 'nobody-knows', {});
  await make(two, { max_calls: 2, max_grants: 1 });
  await make(two, { purpose: 'ended early' });
  const ended = tasks.at(-1)?.id ?? '';
  await security(`/v1/tasks/${ended}/end`, { reason: 'test' });
  await evaluate(two, 'search', { text: 'x' }, { task: ended });
  await broker.exchange('agent/three', tasks[2]?.token ?? '', { mode: 'observe' });
  await broker.exchange('agent/three', tasks[0]?.token ?? '', { mode: 'autonomous' });
  const frozen = { scope: { profile: 'frozen' }, policies: ['freeze'], reason: 'test' };
  const soon = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
  const asked = await broker.ask('POST', '/v1/exceptions', {
    as: broker.people.operator('platform'),
    json: {
      ...frozen,
      scope: { profile: 'frozen', agent: 'mesh/spiffe://test.example/agent/one' },
      ends_at: soon(600),
      review_by: soon(900),
    },
  });
  await security(`/v1/exceptions/${String(asked.body['id'])}/approve`, { reason: 'test' });
  await security('/v1/revocations', { selector: { agent: 'spiffe://test.example/agent/stopped' }, reason: 'test' });
  for (const count of [3, 3, 2, 4])
    await evaluate(one, 'cancel', { orders: Array.from({ length: count }, (_, n) => String(n)) });
  for (const who of [one, two, 'agent/stopped']) await evaluate(who, 'search', { text: 'x' });
  for (const who of [one, two, 'agent/stopped'])
    for (const name of ['lookup', 'frozen', 'charge', 'far', 'nothing']) await issue(who, { profile: name });

  for (let round = 0; round < ROUNDS; round += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => anything(seeded(SEED + round + n))));
}

async function anything({ pick, next }: ReturnType<typeof seeded>): Promise<void> {
  const who = pick(['agent/one', 'agent/two', 'agent/three', 'agent/stopped']);
  const mine = tasks.filter((task) => task.who === who);
  const task = mine.length > 0 && next() < 0.6 ? pick(mine).id : undefined;
  const own = grants.filter((grant) => grant.who === who);
  if (next() < 0.5) {
    const name = pick(['lookup', 'ticket', 'charge', 'pay', 'frozen', 'far', 'nothing']);
    await issue(who, {
      profile: name,
      ...(name === 'ticket' && { parameters: { ticket: pick(['7', '13', '42']) } }),
      ...(task !== undefined && { task }),
      ...(task === undefined && next() < 0.2 && { on_behalf_of: pick(['customer:7', 'ada']) }),
      ...(task === undefined && { purpose: pick(['work', 'never']) }),
      ...(next() < 0.3 && { ttl_seconds: pick([1, 60, 100_000]) }),
    });
    return;
  }
  if (own.length > 0 && next() < 0.2) {
    await broker.ask('POST', `/v1/grants/${pick(own).id}/renew`, { as: broker.people.workload(who), json: {} });
    return;
  }
  const [name, given] = pick<[string, object]>([
    ['search', { text: 'x', limit: pick([1, 100, 101]) }],
    ['refund', { order: pick(['4711', '13']), amount: pick([1, 500, 500.01, 'much']) }],
    ['cancel', { orders: Array.from({ length: pick([1, 2, 3, 4]) }, (_, n) => String(n)) }],
    ['mcp.night', {}],
    ['mcp.forbidden', {}],
    ['nobody-knows', {}],
  ]);
  await evaluate(who, name, given, {
    ...(task !== undefined && { task }),
    ...(own.length > 0 && { grant: pick(own).id }),
  });
}

async function issue(who: string, json: object): Promise<void> {
  const as = broker.people.workload(who);
  const { status, body } = await broker.ask('POST', '/v1/grants', {
    as,
    json: { purpose: 'work', ...json, ...('task' in json && { purpose: undefined }) },
  });
  if (status >= 500) throw new Error(`seed ${SEED}: ${JSON.stringify(body)}`);
  if (status === 201) grants.push({ id: String(body['id']), who });
  if (status !== 202) return;
  // some are approved and claimed, some not
  const { id } = body['approval'] as { id: string };
  if (grants.length % 3 === 0) return;
  await broker.ask('POST', `/v1/approvals/${id}/approve`, {
    as: broker.people.operator('approver'),
    json: { reason: 'x' },
  });
  await broker.ask('POST', `/v1/grants/${String(body['id'])}/claim`, { as, json: {} });
}

async function evaluate(who: string, name: string, given: object, context: object = {}): Promise<void> {
  const json = {
    action: { name: 'call' },
    resource: { type: 'tool', id: name },
    context: { arguments: given, ...context },
  };
  const { status, text } = await broker.ask('POST', '/access/v1/evaluation', { as: broker.people.workload(who), json });
  if (status !== 200) throw new Error(`seed ${SEED}: ${text}`);
}

/** The command line as it is, with its local commands. */
async function writ(...argv: string[]) {
  const printed: string[] = [];
  const print = (line: string) => void printed.push(line);
  const ran = await station.run(
    argv,
    { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: broker.people.operator('auditor') },
    { now: () => new Date(), local: makeLocalCommands({ env: {}, print, printError: print }) },
  );
  return { ...ran, lines: ran.stdout.trimEnd().split('\n'), printed };
}
const replay = (...argv: string[]) => writ('policy', 'replay', '--from', from, '--to', to, ...argv);
const written = (name: string, files: RuleFiles) => {
  station.write(`${name}/writ.yaml`, JSON.stringify({ providers: { tools: { kind: 'jwt' } } }));
  for (const [path, text] of Object.entries(withSchema(files))) station.write(`${name}/${path}`, text);
  return join(station.cwd, name);
};

const asked = ({ inputs }: DecisionRecord) => Object.keys(inputs).length > 0;
/** What the stricter rules say otherwise of, told from the record without deciding anything. */
const otherwise = (one: DecisionRecord) => {
  if (!asked(one)) return false;
  if (one.resource === 'search') return one.subject === 'spiffe://test.example/agent/two';
  const { context } = one.inputs as { context: { arguments?: { count?: number } } };
  const byRules = one.code === null || one.code === 'approval_required' || one.code === 'task_observes';
  return one.resource === 'cancel' && context.arguments?.count === 3 && byRules;
};

test('there is something of everything in the record', () => {
  const codes = new Set(decisions.map(({ code }) => code));
  const want = [null, 'policy_denied', 'principal_refused', 'approval_required', 'over_limit', 'task_observes'];
  expect(
    [
      ...want,
      'under_order',
      'outside_task',
      'task_ended',
      'unknown_profile',
      'unknown_tool',
      'wider_than_parent',
    ].filter((code) => !codes.has(code)),
  ).toEqual([]);
  const actions = new Set(decisions.map(({ action }) => action));
  expect([...actions].sort()).toEqual(
    ['call', 'create_task', 'delegate', 'issue', 'renew'].filter((action) => actions.has(action)),
  );
  expect(decisions.filter(({ mode }) => mode === null)).toEqual([]);
  expect(decisions.length).toBeGreaterThan(ROUNDS);
});

test('each decision comes out again as it is on record: outcome, code and policies', async () => {
  const again = await makeReplay({ files: withSchema(RULES) }, {});
  // in another sequence, and from text: nothing but what is recorded counts
  const shuffled = [...decisions].sort((a, b) => (a.id.slice(-4) < b.id.slice(-4) ? -1 : 1));
  const results = shuffled.map((one) => ({ one, came: again(JSON.parse(JSON.stringify(one)) as DecisionRecord) }));
  expect(results.filter(({ came }) => came.kind === 'differs').map((wrong) => ({ seed: SEED, ...wrong }))).toEqual([]);
  for (const { one, came } of results) {
    expect(came.kind === 'not_asked').toBe(!asked(one));
    const byRules = [null, 'policy_denied', 'principal_refused', 'over_limit', 'task_observes'].includes(one.code);
    if (came.kind !== 'same' || !byRules) continue;
    const { outcome, code, policies } = one;
    expect(came.now).toEqual({ outcome, code, policies });
  }
});

test('under the rules that are active nothing differs', async () => {
  const { code, lines, stderr } = await replay();
  const notAsked = decisions.filter((one) => !asked(one)).length;
  const same = decisions.length - notAsked;
  expect({ code, stderr, lines }).toEqual({
    code: 0,
    stderr: '',
    lines: [
      `${decisions.length} decisions: ${same} the same, 0 differ, ${notAsked} that the policies were not asked for`,
    ],
  });
});

test('under another configuration exactly that differs which it says otherwise', async () => {
  const config = written('stricter', STRICTER);
  const { code, lines } = await replay('--config', config);
  const want = decisions.filter(otherwise);
  expect(want.length).toBeGreaterThan(3);
  expect(code).toBe(1);
  expect(lines.slice(0, -1).map((line) => line.split(' ')[0])).toEqual(want.map(({ id }) => id));
  expect(lines.at(-1)).toContain(`${want.length} differ`);
  const search = lines.find((line) => line.includes(' search '));
  expect(search).toMatch(
    /^d\w+ \S+Z call search spiffe:\/\/test\.example\/agent\/two: allow \(searches\) -> deny \(policy_denied\)$/,
  );

  const json = await replay('--config', config, '--json');
  const each = json.lines.map((line) => JSON.parse(line) as { decision: string; kind: string });
  expect(each.map(({ decision }) => decision)).toEqual(decisions.map(({ id }) => id));
  expect(each.filter(({ kind }) => kind === 'differs').map(({ decision }) => decision)).toEqual(
    want.map(({ id }) => id),
  );
});

test('under a later generation, and under the one of then', async () => {
  const before = decisions[0]?.generation ?? 0;
  const after = await apply(withSchema(STRICTER));
  expect((await replay()).code).toBe(1);
  expect((await replay('--generation', String(after))).lines.at(-1)).toContain(
    `${decisions.filter(otherwise).length} differ`,
  );
  expect((await replay('--generation', String(before))).code).toBe(0);
});

test('a period without decisions, one that is none, rules that there are not', async () => {
  const empty = await writ('policy', 'replay', '--from', '2020-01-01T00:00:00Z', '--to', '2020-01-02T00:00:00Z');
  expect(empty).toMatchObject({ code: 0, stdout: expect.stringMatching(/^0 decisions: /) });
  expect((await writ('policy', 'replay', '--from', 'yesterday')).code).toBe(2);
  expect((await writ('policy', 'replay')).code).toBe(2);
  expect((await replay('--generation', '999')).stderr).toMatch(/^writ: not_found: /);
  expect((await replay('--generation', '1', '--config', 'x')).code).toBe(2);
  const config = written('broken', RULES);
  station.write('broken/policies/all.cedar', '@id("x") permit (principal, action');
  expect(await replay('--config', config)).toMatchObject({ code: 1, stdout: '' });
});

describe('explain, of a call', () => {
  const explain = async (question: object) => {
    const config = written('explained', RULES);
    station.write(
      'call.json',
      JSON.stringify({
        principal: { trust: 'mesh', id: 'spiffe://test.example/agent/one' },
        action: 'call',
        ...question,
      }),
    );
    const { code, printed } = await writ(
      'policy',
      'explain',
      join(station.cwd, 'call.json'),
      '--config',
      config,
      '--json',
    );
    return { code, said: JSON.parse(printed.join('')) as Record<string, unknown> };
  };
  const refund = (amount: unknown, more: object = {}) => ({
    tool: 'refund',
    profile: 'lookup',
    arguments: { order: '4711', amount },
    ...more,
  });

  test.each<{ name: string; question: object; want: object }>([
    { name: 'allowed', question: refund(20), want: { outcome: 'allow', policies: ['calls'] } },
    {
      name: 'above its limit',
      question: refund(500.01),
      want: {
        outcome: 'approval',
        code: 'approval_required',
        policies: ['calls'],
        facts: { argument: 'amount_cents', max: 50000 },
      },
    },
    { name: 'above it, approved', question: refund(900, { approval: { id: 'a1' } }), want: { outcome: 'allow' } },
    {
      name: 'forbidden on its arguments',
      question: refund(20, { arguments: { order: '13', amount: 20 } }),
      want: { outcome: 'deny', code: 'policy_denied', policies: ['no-order-thirteen'] },
    },
    {
      name: 'on a supervised task',
      question: refund(20, { task: { mode: 'supervised', implicit: false } }),
      want: { outcome: 'approval', code: 'approval_required', policies: ['calls'] },
    },
    {
      name: 'on a task that observes',
      question: refund(900, { task: { mode: 'observe', implicit: false } }),
      want: { outcome: 'deny', code: 'task_observes', facts: { would: 'approval' } },
    },
    {
      name: 'without a grant',
      question: { tool: 'refund', arguments: { order: '1', amount: 1 } },
      want: { code: 'grant_required' },
    },
    { name: 'under another profile', question: refund(20, { profile: 'pay' }), want: { code: 'profile_may_not_call' } },
    {
      name: 'under a profile that there is not',
      question: refund(20, { profile: 'x' }),
      want: { code: 'unknown_profile' },
    },
    {
      name: 'of no tool',
      question: { tool: 'nobody-knows' },
      want: { outcome: 'deny', code: 'unknown_tool', policies: [] },
    },
    {
      name: 'of one of many',
      question: { tool: 'mcp.night' },
      want: { outcome: 'approval', policies: ['nights-ask'] },
    },
    {
      name: 'arguments that do not fit',
      question: refund('much'),
      want: { code: 'invalid_arguments', facts: { path: '/amount', problem: 'type' } },
    },
    {
      name: 'arguments that cannot be mapped',
      question: refund(1.005),
      want: { code: 'mapping_failed', facts: { argument: 'amount_cents' } },
    },
    {
      name: 'above a limit that denies',
      question: { tool: 'cancel', arguments: { orders: ['1', '2', '3', '4'] } },
      want: { outcome: 'deny', code: 'over_limit', policies: ['calls'], facts: { argument: 'count', max: 3 } },
    },
  ])('$name', async ({ question, want }) => {
    const { code, said } = await explain(question);
    expect(code).toBe(0);
    expect(said).toMatchObject(want);
    expect(said).not.toHaveProperty('plan'); // nothing is asked of a provider
  });

  test('what is recorded of such a call is what explains it', async () => {
    const one = decisions.find(({ resource, code }) => resource === 'cancel' && code === 'over_limit');
    const { said } = await explain({ tool: 'cancel', arguments: { orders: ['1', '2', '3', '4'] } });
    expect(said).toMatchObject({ outcome: one?.outcome, code: one?.code, policies: one?.policies });
  });

  test('a question that is none', async () => {
    const { lines: _, ...ran } = await writ('policy', 'explain', '/nowhere/call.json');
    expect(ran).toMatchObject({ code: 1 });
  });
});
