import { setTimeout as sleep } from 'node:timers/promises';
import { WritError, type IssuedGrant, type OrderSelector } from '../../src/client/index.ts';
import { agentId } from '../support/agents.ts';
import { until } from '../support/waiting.ts';
import { makeWorld, PROFILE, TOOLS_PROFILE, type Replica, type World } from './world.ts';

/** Orders, given through one replica, race issuances and renewals through both. */
let world: World;
let replicas: readonly [Replica, Replica];
beforeAll(async () => {
  world = await makeWorld();
  replicas = await Promise.all([world.start('direct'), world.start('direct')]);
});
afterAll(() => world.close());

/** One agent, on one replica, that always has a grant of one profile: it issues, renews, and lets go of the one before. */
interface Caller {
  readonly by: Replica;
  readonly agent: string;
  readonly profile: string;
  readonly had: IssuedGrant[];
  readonly refusals: string[];
}

const CALLERS = ['a', 'b'].flatMap((agent) => [PROFILE, TOOLS_PROFILE].map((profile) => ({ agent, profile })));

async function call({ by, agent, profile, had, refusals }: Caller, over: () => boolean): Promise<void> {
  const { workload } = by.agent(agent);
  while (!over()) {
    try {
      const grant = await workload.issue({ profile, purpose: 'test' });
      if (grant.state !== 'active') throw new Error(grant.state);
      had.push(grant);
      had.push(await workload.renew(grant.id));
      const before = had.at(-4);
      if (before) await workload.revoke(before.id, 'enough');
    } catch (error) {
      if (!(error instanceof WritError)) throw error;
      refusals.push(`${error.status} ${error.code}`);
      await sleep(20);
    }
  }
}

/** Callers at work until they are told to stop, and an order in the middle of it. */
async function race(request: { selector: OrderSelector; block: boolean }) {
  let over = false;
  const callers = replicas.flatMap((by) => CALLERS.map((one): Caller => ({ ...one, by, had: [], refusals: [] })));
  const calls = Promise.all(callers.map((caller) => call(caller, () => over)));
  await until(() => callers.every(({ had }) => had.length > 2));
  const order = await replicas[1].security.operator.createOrder({ ...request, reason: 'test' });
  return {
    order,
    tokens: callers.flatMap(({ had }) => had.filter(({ credential }) => credential.type === 'jwt')),
    async stop() {
      over = true;
      await calls;
      expect(callers.flatMap(({ refusals }) => refusals).filter((refusal) => !LATE.has(refusal))).toEqual([]);
    },
  };
}

/** What callers are told whom an order has met, in the middle or before. */
const LATE: ReadonlySet<string> = new Set(['409 under_order', '409 superseded', '409 grant_not_active']);

const KINDS: readonly { kind: string; selector: OrderSelector; block?: boolean; sql: string }[] = [
  { kind: 'agent', selector: { agent: agentId('a') }, sql: `subject = '${agentId('a')}'` },
  { kind: 'profile', selector: { profile: PROFILE }, sql: `profile = '${PROFILE}'` },
  { kind: 'profile of tokens', selector: { profile: TOOLS_PROFILE }, sql: `profile = '${TOOLS_PROFILE}'` },
  { kind: 'owner', selector: { owner: 'orders' }, sql: `owner = 'orders'` },
  { kind: 'environment', selector: { environment: 'test' }, sql: `environment = 'test'` },
  { kind: 'provider', selector: { provider: 'orders-db' }, sql: `provider = 'orders-db'` },
  { kind: 'all', selector: { all: true }, sql: 'true' },
  { kind: 'profile, only once', selector: { profile: PROFILE }, block: false, sql: `profile = '${PROFILE}'` },
];

test.each(KINDS)('by $kind', async ({ selector, block = true, sql }) => {
  const { order, tokens, stop } = await race({ selector, block });
  const since = `(select created_at from orders where id = '${order.id}')`;
  // An order that does not block ends what there is, and nothing that comes after.
  const matching = block ? sql : `${sql} and opened_at <= ${since}`;

  // The order itself: refused by every replica from its commit on, swept or not.
  const met = new Set(await world.select(`select id from grants where ${matching}`));
  for (const { credential } of tokens.filter(({ id }) => met.has(id)).slice(-4)) {
    for (const by of replicas) expect(await world.isActive(by, credential)).toBe(false);
  }
  // Its sweep: what a provider has to end is ended.
  await world.reach(order.created_at, 1_000);
  const matched = new Set(await world.select(`select id from grants where ${matching}`));
  expect(await world.livingOf(matched)).toEqual([]);
  await stop();

  expect(await world.select(`select id from grants where ${matching} and issued_at > ${since}`)).toEqual([]);
  expect(await world.select(`select id from grants where order_id = '${order.id}'`)).not.toEqual([]);
  expect(await world.select(`select id from grants where order_id = '${order.id}' and not (${sql})`)).toEqual([]);
  const spared = `select id from grants where not (${matching}) and issued_at > ${since}`;
  if (sql !== 'true') expect(await world.select(spared)).not.toEqual([]);
  await tidy();
});

test('by task', async () => {
  const grants = await Promise.all(replicas.map((by) => world.issue(by)));
  const [hit, spared] = grants;
  if (!hit || !spared) throw new Error('nothing was issued');
  let over = false;
  const refusals: unknown[] = [];
  const renew = async (by: Replica, { id }: IssuedGrant) => {
    while (!over)
      await by
        .agent()
        .workload.renew(id)
        .catch((error: unknown) => refusals.push(error));
  };
  const calls = Promise.all(replicas.flatMap((by) => grants.map((grant) => renew(by, grant))));
  await sleep(200);
  const order = await replicas[1].security.operator.createOrder({ selector: { task: hit.task }, reason: 'test' });
  await world.reach(order.created_at, 1_000);
  expect(await world.livingOf(new Set([hit.id]))).toEqual([]);
  expect([await world.works(hit), await world.works(spared)]).toEqual([false, true]);
  over = true;
  await calls;
  const codes = refusals.map((error) => (error instanceof WritError ? error.code : error));
  expect(
    codes.filter(
      (code) => !['request_in_progress', 'grant_not_active', 'superseded', 'under_order'].includes(String(code)),
    ),
  ).toEqual([]);
  await tidy();
});

async function tidy(): Promise<void> {
  await world.settled();
  expect(await world.audit()).toEqual([]);
  await world.liftAll(replicas[0]);
  await replicas[0].security.operator.createOrder({
    selector: { all: true },
    block: false,
    reason: 'the test is over',
  });
  await world.settled();
  await world.liftAll(replicas[0]);
  expect(await world.logins()).toEqual([]);
}
