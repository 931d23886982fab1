import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { WritError } from '../../src/client/index.ts';
import type { Client, Evaluations, IssuedGrant, Order } from '../../src/client/index.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { until } from '../support/waiting.ts';
import { rulesOnPage } from './page.ts';
import { startProviders } from './three-providers.ts';
import type { ThreeProviders } from './three-providers.ts';
import { startStory } from './world.ts';
import type { Story } from './world.ts';

/** docs/stories/fleet.md: what one owner's agents hold is taken back while one of three providers is down. */
let providers: ThreeProviders;
let story: Story;
beforeAll(async () => {
  providers = await startProviders();
  const shown = await rulesOnPage('fleet');
  const rules = { ...shown, ...ofShipping(shown) };
  const login = `roles: [${providers.target.readonly}]`;
  for (const file of Object.keys(rules)) rules[file] = (rules[file] ?? '').replace('roles: [readonly]', login);
  story = await startStory(rules, { providers: providers.entries, env: providers.env, replicas: 2 });
});
let work: ReturnType<typeof atWork> | undefined;
afterAll(async () => {
  await work?.stop();
  await story.close();
  await providers.close();
});

/** What payments offers, under the name of shipping. */
function ofShipping(shown: RuleFiles): RuleFiles {
  const theirs = Object.entries(shown).filter(([file]) => file.includes('payments'));
  const renamed = (text: string) => text.replaceAll('payments', 'shipping');
  return Object.fromEntries(theirs.map(([file, text]) => [renamed(file), renamed(text)]));
}

const AGENTS = 50;
type Owner = 'payments' | 'shipping';
const KINDS = ['api', 'secrets', 'login'] as const;

/** An agent, as each replica knows it, and what it holds. */
interface Agent {
  readonly name: string;
  readonly at: readonly Client[];
  readonly held: readonly Held[];
}
interface Held {
  readonly owner: Owner;
  readonly kind: string;
  readonly grant: IssuedGrant;
}

async function issue(client: Client, profile: string): Promise<IssuedGrant> {
  const answer = await client.workload.issue({ profile, purpose: 'work' });
  if (answer.state !== 'active') throw new Error(answer.state);
  return answer;
}

/** Four grants, of two providers for each owner, asked for at both replicas in turn. */
async function arrive(n: number): Promise<Agent> {
  const name = `worker-${n}`;
  const at = story.brokers.map((broker) => story.agent(name, { at: broker }));
  const held: Held[] = [];
  for (const [i, owner] of (['payments', 'payments', 'shipping', 'shipping'] as const).entries()) {
    const kind = KINDS[(n + (i === 1 ? 1 : i === 3 ? 2 : 0)) % KINDS.length] ?? 'api';
    const client = at[(n + i) % at.length];
    if (client) held.push({ owner, kind, grant: await issue(client, `${owner}-${kind}`) });
  }
  return { name, at, held };
}

/** A few at a time: a fleet does not begin in one instant. */
async function fleet(): Promise<Agent[]> {
  const waiting = Array.from({ length: AGENTS }, (_, n) => n);
  const agents: Agent[] = [];
  const begin = async () => {
    for (let n = waiting.shift(); n !== undefined; n = waiting.shift()) agents.push(await arrive(n));
  };
  await Promise.all([begin(), begin(), begin(), begin(), begin()]);
  return agents;
}

/** May it call its owner's tool, and the one that is shared, under each of its grants? */
function questions({ held }: Agent): Evaluations {
  const tools = held.flatMap(({ owner, grant }) =>
    [`${owner}.look-up`, 'notes.read'].map((id) => ({
      resource: { type: 'tool' as const, id },
      context: { grant: grant.id },
    })),
  );
  return { action: { name: 'call' }, evaluations: tools };
}

interface Said {
  readonly owner: Owner;
  readonly reason: string;
}
async function ask(agent: Agent, client: Client): Promise<Said[]> {
  const answers = await client.workload.evaluateAll(questions(agent));
  const owners = agent.held.flatMap(({ owner }) => [owner, owner]);
  if (answers.length !== owners.length) throw new Error(`${answers.length} answers`);
  return answers.map(({ decision, context }, i) => ({
    owner: owners[i] ?? 'payments',
    reason: decision ? 'allowed' : (context?.reason ?? 'no reason'),
  }));
}

/** What every agent hears now at every replica: for each owner, each answer that there was. */
async function now(agents: readonly Agent[]) {
  const said = await Promise.all(agents.flatMap((agent) => agent.at.map((client) => ask(agent, client))));
  const of = (wanted: Owner) =>
    [...new Set(said.flat().flatMap(({ owner, reason }) => (owner === wanted ? [reason] : [])))].sort();
  return { payments: of('payments'), shipping: of('shipping') };
}

/** Every agent goes on asking, at one replica and the other, until it is told to stop. */
function atWork(agents: readonly Agent[]) {
  let over = false;
  let rounds = 0;
  const failures: unknown[] = [];
  const work = async (agent: Agent) => {
    for (let n = 0; !over; n++) {
      const client = agent.at[n % agent.at.length];
      if (client) await ask(agent, client).catch((error: unknown) => failures.push(error));
      rounds += 1;
      await sleep(200);
    }
  };
  const all = Promise.all(agents.map(work));
  return {
    rounds: () => rounds,
    /** Answers what went wrong, and was no decision. */
    async stop() {
      over = true;
      await all;
      return failures;
    },
  };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing was refused',
    (thrown: unknown) => thrown,
  );
  return error instanceof WritError ? `${error.status} ${error.code}` : String(error);
}

/** Whether the database lets a login in. */
async function letIn({ credential }: IssuedGrant): Promise<boolean> {
  if (credential.type !== 'postgres') throw new Error(credential.type);
  const client = new pg.Client({ connectionString: credential.url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1 from orders');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const introspected = async (broker: BrokerProcess, { credential }: IssuedGrant): Promise<boolean> => {
  if (credential.type !== 'jwt') throw new Error(credential.type);
  return (await story.gatewayAt(broker).workload.introspect(credential.token)).active;
};

/** Whether Vault would read a secret for it. */
async function reads({ credential }: IssuedGrant): Promise<boolean> {
  if (credential.type !== 'vault_token') throw new Error(credential.type);
  const headers = { 'X-Vault-Token': credential.token ?? '' };
  const answer = await fetch(`${credential.address}/v1/secret/data/inv/2026-11/total`, { headers });
  await answer.text();
  return answer.status === 200;
}

const one = async (sql: string, ...values: unknown[]): Promise<number> =>
  Number((await story.select<{ n: string }>(`select count(*) as n from ${sql}`, ...values))[0]?.n);

test('an owner’s 100 grants of 200 are taken back', async () => {
  const agents = await fleet();
  const all = agents.flatMap(({ held }) => held);
  const of = (owner: Owner, kind?: string) =>
    all.filter((held) => held.owner === owner && (kind === undefined || held.kind === kind)).map(({ grant }) => grant);
  expect([of('payments').length, of('shipping').length]).toEqual([100, 100]);
  expect(await now(agents)).toEqual({ payments: ['allowed'], shipping: ['allowed'] });

  const security = story.operator('security').operator;
  const working = (work = atWork(agents));
  await until(() => working.rounds() > AGENTS);
  providers.vault.server.sealed = true;
  const { id: order } = await security.createOrder({ selector: { owner: 'payments' }, reason: 'incident 4711' });
  const after = await now(agents);
  expect(after.shipping).toEqual(['allowed']);
  expect(['under_order', 'grant_not_active']).toEqual(expect.arrayContaining(after.payments));

  // What can be ended is, each provider for itself; what cannot is pending, and tried again.
  const shown = () => security.order(order);
  const at = ({ by_provider }: Order, provider: string) => by_provider[provider];
  await until(async () => {
    const seen = await shown();
    return ['tools', 'orders-db'].every((name) => (at(seen, name)?.revoked ?? 0) === at(seen, name)?.matched);
  });
  expect(await shown()).toMatchObject({
    matched: 100,
    state: 'in_progress',
    by_provider: {
      tools: { matched: of('payments', 'api').length, pending: 0, stuck: 0 },
      'orders-db': { matched: of('payments', 'login').length, pending: 0, stuck: 0 },
      'vault-main': { matched: of('payments', 'secrets').length, revoked: 0, expired: 0 },
    },
  });
  const [unended] = of('payments', 'secrets');
  await until(async () => {
    const { state, mints } = JSON.parse(JSON.stringify(await security.grant(unended?.id ?? ''))) as Mints;
    expect(['ending', 'stuck']).toContain(state);
    return (mints[0]?.attempts ?? 0) > 1 && mints[0]?.last_error !== null;
  });
  expect(await working.stop()).toEqual([]);
  const ready = await Promise.all(story.brokers.map((broker) => story.agent('any', { at: broker }).ready()));
  expect(ready.map((each) => each.ready)).toEqual([true, true]);

  // A second order over the same does not say that nothing lives, though it has nothing to begin.
  const secrets = { selector: { profile: 'payments-secrets' }, reason: 'to be sure', block: false };
  const { id: second } = await security.createOrder(secrets);
  await until(async () => (await security.order(second)).state !== 'sweeping');
  const living = { matched: of('payments', 'secrets').length, revoked: 0, expired: 0 };
  expect(await security.order(second)).toMatchObject({ state: 'in_progress', by_provider: { 'vault-main': living } });

  for (const grant of of('payments', 'login').slice(0, 5)) expect(await letIn(grant)).toBe(false);
  for (const grant of of('shipping', 'login').slice(0, 5)) expect(await letIn(grant)).toBe(true);
  for (const broker of story.brokers) {
    for (const grant of of('payments', 'api').slice(0, 5)) expect(await introspected(broker, grant)).toBe(false);
    for (const grant of of('shipping', 'api').slice(0, 5)) expect(await introspected(broker, grant)).toBe(true);
  }

  // Nothing is issued again, by whomever and wherever; the others go on.
  for (const broker of story.brokers) {
    for (const kind of KINDS) {
      for (const name of ['worker-1', 'newcomer']) {
        expect(await codeOf(issue(story.agent(name, { at: broker }), `payments-${kind}`))).toBe('409 under_order');
      }
    }
    for (const { held, at: clients } of agents.slice(0, 3)) {
      const mine = held.find(({ owner }) => owner === 'payments');
      for (const client of clients) expect(await codeOf(client.workload.renew(mine?.grant.id ?? ''))).toMatch(/^409 /);
    }
    await issue(story.agent('newcomer', { at: broker }), 'shipping-api');
    await issue(story.agent('newcomer', { at: broker }), 'shipping-login');
  }
  const call = `decisions d join grants g on g.id = d.grant_id where d.action = 'call' and g.owner = $1`;
  const since = `d.at > (select created_at from orders where id = '${order}')`;
  expect(await one(`${call} and d.outcome = 'allow' and ${since}`, 'payments')).toBe(0);
  expect(await one(`${call} and d.outcome = 'allow' and not ${since}`, 'payments')).toBeGreaterThan(0);
  expect(await one(`${call} and d.outcome <> 'allow' and ${since}`, 'payments')).toBeGreaterThan(AGENTS);
  expect(await one(`${call} and d.outcome <> 'allow'`, 'shipping')).toBe(0);
  expect(await one(`${call} and d.outcome = 'allow' and ${since}`, 'shipping')).toBeGreaterThan(AGENTS);

  // Vault comes back: the next attempts end what was pending.
  expect((await shown()).state).toBe('in_progress');
  await expect(story.writ(['order', 'show', order], 'security')).rejects.toThrow('exited with 3');
  providers.vault.server.sealed = false;
  // They come round within a minute by themselves; here, at once.
  await story.select(`update mints set due_at = clock_timestamp() where state = 'ending'`);
  await until(async () => (await shown()).state === 'complete');
  const { by_provider, matched } = await shown();
  expect(matched).toBe(100);
  for (const [provider, kind] of Object.entries({ tools: 'api', 'orders-db': 'login', 'vault-main': 'secrets' }))
    expect(by_provider[provider]?.revoked).toBe(of('payments', kind).length);
  expect((await story.writ(['order', 'show', order], 'security')).join()).toContain('100 of 100 revoked, confirmed');
  for (const grant of of('payments', 'secrets')) expect(await reads(grant)).toBe(false);
  for (const grant of of('shipping', 'secrets')) expect(await reads(grant)).toBe(true);

  // The order stands until it is lifted, and what it ended stays ended.
  const [again] = story.brokers.map((broker) => story.agent('worker-1', { at: broker }));
  if (!again) throw new Error('no broker');
  expect(await codeOf(issue(again, 'payments-secrets'))).toBe('409 under_order');
  expect((await security.liftOrder(order, 'the leak is found')).outcome).toBe('lifted');
  expect(await codeOf(security.liftOrder(order, 'again'))).toBe('409 already_lifted');
  for (const kind of KINDS) await issue(again, `payments-${kind}`);
  expect(await now(agents)).toEqual({ payments: ['grant_not_active'], shipping: ['allowed'] });

  // The others noticed nothing.
  expect(await one(`grants where owner = 'shipping' and state = 'active'`)).toBe(104);
  const ends = `('grant.ending', 'grant.revoked', 'grant.expired', 'grant.failed', 'grant.stuck', 'mint.ending', 'mint.ended')`;
  const events = `events e join grants g on g.id = e.grant_id where e.type in ${ends} and g.owner = $1`;
  expect(await one(events, 'shipping')).toBe(0);
  expect(await one(events, 'payments')).toBeGreaterThan(200);
  expect(await story.verify()).toEqual([]);
}, 180_000);

/** What an operator sees of a grant's credentials. */
interface Mints {
  readonly state: string;
  readonly mints: readonly { readonly attempts: number; readonly last_error: string | null }[];
}
