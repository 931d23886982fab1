import pg from 'pg';
import { makeWorld } from './world.ts';
import type { World } from './world.ts';

/**
 * The broker's login can only ever do what the record allows, whatever takes hold of it. That this is also enough for all
 * that the broker does is held by every other test here: their ledger has no other login.
 */
let world: World;
let broker: pg.Client;
beforeAll(async () => {
  world = await makeWorld();
  broker = new pg.Client({ connectionString: world.database.brokerUrl });
  await broker.connect();
  const done = await world.live();
  await world.revoke(done);
  const { mint, epoch } = await world.claim(done);
  await world.ledger.reaping.close(mint, epoch, 'ended', false);
  await world.live();
  await world.order({ kind: 'agent', value: 'nobody' });
});
afterAll(async () => {
  await broker.end();
  await world.close();
});

const DENIED = '42501';
const KEPT = '23514';
const codeOf = (sql: string) =>
  broker.query(sql).then(
    () => 'done',
    (error: unknown) => (error as { code?: string }).code,
  );

/** The columns that the steps of a life change; no other column of any table is the broker's to update. */
const CHANGING: Readonly<Record<string, readonly string[]>> = {
  tasks: ['calls_used', 'ended_at', 'ended_why', 'grants_used', 'state', 'swept_at'],
  grants: [
    ...['closed_at', 'decision_id', 'ending_at', 'expires_at', 'issued_at', 'opened_at', 'order_id', 'reason'],
    ...['revocability', 'state', 'ttl_decided_by', 'ttl_seconds', 'why'],
  ],
  mints: [
    ...['activated_at', 'attempts', 'claimed_by', 'cleanup_due_at', 'cleanup_tries', 'due_at'],
    ...['ended_at', 'epoch', 'handle', 'last_error', 'outcome', 'state'],
  ],
  orders: ['lift_reason', 'lift_requested_at', 'lift_requested_by', 'lifted_at', 'lifted_by', 'swept_at'],
  approval_notices: ['attempts', 'claimed_by', 'closed_at', 'due_at', 'last_error', 'state'],
  approvals: ['closed_at', 'consumed_at', 'state'],
  exceptions: [
    ...['answer_reason', 'answered_at', 'answered_by', 'end_reason', 'ended_at', 'ended_by'],
    ...['review_note', 'reviewed_at', 'reviewed_by', 'state'],
  ],
  idempotency_keys: ['created_at', 'grant_id', 'task_id'],
  dead_letters: ['attempts', 'due_at', 'error', 'replay_at'],
  legal_holds: ['lift_reason', 'lifted_at', 'lifted_by'],
  sinks: ['attempts', 'claimed_by', 'claimed_until', 'delivered_at', 'due_at', 'last_error', 'position'],
  signing_keys: ['gone_at', 'kek_id', 'signs_until', 'wiped_at', 'wrapped'],
};
const DELETABLE = ['dead_letters', 'idempotency_keys'];

interface Column extends Record<string, unknown> {
  readonly table: string;
  readonly column: string;
}

async function columns(): Promise<Column[]> {
  return world.sql<Column>(`select relname as table, attname as column from pg_attribute join pg_class on pg_class.oid = attrelid
    where relkind in ('r', 'p') and attnum > 0 and not attisdropped and relnamespace = 'public'::regnamespace order by 1, 2`);
}

test('every column of every table, the events’ partitions included: changed only where a step changes it', async () => {
  const all = await columns();
  expect(all.filter(({ table }) => table.startsWith('events_')).length).toBeGreaterThan(0);
  const changing: Record<string, string[]> = {};
  for (const { table, column } of all) {
    const code = await codeOf(`update ${table} set ${column} = ${column} where false`);
    if (code === 'done') (changing[table] ??= []).push(column);
    else expect({ table, column, code }).toEqual({ table, column, code: DENIED });
  }
  expect(changing).toEqual(CHANGING);
});

test('no table can be emptied, and only idempotency keys and delivered letters are forgotten', async () => {
  const tables = [...new Set((await columns()).map(({ table }) => table))];
  for (const table of tables) {
    expect([table, await codeOf(`truncate ${table}`)]).toEqual([table, DENIED]);
    const deletion = DELETABLE.includes(table) ? 'done' : DENIED;
    expect([table, await codeOf(`delete from ${table} where false`)]).toEqual([table, deletion]);
  }
});

test.each([
  ['an event’s text', `update events set body = '{}'`, DENIED],
  ['an event’s time', `update events set at = now()`, DENIED],
  ['an event, in a statement that also marks', `update events set leaf = 1, type = 'x'`, DENIED],
  [
    'an event, by writing it again',
    `insert into events (at, seq, type, body) select at, seq, type, '{}' from events limit 1 on conflict (at, seq) do update set body = '{}'`,
    DENIED,
  ],
  ['a partition', `drop table events`, DENIED],
  ['a guard', `alter table grants disable trigger all`, DENIED],
  ['all guards', `set session_replication_role = replica`, DENIED],
  [
    'a function',
    `create or replace function active_generation() returns bigint language sql as 'select 1::bigint'`,
    DENIED,
  ],
  [
    'a function before ours',
    `create function public.now() returns timestamptz language sql as 'select null::timestamptz'`,
    DENIED,
  ],
  ['the numbering', `alter sequence events_seq restart`, DENIED],
  ['the numbering, by hand', `select setval('events_seq', 1)`, DENIED],
  ['a decision', `update decisions set outcome = 'allow'`, DENIED],
  ['a generation', `update generations set hash = hash`, DENIED],
  ['a rule text', `update rule_texts set body = 'permit all'`, DENIED],
  ['a closed grant’s state', `update grants set state = 'active' where state = 'revoked'`, KEPT],
  ['a closed grant’s reason', `update grants set reason = 'never mind' where state = 'revoked'`, KEPT],
  ['an ended mint', `update mints set state = 'live', outcome = null where state = 'ended'`, KEPT],
  ['a step backwards', `update grants set state = 'issuing' where state = 'active'`, KEPT],
  ['what an order covers', `update orders set value = 'somebody else'`, DENIED],
  ['whom a grant is for', `update grants set subject = 'somebody else'`, DENIED],
])('the broker cannot change %s', async (_, sql, code) => {
  expect(await codeOf(sql)).toBe(code);
});

test.each([
  ['decisions', `update decisions set code = 'policy_denied', outcome = 'deny'`],
  ['decisions', 'delete from decisions'],
  ['generations', 'update generations set number = number + 1'],
  ['rule texts', 'delete from rule_texts'],
  ['closed grants', `update grants set reason = 'never mind' where state = 'revoked'`],
])('%s are kept from their owner too', async (_, sql) => {
  await expect(world.sql(sql)).rejects.toMatchObject({ code: KEPT });
});

test('what it has it cannot pass on, and granting itself more gives nothing', async () => {
  await broker.query('grant update, delete, truncate on events, decisions to writ_broker');
  expect(await codeOf(`update events set body = ''`)).toBe(DENIED);
  expect(await codeOf('delete from decisions')).toBe(DENIED);
});

test('the login owns nothing and is no superuser', async () => {
  const [role] = (
    await broker.query(
      'select rolsuper, rolcreaterole, rolbypassrls, rolreplication from pg_roles where rolname = current_user',
    )
  ).rows;
  expect(role).toEqual({ rolsuper: false, rolcreaterole: false, rolbypassrls: false, rolreplication: false });
  const owned = await broker.query('select 1 from pg_class where relowner = current_user::regrole');
  expect(owned.rows).toEqual([]);
});
