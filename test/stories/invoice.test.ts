import pg from 'pg';
import type { Client, IssuedGrant } from '../../src/client/index.ts';
import { codeOf } from '../support/codes.ts';
import { runSql } from '../support/sql.ts';
import { makeTarget } from '../support/target.ts';
import type { Target } from '../support/target.ts';
import { until } from '../support/waiting.ts';
import { providersOnPage, rulesOnPage, sqlOnPage } from './page.ts';
import { startStory } from './world.ts';
import type { Story } from './world.ts';

/**
 * docs/stories/invoice.md: a task for one month of one customer. The credential reads that, and neither the month beside it,
 * nor the customer beside it, nor anything after the task's end, by whichever way that came.
 */
const OCTOBER = { customer: 'acme', month: '2026-10' };
const INVOICES = ['acme', 'globex'].flatMap((customer) =>
  ['2026-09', '2026-10', '2026-11'].map((month) => ({ customer, month })),
);

let target: Target;
let story: Story;
let books: Client;
let agent: Client;
beforeAll(async () => {
  target = await makeTarget();
  const [rules, sql] = [await rulesOnPage('invoice'), await sqlOnPage('invoice')];
  const here = (text: string) => text.replaceAll('invoice_reader', target.readonly);
  const rows = INVOICES.map(({ customer, month }, id) => `(${id}, '${customer}', '${month}', 100)`);
  await runSql(target.url, ...sql.map(here), `INSERT INTO invoices VALUES ${rows.join(', ')}`);
  const files = Object.fromEntries(Object.entries(rules).map(([file, text]) => [file, here(text)]));
  story = await startStory(files, {
    providers: await providersOnPage('invoice'),
    env: { ORDERS_DB_URL: target.url },
  });
  books = story.agent('books');
  agent = story.agent('invoices');
});
afterAll(async () => {
  await story.close();
  await target.drop();
});

interface Work {
  readonly root: string;
  /** What was handed to the agent. */
  readonly part: string;
  readonly token: string;
}

/** `books` says which month of which customer, and hands it to the agent. */
async function handedOver(endsAt?: Date): Promise<Work> {
  const root = await books.workload.createTask({
    purpose: 'close the books of October',
    mode: 'autonomous',
    environment: 'production',
    profiles: ['invoices-read'],
    parameters: { customer: [OCTOBER.customer], month: [OCTOBER.month] },
    ...(endsAt && { ends_at: endsAt.toISOString() }),
  });
  const part = await agent.workload.takeTask(root.token, { purpose: 'read the invoices' });
  return { root: root.id, part: part.task, token: root.token };
}

const read = ({ part }: Work, parameters: Readonly<Record<string, string>> = OCTOBER) =>
  agent.workload.issue({ profile: 'invoices-read', parameters, task: part });

async function issued(work: Work): Promise<IssuedGrant> {
  const answer = await read(work);
  if (answer.state !== 'active') throw new Error(answer.state);
  return answer;
}

interface Session {
  readonly client: pg.Client;
  readonly ended: () => boolean;
}

/** With the credential as it came, past everything of the broker's. */
async function connect({ credential }: IssuedGrant): Promise<Session> {
  if (credential.type !== 'postgres') throw new Error(credential.type);
  const client = new pg.Client({ connectionString: credential.url });
  let ended = false;
  client.on('error', () => undefined);
  client.on('end', () => (ended = true));
  await client.connect();
  return { client, ended: () => ended };
}

const seen = async ({ client }: Session) =>
  (await client.query<object>('SELECT customer, month FROM invoices ORDER BY id')).rows;

/** What the server says to a login that has ended. */
async function refusedWith(grant: IssuedGrant): Promise<string> {
  const sqlState = (error: unknown) => String((error as { code?: unknown }).code);
  return connect(grant).then(async ({ client }) => {
    await client.end();
    return 'connected';
  }, sqlState);
}
/** NOLOGIN or past its end; or gone. */
const LOGIN_OVER = ['28000', '28P01'];

test('its credential reads that month of that customer, and nothing beside it', async () => {
  const grant = await issued(await handedOver());
  const session = await connect(grant);
  expect(await seen(session)).toEqual([OCTOBER]);
  const { rows } = await session.client.query(
    `SELECT count(*)::int AS n FROM invoices WHERE month = '2026-09' OR customer = 'globex'`,
  );
  expect(rows).toEqual([{ n: 0 }]);
  await expect(session.client.query('UPDATE invoices SET total = 0')).rejects.toMatchObject({ code: '42501' });
  await session.client.end();
});

test.each([
  { tries: 'SET row_security = off' },
  { tries: `COMMENT ON ROLE CURRENT_USER IS '{"customer": "globex", "month": "2026-10"}'` },
  { tries: 'ALTER TABLE invoices DISABLE ROW LEVEL SECURITY' },
  { tries: `CREATE FUNCTION pg_temp.writ_claim(name text) RETURNS text RETURN 'globex'` },
])('whoever holds it gets no further: $tries', async ({ tries }) => {
  const session = await connect(await issued(await handedOver()));
  await session.client.query(tries).catch(() => undefined);
  expect([[OCTOBER], 'refused']).toContainEqual(await seen(session).catch(() => 'refused'));
  await session.client.end();
});

test('what is wider is not to be had, however it is asked for', async () => {
  const work = await handedOver();
  const more = { purpose: 'read September', mode: 'autonomous', environment: 'production' } as const;
  const answers = {
    'the month beside it': await codeOf(read(work, { ...OCTOBER, month: '2026-09' })),
    'the customer beside it': await codeOf(read(work, { ...OCTOBER, customer: 'globex' })),
    'no customer': await codeOf(read(work, { month: '2026-10' })),
    'without a task': await codeOf(
      agent.workload.issue({ profile: 'invoices-read', parameters: OCTOBER, purpose: 'read the invoices' }),
    ),
    'on a task of its own': await codeOf(agent.workload.createTask(more)),
    'on the task of who began': await codeOf(
      agent.workload.issue({ profile: 'invoices-read', parameters: OCTOBER, task: work.root }),
    ),
    'a wider part of the task': await codeOf(
      agent.workload.takeTask(work.token, { parameters: { customer: ['acme'], month: ['2026-09', '2026-10'] } }),
    ),
    'by somebody who was not meant': await codeOf(story.agent('other').workload.takeTask(work.token)),
    'by whoever began, without a part': await codeOf(
      books.workload.issue({ profile: 'invoices-read', parameters: OCTOBER, task: work.root }),
    ),
  };
  expect(answers).toEqual({
    'the month beside it': 'outside_task',
    'the customer beside it': 'outside_task',
    'no customer': 'invalid_request',
    'without a task': 'policy_denied',
    'on a task of its own': 'policy_denied',
    'on the task of who began': 'task_not_found',
    'a wider part of the task': 'invalid_scope',
    'by somebody who was not meant': 'unauthorized_client',
    'by whoever began, without a part': 'policy_denied',
  });
});

test('the task is ended: the login is dead, the open session too, and there is no other', async () => {
  const work = await handedOver();
  const grant = await issued(work);
  const session = await connect(grant);
  expect(await seen(session)).toEqual([OCTOBER]);

  await books.workload.endTask(work.root, 'the books are closed');
  expect(await codeOf(read(work))).toBe('task_ended'); // from that commit on, whatever is swept when
  await until(async () => (await agent.workload.grant(grant.id)).state === 'revoked');
  // `revoked` is said once the server has confirmed it: nothing has to be waited for any more.
  expect(LOGIN_OVER).toContain(await refusedWith(grant));
  await expect(session.client.query('SELECT FROM invoices')).rejects.toThrow();
  await until(session.ended);
  expect(await agent.workload.grant(grant.id)).toMatchObject({ why: 'task_ended' });
  expect(await codeOf(agent.workload.renew(grant.id))).toBe('grant_not_active');
});

test('the task comes to its deadline: the same, without anybody’s doing', async () => {
  const endsAt = new Date(Date.now() + 6_000);
  const work = await handedOver(endsAt);
  const grant = await issued(work);
  expect(grant).toMatchObject({ ttl: { decided_by: 'task' } });
  expect(Date.parse(grant.expires_at)).toBeLessThanOrEqual(endsAt.getTime());
  const session = await connect(grant);
  expect(await seen(session)).toEqual([OCTOBER]);

  await until(session.ended);
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(grant.expires_at) - 1_000);
  expect(LOGIN_OVER).toContain(await refusedWith(grant));
  // Lives are whole seconds: in the last part of one it is only too little that is left.
  const codes = new Set<string>();
  await until(async () => {
    const code = await codeOf(read(work));
    codes.add(code);
    return code === 'task_ended';
  });
  expect(['task_ended', 'ttl_below_minimum']).toEqual(expect.arrayContaining([...codes]));
  await until(async () => (await agent.workload.grant(grant.id)).closed_at !== null);
  await until(async () => (await books.workload.task(work.root)).ended_why === 'deadline');
});

test('the record tells it: who began, to whom it went, what was narrowed to what, when it ended and why', async () => {
  const work = await handedOver();
  const grant = await issued(work);
  await books.workload.endTask(work.root, 'the books are closed');
  await until(async () => (await agent.workload.grant(grant.id)).state === 'revoked');
  const { hops, entries } = await story.operator('auditor').operator.timeline(work.root);
  expect(hops.map(({ workload }) => workload.id)).toEqual([
    'spiffe://test.example/agent/books',
    'spiffe://test.example/agent/invoices',
  ]);
  const types = entries.map(({ event }) => event['type']);
  for (const type of [
    'task.created',
    'task.delegated',
    'grant.opened',
    'grant.activated',
    'task.ended',
    'grant.revoked',
  ])
    expect(types).toContain(type);
  const [mint] = await story.select(
    'select request -> $2 as claims from mints where grant_id = $1',
    grant.id,
    'claims',
  );
  expect(mint).toEqual({ claims: OCTOBER });
});
