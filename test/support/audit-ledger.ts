import type pg from 'pg';
import { canonicalJson, type Json, type JsonObject } from '../../src/domain/json.ts';
import { replayGrant, type GrantEvent } from '../../src/audit/replay-grant.ts';

/** A server that logins were issued for. */
export interface AuditedTarget {
  /** The provider's name in the ledger. */
  readonly provider: string;
  /** As the superuser, to look with. */
  readonly pool: pg.Pool;
  /** Who made the logins. */
  readonly administrator: string;
}

/**
 * Holds a whole ledger against its events, and what lives on the targets against the ledger. Answers everything that is
 * wrong, a line each: a state that the events do not lead to, a row without its event or an event without its row, a
 * login that nothing active stands behind, an intent past its deadline. To be asked when nothing is under way.
 * @param ledger - as its superuser.
 */
export async function auditLedger(ledger: pg.Pool, targets: readonly AuditedTarget[] = []): Promise<string[]> {
  const events = await readEvents(ledger);
  const found = [...checkBodies(events), ...(await checkGrants(ledger, events)), ...(await checkDeadlines(ledger))];
  for (const pair of PAIRS) found.push(...(await checkPair(ledger, events, pair)));
  for (const target of targets) found.push(...(await checkLogins(ledger, target)));
  return found;
}

interface Event extends GrantEvent {
  readonly seq: string;
  readonly at: string;
  readonly task_id: string | null;
  readonly grant_id: string | null;
  readonly text: string;
}

async function readEvents(ledger: pg.Pool): Promise<Event[]> {
  const { rows } = await ledger.query<Omit<Event, 'body' | 'facts'>>(
    'select seq, utc_text(at) as at, type, task_id, grant_id, body as text from events order by seq',
  );
  return rows.map((row) => {
    const body = JSON.parse(row.text) as JsonObject;
    return { ...row, body, facts: (body['facts'] ?? {}) as JsonObject };
  });
}

/** The columns of an event say what its body says, and the body is canonical text. */
function checkBodies(events: readonly Event[]): string[] {
  return events.flatMap(({ seq, at, type, task_id, grant_id, text, body }) => {
    const columns = { at, grant: grant_id, seq: Number(seq), task: task_id, type };
    const told = Object.entries(columns).every(([name, value]) => (body[name] ?? null) === value);
    return [
      ...(told ? [] : [`event ${seq}: its columns differ from its body`]),
      ...(canonicalJson(body) === text ? [] : [`event ${seq}: its body is not canonical`]),
    ];
  });
}

const GRANTS = `select id, jsonb_build_object('state', state, 'why', why, 'order', order_id, 'reason', reason, 'expires_at', utc_text(expires_at),
  'decision', decision_id, 'mints', (select jsonb_object_agg(m.id, jsonb_build_object('kind', kind, 'state', m.state, 'outcome', outcome,
    'attempts', attempts, 'handle', case when activated_at is not null then handle end)) from mints m where m.grant_id = grants.id)) as row
  from grants`;

/** A grant and its mints are exactly what their events replay to. */
async function checkGrants(ledger: pg.Pool, events: readonly Event[]): Promise<string[]> {
  const { rows } = await ledger.query<{ id: string; row: JsonObject }>(GRANTS);
  const left = new Map<string, Event[]>();
  for (const event of events) {
    if (event.grant_id !== null) left.set(event.grant_id, [...(left.get(event.grant_id) ?? []), event]);
  }
  const found: string[] = [];
  for (const { id, row } of rows) {
    const replayed = replayGrant(left.get(id) ?? []);
    left.delete(id);
    if (!replayed) {
      found.push(`grant ${id}: its events do not open it`);
      continue;
    }
    const { problems, mints, ...grant } = replayed;
    found.push(...problems.map((problem) => `grant ${id}: ${problem}`));
    const told = canonicalJson({
      ...grant,
      mints: Object.fromEntries([...mints].map(([mint, of]) => [mint, { ...of }])),
    });
    if (told !== canonicalJson(row))
      found.push(`grant ${id}: its row is ${canonicalJson(row)}, its events say ${told}`);
  }
  for (const id of left.keys()) found.push(`grant ${id}: events without a row`);
  return found;
}

async function checkDeadlines(ledger: pg.Pool): Promise<string[]> {
  const { rows } = await ledger.query<{ line: string }>(
    `select format('grant %s: issuing, and mint %s is past its deadline', g.id, m.id) as line
       from grants g join mints m on m.grant_id = g.id where g.state = 'issuing' and m.deadline < clock_timestamp()
     union all select format('mint %s: an intent past its deadline', id) from mints where state = 'intent' and deadline < clock_timestamp()
     union all select format('grant %s: active past its end', id) from grants where state = 'active' and expires_at < clock_timestamp()
     union all select format('grant %s: closed, and mint %s is %s', g.id, m.id, m.state)
       from grants g join mints m on m.grant_id = g.id where g.closed_at is not null and m.state <> 'ended'`,
  );
  return rows.map(({ line }) => line);
}

/** Rows and events that go together one to one: what a row says, as a query, and what its event says, in the same shape. */
interface Pair {
  readonly what: string;
  readonly type: string;
  /** One column, `row`: an object. */
  readonly rows: string;
  readonly told: (event: Event) => Json;
}

const facts = ({ facts: all }: Event, ...names: string[]): JsonObject =>
  Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));

const PAIRS: readonly Pair[] = [
  {
    what: 'decision',
    type: 'decision.made',
    rows: `select jsonb_strip_nulls(jsonb_build_object('decision', id, 'resource', resource, 'task', task_id, 'action', action, 'outcome', outcome,
      'code', code, 'generation', generation, 'rules_hash', rules_hash, 'policies', to_jsonb(policies), 'errors', errors,
      'inputs_hash', encode(sha256(convert_to(canonical(inputs), 'UTF8')), 'hex'))) as row from decisions`,
    told: ({ body: { decision = null, resource = null, task }, facts: all }) => ({
      decision,
      resource,
      ...(task === undefined ? {} : { task }),
      ...all,
    }),
  },
  {
    what: 'task',
    type: 'task.created',
    rows: `select jsonb_build_object('task', id, 'implicit', implicit, 'purpose', purpose, 'mode', mode, 'environment', environment) as row from tasks`,
    told: ({ task_id, facts: all }) => ({ task: task_id, ...all }),
  },
  {
    what: 'order',
    type: 'order.created',
    rows: `select jsonb_build_object('order', id, 'kind', kind, 'value', value, 'reason', reason, 'blocks', blocks) as row from orders`,
    told: ({ facts: all }) => all,
  },
  {
    what: 'swept order',
    type: 'order.swept',
    rows: `select jsonb_build_object('order', id) as row from orders where swept_at is not null`,
    told: (event) => facts(event, 'order'),
  },
  {
    what: 'lifted order',
    type: 'order.lifted',
    rows: `select jsonb_build_object('order', id) as row from orders where lifted_at is not null`,
    told: (event) => facts(event, 'order'),
  },
  {
    what: 'generation',
    type: 'generation.activated',
    rows: `select jsonb_strip_nulls(jsonb_build_object('number', number, 'hash', hash, 'difference', difference)) as row from generations`,
    told: ({ facts: all }) => all,
  },
  {
    what: 'signing key',
    type: 'key.added',
    rows: `select jsonb_build_object('kid', kid, 'class', class, 'alg', alg, 'signs_from', utc_text(signs_from)) as row from signing_keys`,
    told: (event) => ({ kid: event.body['resource'] ?? null, ...facts(event, 'class', 'alg', 'signs_from') }),
  },
  {
    what: 'wiped key',
    type: 'key.wiped',
    rows: `select jsonb_build_object('kid', kid) as row from signing_keys where wiped_at is not null`,
    told: ({ body }) => ({ kid: body['resource'] ?? null }),
  },
];

async function checkPair(
  ledger: pg.Pool,
  events: readonly Event[],
  { what, type, rows, told }: Pair,
): Promise<string[]> {
  const unexplained = (await ledger.query<{ row: JsonObject }>(rows)).rows.map(({ row }) => canonicalJson(row));
  const found: string[] = [];
  for (const event of events.filter((each) => each.type === type)) {
    const at = unexplained.indexOf(canonicalJson(told(event)));
    if (at < 0) found.push(`event ${event.seq} (${type}) has no row that says the same: ${event.text}`);
    else unexplained.splice(at, 1);
  }
  return [...found, ...unexplained.map((row) => `${what} without its event: ${row}`)];
}

const utc = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const LOGINS = `select r.rolname as role, r.rolcanlogin as login, ${utc('r.rolvaliduntil')} as until,
    (select count(*)::int from pg_stat_activity s where s.usesysid = r.oid) as sessions
  from pg_roles r where r.rolname ^@ 'writ_m' and exists (select from pg_auth_members m join pg_roles a on a.oid = m.member
    where m.roleid = r.oid and a.rolname = $1)`;

interface Login {
  readonly role: string;
  readonly login: boolean;
  readonly until: string;
  readonly sessions: number;
}

/** Who can log in, or is there, has a live mint of an active grant behind it, and both end at the same time. */
async function checkLogins(ledger: pg.Pool, { provider, pool, administrator }: AuditedTarget): Promise<string[]> {
  const { rows: roles } = await pool.query<Login>(LOGINS, [administrator]);
  const { rows: live } = await ledger.query<{ role: string; until: string }>(
    `select 'writ_' || m.id as role, ${utc('m.ends_at')} as until
       from mints m join grants g on g.id = m.grant_id where m.state = 'live' and g.state = 'active' and m.provider = $1`,
    [provider],
  );
  const untils = new Map(live.map(({ role, until }) => [role, until]));
  const found: string[] = [];
  for (const { role, login, until, sessions } of roles) {
    if (!login && sessions === 0) continue;
    if (!untils.has(role)) found.push(`login ${role}: nothing active stands behind it (sessions: ${sessions})`);
    else if (untils.get(role) !== until)
      found.push(`login ${role}: lives until ${until}, its mint until ${untils.get(role)}`);
    untils.delete(role);
  }
  return [...found, ...[...untils.keys()].map((role) => `login ${role}: an active grant's, and it is not there`)];
}
