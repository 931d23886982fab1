import type { JsonObject } from '../../src/domain/json.ts';
import { TASK_MODES } from '../../src/domain/task.ts';
import type { Task } from '../../src/client/index.ts';
import { seeded } from '../support/random.ts';
import type { Random } from '../support/random.ts';
import { startTaskBroker, TASK } from '../support/task-broker.ts';
import type { TaskBroker } from '../support/task-broker.ts';

/**
 * Random trees of tasks, handed on over HTTP by whoever holds one: what a node may do, everything above it may, as it is on record and as
 * credentials are given; what is refused did exceed; and the end of a node is the end of all below it, and of nothing else.
 */
let broker: TaskBroker;
beforeAll(async () => {
  broker = await startTaskBroker({ tasks: { max_hops: 6 } });
});
afterAll(() => broker.close());

const TREES = 6;
const NODES = 8;
const ENVIRONMENTS = ['staging', 'production'];
const PROFILES = ['lookup', 'charge', 'vault'];
const TOOLS = ['a', 'b', 'c'];
const MONTHS = ['2026-10', '2026-11', '2026-12'];

interface Node {
  readonly who: string;
  readonly token: string;
  readonly id: string;
  /** From the root to itself. */
  readonly path: readonly Node[];
}

const some = <T>(random: Random, all: readonly T[]) => all.filter(() => random.next() < 0.7);

/** More of it is within a parent's rights than is not, and every member is left out now and then. */
function wish(random: Random): JsonObject {
  const [environments, months] = [some(random, ENVIRONMENTS), some(random, MONTHS)];
  const members: JsonObject = {
    mode: random.pick(TASK_MODES),
    environments: environments.length > 0 ? environments : ENVIRONMENTS,
    profiles: some(random, PROFILES),
    tools: some(random, TOOLS),
    parameters: { month: months.length > 0 ? months : MONTHS },
    max_ttl_seconds: 60 + Math.floor(random.next() * 200),
    ends_at: new Date(Date.now() + 60_000 * (5 + Math.floor(random.next() * 50))).toISOString(),
    max_grants: 1 + Math.floor(random.next() * 6),
    max_calls: 1 + Math.floor(random.next() * 6),
  };
  return Object.fromEntries(Object.entries(members).filter(() => random.next() < 0.25));
}

async function shown(id: string): Promise<Task> {
  const answer = await broker.ask('GET', `/v1/tasks/${id}`, { as: broker.people.operator('auditor') });
  if (answer.status !== 200) throw new Error(answer.text);
  return JSON.parse(answer.text) as Task;
}

const part = (one: readonly string[] | null, of: readonly string[] | null) =>
  of === null || (one?.every((name) => of.includes(name)) ?? false);
const atMost = (one: number | null, limit: number | null) => limit === null || (one !== null && one <= limit);

/** In what a task, as it is shown, is no part of one above it. */
function beyond(child: Task, above: Task): string[] {
  const checks: Readonly<Record<string, boolean>> = {
    mode: TASK_MODES.indexOf(child.mode) <= TASK_MODES.indexOf(above.mode),
    environments: part(child.environments, above.environments) && child.environments.includes(child.environment),
    profiles: part(child.profiles, above.profiles),
    tools: part(child.tools, above.tools),
    parameters: Object.entries(above.parameters).every(([name, values]) =>
      part(child.parameters[name] ?? null, values),
    ),
    max_ttl_seconds: atMost(child.max_ttl_seconds, above.max_ttl_seconds),
    ends_at: child.ends_at <= above.ends_at,
    max_grants: atMost(child.max_grants, above.max_grants),
    max_calls: atMost(child.max_calls, above.max_calls),
    on_behalf_of: child.on_behalf_of === above.on_behalf_of && child.purpose.startsWith(above.purpose),
  };
  return Object.keys(checks).filter((name) => checks[name] !== true);
}

/** Whether a wish exceeds a task as it is now, in what there is no doubt about. */
function exceeds(given: JsonObject, parent: Task): boolean {
  const wanted = given as Partial<Task>;
  const left = (max: number | null, used: number) => (max === null ? null : max - used);
  const over = (amount: number | null = null, limit: number | null) => amount !== null && !atMost(amount, limit);
  return (
    (wanted.mode !== undefined && TASK_MODES.indexOf(wanted.mode) > TASK_MODES.indexOf(parent.mode)) ||
    (wanted.environments !== undefined && !part(wanted.environments, parent.environments)) ||
    (wanted.profiles !== undefined && !part(wanted.profiles, parent.profiles)) ||
    (wanted.tools !== undefined && !part(wanted.tools, parent.tools)) ||
    (wanted.parameters?.['month'] !== undefined &&
      !part(wanted.parameters['month'], parent.parameters['month'] ?? null)) ||
    over(wanted.max_ttl_seconds, parent.max_ttl_seconds) ||
    (wanted.ends_at !== undefined && wanted.ends_at > parent.ends_at) ||
    over(wanted.max_grants, left(parent.max_grants, parent.grants_used)) ||
    over(wanted.max_calls, left(parent.max_calls, parent.calls_used))
  );
}

/** What lies within a task of a request for a credential, by the task alone. */
function allows(task: Task, profile: string, month: string | undefined): boolean {
  const environment = profile === 'vault' ? 'production' : 'staging';
  const months = task.parameters['month'];
  return (
    part([profile], task.profiles) &&
    task.environments.includes(environment) &&
    (months === undefined || (month !== undefined && months.includes(month))) &&
    task.mode !== 'observe'
  );
}

async function plant(random: Random, tree: number) {
  const counts = { handed: 0, refused: 0, given: 0, kept: 0 };
  const begun = await broker
    .task('agent/lead', { ...TASK, environments: ENVIRONMENTS, max_grants: 9, ...wish(random), environment: 'staging' })
    .catch(
      // a root of production alone has not `staging` in what it reaches
      () => broker.task('agent/lead', { ...TASK, environments: ENVIRONMENTS }),
    );
  const root: Node = { who: 'agent/lead', ...begun, path: [] };
  const nodes: Node[] = [{ ...root, path: [root] }];

  for (let n = 0; n < NODES; n++) {
    const parent = random.pick(nodes);
    // of a budget there is sometimes less than there was
    if (random.next() < 0.5) await broker.grant(parent.who, { profile: random.pick(PROFILES) }, parent.token);
    const who = `agent/t${tree}n${n}`;
    const before = await shown(parent.id);
    const wanted = wish(random);
    const answer = await broker.exchange(who, parent.token, wanted);
    if (answer.status !== 200) {
      counts.refused += 1;
      const spent = before.max_grants === before.grants_used;
      const tooDeep = parent.path.length > 6;
      expect({ wanted, why: answer.code, right: exceeds(wanted, before) || spent || tooDeep }).toMatchObject({
        right: true,
      });
      continue;
    }
    expect({ wanted, exceeds: exceeds(wanted, before) }).toEqual({ wanted, exceeds: false });
    counts.handed += 1;
    const node: Node = { who, token: String(answer.body['access_token']), id: String(answer.body['task']), path: [] };
    nodes.push({ ...node, path: [...parent.path, node] });
    const child = await shown(node.id);
    for (const above of parent.path) expect(beyond(child, await shown(above.id))).toEqual([]);
  }

  for (const node of nodes) {
    for (const profile of PROFILES) {
      const month = random.next() < 0.7 ? random.pick(MONTHS) : undefined;
      const json = { profile, ...(month !== undefined && profile === 'lookup' ? { parameters: { month } } : {}) };
      const answer = await broker.grant(node.who, json, node.token);
      const chain = await Promise.all(node.path.map(({ id }) => shown(id)));
      if (answer.status === 201) {
        counts.given += 1;
        const asked = profile === 'lookup' ? month : undefined;
        expect(chain.map((task) => allows(task, profile, asked))).toEqual(chain.map(() => true));
        for (const task of chain) {
          expect(String(answer.body['expires_at']) <= task.ends_at).toBe(true);
          expect((answer.body['ttl'] as { seconds: number }).seconds).toBeLessThanOrEqual(
            task.max_ttl_seconds ?? 3_600,
          );
        }
      } else counts.kept += 1;
      for (const task of chain) expect(atMost(task.grants_used, task.max_grants)).toBe(true);
    }
  }

  const ended = random.pick(nodes);
  const over = (node: Node) => node.path.some(({ id }) => id === ended.id);
  const json = { reason: 'enough' };
  const ending = await broker.ask('POST', `/v1/tasks/${ended.id}/end`, { as: broker.people.workload(ended.who), json });
  expect(ending.status).toBe(200);
  for (const node of nodes) {
    expect({ node: node.id, state: (await shown(node.id)).state }).toEqual({
      node: node.id,
      state: over(node) ? 'ended' : 'open',
    });
    // whatever is wished for: that it has ended comes first
    const answer = await broker.exchange('agent/late', node.token, wish(random));
    if (over(node)) expect(answer.code).toMatch(/task_ended/);
    else expect(answer.code ?? '').not.toMatch(/task_ended/);
  }
  const { rows } = await broker.database.pool.query<{ task: string; ending: boolean }>(
    `select task_id as task, state in ('ending', 'revoked', 'failed', 'refused') as ending from grants where task_id = any ($1)`,
    [nodes.map(({ id }) => id)],
  );
  const gone = new Set(nodes.filter(over).map(({ id }) => id));
  expect(rows.filter(({ task, ending: is }) => is !== gone.has(task))).toEqual([]);
  return counts;
}

test(`${TREES} trees`, async () => {
  const random = seeded(34);
  const all: Awaited<ReturnType<typeof plant>>[] = [];
  for (let tree = 0; tree < TREES; tree++) all.push(await plant(random, tree));
  const sum = (what: 'handed' | 'refused' | 'given' | 'kept') => all.reduce((n, counts) => n + counts[what], 0);
  expect(Math.min(sum('handed'), sum('refused'), sum('given'), sum('kept'))).toBeGreaterThan(10);
});
