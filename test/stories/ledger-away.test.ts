import pg from 'pg';
import { WritError } from '../../src/client/index.ts';
import type { Client, CreatedTask, Evaluation } from '../../src/client/index.ts';
import { makeTarget } from '../support/target.ts';
import type { Target } from '../support/target.ts';
import { until } from '../support/waiting.ts';
import { providersOnPage, rulesOnPage } from './page.ts';
import { startStory } from './world.ts';
import type { Story } from './world.ts';

/**
 * docs/stories/ledger-away.md: the ledger goes away during a burst of writes. All of them are refused, nothing is done without
 * a decision on record, readiness says what is wrong, and service comes back without help.
 */
let target: Target;
let looking: pg.Pool;
let story: Story;
beforeAll(async () => {
  target = await makeTarget();
  looking = new pg.Pool({ connectionString: target.superuserUrl, max: 2 });
  const rules = await rulesOnPage('ledger-away');
  const here = (text: string) => text.replaceAll('orders_writer', target.readonly);
  const files = Object.fromEntries(Object.entries(rules).map(([file, text]) => [file, here(text)]));
  story = await startStory(files, {
    providers: await providersOnPage('ledger-away'),
    env: { ORDERS_DB_URL: target.url },
  });
});
afterAll(async () => {
  await story.close();
  await looking.end();
  await target.drop();
});

/** One step after the other, as fast as they are answered: what was done, and the codes of what was refused. */
interface Worker {
  readonly done: string[];
  readonly refused: { readonly code: string; readonly whileAway: boolean }[];
  readonly ended: Promise<void>;
}

interface Burst {
  /** The ledger was away before it was asked, and still when it was answered. */
  away: boolean;
  over: boolean;
}

/** @param step - does one thing, and answers what names it on record. */
function startWorker(burst: Burst, step: () => Promise<string>): Worker {
  const done: string[] = [];
  const refused: Worker['refused'] = [];
  const work = async () => {
    while (!burst.over) {
      const before = burst.away;
      await step().then(
        (id) => done.push(id),
        (error: unknown) => {
          const code = error instanceof WritError ? `${error.status} ${error.code}` : String(error);
          refused.push({ code, whileAway: before && burst.away });
        },
      );
    }
  };
  return { done, refused, ended: work() };
}

interface Caller {
  readonly agent: Client;
  readonly task: CreatedTask;
  readonly grant: string;
  /** What the tool has done: the decision that let each call through. */
  readonly effects: string[];
  step(): Promise<string>;
}

/** An agent on a task with a budget, and the gateway in front of the tool, which does what is allowed and nothing else. */
async function caller(name: string): Promise<Caller> {
  const agent = story.agent(name);
  const task = await agent.workload.createTask({
    purpose: 'refund what was charged twice',
    mode: 'autonomous',
    environment: 'production',
    max_calls: 1_000_000,
  });
  const grant = await agent.workload.issue({ profile: 'refunds', task: task.id });
  const effects: string[] = [];
  const question: Evaluation = {
    subject: { type: 'workload', id: grant.subject, properties: { trust: 'mesh' } },
    action: { name: 'call' },
    resource: { type: 'tool', id: 'refund' },
    context: { arguments: { order: '4711', amount: 500 }, grant: grant.id },
  };
  const step = async () => {
    const { decision, context } = await story.gateway.workload.evaluate(question);
    if (!decision) throw new Error(`denied: ${String(context?.reason)}`);
    effects.push(String(context?.id));
    return String(context?.id);
  };
  return { agent, task, grant: grant.id, effects, step };
}

const login = (agent: Client) => async () =>
  (await agent.workload.issue({ profile: 'orders-write', purpose: 'write orders' })).id;

const away = {
  'refuses connections': () => {
    story.ledgerProxy.refuse();
    story.ledgerProxy.drop();
  },
  'says nothing any more': () => story.ledgerProxy.silence(),
};

/** The next statement with this function is stopped on its way to the ledger. */
const onItsWay = (name: string) =>
  story.ledgerProxy.hold({ from: 'frontend', match: ({ type, sql }) => type === 'B' && sql.includes(name) });

/** The next statement with this function was committed, and its answer is stopped. */
const onItsWayBack = (name: string) =>
  story.ledgerProxy.hold({ from: 'backend', match: ({ type, sql }) => type === 'C' && sql.includes(name) });

/**
 * What this does not wait for: deadlines of mints of which nobody could say what became of them, and leases, of 30 seconds, of work whose
 * beginning was recorded and whose answer was lost. Work that was begun in the last five seconds is left alone.
 */
async function passTime(): Promise<void> {
  await story.select(
    `update mints set deadline = clock_timestamp(), due_at = clock_timestamp() where state = 'intent' and deadline > clock_timestamp()`,
  );
  await story.select(
    `update mints set due_at = clock_timestamp() where state = 'ending' and due_at > clock_timestamp()
      and due_at < clock_timestamp() + interval '25 seconds'`,
  );
}

/** Nothing is under way. */
const settled = () =>
  until(async () => {
    await passTime();
    const open = await story.select(
      `select from grants join mints on grant_id = grants.id
        where grants.state in ('issuing', 'ending', 'stuck') or mints.state in ('intent', 'ending') limit 1`,
    );
    return open.length === 0;
  });

const readiness = () => story.agent('anybody').ready();
const refusedAs = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof WritError ? `${error.status} ${error.code}` : String(error)),
  );
const AWAY = '503 ledger_unavailable';

test.each(Object.entries(away))(
  'a ledger that %s',
  async (_how, goAway) => {
    const burst: Burst = { away: false, over: false };
    const callers = await Promise.all(['one', 'two', 'three', 'four'].map(caller));
    const logins = ['five', 'six', 'seven', 'eight'].map((name) => startWorker(burst, login(story.agent(name))));
    const workers = [...logins, ...callers.map(({ step }) => startWorker(burst, step))];
    const everybody = (has: (worker: Worker) => boolean) => until(() => workers.every(has));

    await everybody(({ done }) => done.length >= 3);
    // At least one decision is on its way into the record; one login is made and not on record yet, another is, and nobody knows.
    const held = [onItsWay('record_calls'), onItsWay('activate_mint'), onItsWayBack('activate_mint')];
    await Promise.all(held.map(({ reached }) => reached));
    goAway();
    burst.away = true;
    for (const one of held) one.drop();
    await everybody(({ refused }) => refused.some(({ whileAway }) => whileAway));
    const { ready, detail } = await readiness();
    expect([ready, detail['checks']]).toMatchObject([false, { ledger: { ok: false }, rules: { ok: true } }]);
    await story.agent('anybody').health(); // it is alive: nobody has to start it anew
    expect(await everythingElse(callers)).toEqual(Array(6).fill(AWAY));

    const before = workers.map(({ done }) => done.length);
    burst.away = false;
    await story.ledgerProxy.resume();
    await until(() => workers.every(({ done }, index) => done.length > (before[index] ?? 0)));
    burst.over = true;
    await Promise.all(workers.map(({ ended }) => ended));
    await until(async () => (await readiness()).ready);

    expect([...new Set(workers.flatMap(({ refused }) => refused.map(({ code }) => code)))]).toEqual([AWAY]);
    await settled();
    for (const each of callers) await expectOnRecord(each);
    given.push(...logins.flatMap(({ done }) => done));
    await expectNothingElseLives();
  },
  120_000,
);

/** The other verbs that write, or that decide. */
function everythingElse(callers: readonly Caller[]): Promise<string[]> {
  const [first] = callers;
  if (!first) throw new Error('nobody calls');
  const { agent, task, grant, effects } = first;
  const { workload } = agent;
  const call = { action: { name: 'call' }, resource: { type: 'tool', id: 'refund' } } as const;
  return Promise.all([
    refusedAs(workload.createTask({ purpose: 'x', mode: 'autonomous', environment: 'production' })),
    refusedAs(workload.evaluateAll({ evaluations: [call, call] })),
    refusedAs(workload.reportOutcome(effects[0] ?? '', { status: 'succeeded' })),
    refusedAs(workload.renew(grant)),
    refusedAs(workload.endTask(task.id, 'test')),
    refusedAs(story.operator('security').operator.createOrder({ selector: { agent: 'x' }, reason: 'test' })),
  ]);
}

/** What the tool has done was allowed by decisions that are there, and the budget is what they have cost. */
async function expectOnRecord({ agent, task, effects }: Caller): Promise<void> {
  const rows = await story.select<{ id: string }>(
    `select id from decisions where task_id = $1 and action = 'call' and outcome = 'allow'`,
    task.id,
  );
  const allowed = new Set(rows.map(({ id }) => id));
  expect(effects.length).toBeGreaterThan(3);
  expect(effects.filter((id) => !allowed.has(id))).toEqual([]);
  expect((await agent.workload.task(task.id)).calls_used).toBe(allowed.size);
}

/** Logins that agents have been given, in all rounds. */
const given: string[] = [];

/**
 * What was handed out lives, and what was not handed out does not, by the record and on the server itself. Where an issuance was recorded and
 * the answer was lost, the broker gives it up at its first try after the ledger is back (it tries each second): until then it lives, in nobody's hands.
 */
async function expectNothingElseLives(): Promise<void> {
  const active = async () => {
    const rows = await story.select<{ id: string }>(
      `select id from grants where profile = 'orders-write' and state = 'active' order by id`,
    );
    return rows.map(({ id }) => id);
  };
  await until(async () => (await active()).length <= given.length);
  expect(await active()).toEqual([...given].sort());
  const about = { provider: 'orders-db', pool: looking, administrator: target.administrator };
  expect(await story.verify([about])).toEqual([]);
}
