import pg from 'pg';
import type { Json } from '../domain/json.ts';

/** An event as its row has it. */
export interface EventRow {
  readonly leaf: number | null;
  readonly seq: string;
  readonly at: string;
  readonly type: string;
  readonly task: string | null;
  readonly grant: string | null;
  readonly body: string;
}

/** A month that was put away. */
interface ArchivedMonth {
  readonly month: string;
  readonly events: number;
  readonly sha256: string;
  readonly ranges: readonly { readonly first: number; readonly end: number }[];
  readonly archivedAt: string;
}

/** Columns by name; times as texts. */
type Row = Readonly<Record<string, Json | undefined>>;

type RowTable = keyof typeof TABLES;

/** A step that a row keeps: its event's type, what the row says of it, and the column of its time. */
interface Step {
  readonly type: string;
  readonly taken: string;
  readonly at: string;
}

interface Table {
  readonly key: string;
  /** When a row was made; null where its event must be there. */
  readonly at: string;
  /** The columns that are held against events, and what they must fit beside. */
  readonly columns: string;
  /** The events that make a row, and where they, and those of its steps, name it. */
  readonly makers: readonly string[];
  readonly named: string;
}

const TABLES = {
  decisions: {
    key: 'id',
    at: 'at',
    columns: `r.action, r.outcome, r.code, r.generation::float8 as generation, r.rules_hash, r.trust, r.subject, r.on_behalf_of, r.resource, r.task_id,
      r.grant_id, to_jsonb(r.policies) as policies, to_jsonb(r.controls) as controls, r.errors, r.mode, r.approval_id, r.exception_id, r.arguments_hash,
      r.arguments, case when r.asked_by is distinct from jsonb_build_object('trust', r.trust, 'id', r.subject) then r.asked_by end as asked_by,
      r.inputs, r.origin, r.at`,
    makers: ['decision.made', 'call.decided'],
    named: `body::jsonb ->> 'decision'`,
  },
  tasks: {
    key: 'id',
    at: 'created_at',
    columns: `r.implicit, r.purpose, r.mode, r.environment, r.environments, r.chain, r.ends_at, r.ends_at_decided_by, r.max_grants, r.max_calls, r.grants_used, r.calls_used,
      r.profiles, r.tools, r.max_ttl_seconds, r.principal, r.parameters, r.parent_id, r.decision_id, r.trust, r.subject, r.on_behalf_of, r.state,
      r.ended_why, r.ended_at, r.created_at, r.root_id = r.path[1] and case when r.parent_id is null then r.path = array[r.id]
        else r.path = (select p.path from tasks p where p.id = r.parent_id) || r.id end as path_fits`,
    makers: ['task.created', 'task.delegated'],
    named: `body::jsonb ->> 'task'`,
  },
  call_outcomes: {
    key: 'decision_id',
    at: 'at',
    columns: 'r.status, r.detail, r.happened_at, r.trust, r.subject, r.at',
    makers: ['call.reported'],
    named: `body::jsonb ->> 'decision'`,
  },
  orders: {
    key: 'id',
    at: 'created_at',
    columns: `r.kind, r.value, r.reason, r.blocks, r.author, r.created_at, r.swept_at, r.lift_requested_at, r.lift_requested_by, r.lifted_at, r.lifted_by,
      r.lift_reason`,
    makers: ['order.created'],
    named: `body::jsonb #>> '{facts,order}'`,
  },
  exceptions: {
    key: 'id',
    at: 'created_at',
    columns: `r.profile, r.tool, r.agent, r.owner, r.environment, to_jsonb(r.policies) as policies, r.reason, r.state, r.state in ('approved', 'ended') as was_approved,
      r.author, r.created_at, r.starts_at, r.ends_at, r.review_by, r.answered_by, r.answered_at, r.answer_reason, r.ended_by, r.ended_at, r.end_reason,
      r.reviewed_by, r.reviewed_at, r.review_note`,
    makers: ['exception.requested'],
    named: `body::jsonb #>> '{facts,exception}'`,
  },
  generations: {
    key: 'number',
    at: 'activated_at',
    columns: `r.number::float8 as number, r.hash, r.difference, r.author, r.activated_at, exists (select from rule_texts t where t.hash = r.hash
      and t.hash = encode(sha256(convert_to(t.body, 'UTF8')), 'hex')) as text_fits`,
    makers: ['generation.activated'],
    named: `body::jsonb #>> '{facts,number}'`,
  },
  signing_keys: {
    key: 'kid',
    at: 'created_at',
    columns: 'r.class, r.alg, r.created_at, r.signs_from, r.public_jwk, r.wiped_at',
    makers: ['key.added'],
    named: `body::jsonb ->> 'resource'`,
  },
  legal_holds: {
    key: 'id',
    at: 'placed_at',
    columns: 'r.reason, r.from_at, r.to_at, r.placed_by, r.placed_at, r.lifted_by, r.lifted_at, r.lift_reason',
    makers: ['hold.placed'],
    named: `body::jsonb #>> '{facts,hold}'`,
  },
  archive_requests: {
    key: 'id',
    // of a request that was used the event is never of the month that it speaks of
    at: `case when used_at is null or to_char(asked_at at time zone 'UTC', 'YYYY-MM') <> month then asked_at end`,
    columns: `r.month, r.reason, r.forced, r.asked_by, r.origin, r.asked_at,
      (r.used_at is not null) = exists (select from event_archives a where a.request = r.id and a.month = r.month) as use_fits`,
    makers: ['archive.requested'],
    named: `body::jsonb #>> '{facts,request}'`,
  },
  event_archives: {
    key: 'month',
    at: 'archived_at',
    columns: 'r.events::float8 as events, r.leaves::text as leaves, r.sha256, r.request, r.archived_at',
    makers: ['events.archived'],
    named: `body::jsonb #>> '{facts,month}'`,
  },
  grants: {
    key: 'id',
    at: 'opened_at',
    columns: `r.state, r.why, r.order_id, r.reason, r.task_id, r.decision_id, r.trust, r.subject, r.on_behalf_of, r.profile, r.provider, r.owner, r.environment,
      r.effect, r.parameters, r.ttl_seconds, r.ttl_decided_by, r.expires_at, r.revocability, r.opened_at, r.issued_at, r.ending_at, r.closed_at,
      r.task_path = (select t.path from tasks t where t.id = r.task_id) as task_path_fits`,
    makers: ['grant.opened', 'grant.requested'],
    named: `body::jsonb ->> 'grant'`,
  },
  approvals: {
    key: 'id',
    at: 'created_at',
    columns: `r.state, r.kind, r.asked, r.asked_hash, r.needs, r.chain, r.resource, r.owner, r.environment, r.expires_at, r.trust, r.subject, r.on_behalf_of, r.task_id,
      r.grant_id, r.decision_id, r.created_at, r.consumed_at, r.closed_at, (select coalesce(jsonb_agg(jsonb_build_object('issuer', n.issuer,
        'subject', n.subject, 'answer', n.answer, 'reason', n.reason, 'roles', n.roles) order by n.at), '[]') from approval_answers n
        where n.approval_id = r.id) as answers, (select coalesce(jsonb_agg(jsonb_build_object('target', t.target, 'state', t.state,
        'attempts', t.attempts, 'last_error', t.last_error) order by t.target), '[]') from approval_notices t where t.approval_id = r.id) as notices`,
    makers: ['approval.requested'],
    named: `body::jsonb #>> '{facts,approval}'`,
  },
} as const satisfies Readonly<Record<string, Table>>;

const MINTS = `select grant_id, id, kind, provider, state, outcome, attempts, handle, opened_at, ends_at, activated_at, ended_at from mints
  where grant_id = any($1::text[])`;

const EVENT = 'leaf::float8 as leaf, seq::text as seq, at::text as at, type, task_id as task, grant_id as grant, body';
const HASH_BYTES = 32;
const PAGE = 4_000;
/** Times stay as they are written: a `Date` would cut them short. */
const AS_TEXT = new pg.TypeOverrides();
AS_TEXT.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text: string) => text);
const SOME = 1_000;

/**
 * The whole record at one moment, for whoever may read it and nothing else: transactions that only read. They hold nothing up,
 * neither issuing nor sealing. Two connections see the same: on one events are read, on the other what they are held against.
 */
export async function openVerification(url: string) {
  const clients = [1, 2].map(() => {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 10_000,
      application_name: 'writ verify',
    });
    client.on('error', () => undefined); // told by the query under way
    return client;
  });
  const [reading, looking] = clients;
  const close = async () => {
    await Promise.all(clients.map((client) => client.end()));
  };
  if (!reading || !looking) throw new Error('no connection');
  try {
    for (const client of clients) await client.connect();
    await beginReading(reading);
    const exported = await reading.query<{ id: string }>('select pg_export_snapshot() as id');
    await beginReading(looking, exported.rows[0]?.id);
    return { ...verificationReads(reading, looking), snapshot: exported.rows[0]?.id ?? '', close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What the tables say at that same moment, on a connection of its own: for another thread, while the first stays open. */
export async function openSnapshot(url: string, snapshot: string) {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'writ verify',
  });
  client.on('error', () => undefined); // told by the query under way
  try {
    await client.connect();
    await beginReading(client, snapshot);
  } catch (error) {
    await client.end();
    throw error;
  }
  return { ...verificationReads(client), close: () => client.end() };
}

/** Puts a connection into a transaction that only reads, as of now or of a snapshot, with times in UTC. */
export async function beginReading(client: Pick<pg.ClientBase, 'query'>, snapshot?: string): Promise<void> {
  await client.query('begin transaction isolation level repeatable read, read only');
  if (snapshot !== undefined) await client.query(`set transaction snapshot '${snapshot}'`);
  await client.query(`select set_config(name, case name when 'TimeZone' then 'UTC' when 'DateStyle' then 'ISO' else '0' end, true) from pg_settings
    where name in ('TimeZone', 'DateStyle', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`);
}

/** Asks a connection one thing after another, in the order in which it is asked. */
function oneByOne(client: Pick<pg.ClientBase, 'query'>) {
  let last: Promise<unknown> = Promise.resolve();
  return async <Result>(name: string, text: string, values: readonly unknown[] = []): Promise<Result[]> => {
    const asked = last.then(() => client.query({ name, text, values: [...values], types: AS_TEXT }));
    last = asked.catch(() => undefined); // told by whoever asked
    return (await asked).rows as Result[];
  };
}

/** The same on connections that are in such a transaction already. */
export function verificationReads(
  reading: Pick<pg.ClientBase, 'query'>,
  looking: Pick<pg.ClientBase, 'query'> = reading,
) {
  const read = oneByOne(reading);
  const look = looking === reading ? read : oneByOne(looking);

  return {
    async head(): Promise<{ logId: string; size: number; root: Uint8Array }> {
      const sql = 'select log_id as "logId", size::float8 as size, root from log_head';
      const [head] = await read<{ logId: string; size: number; root: Uint8Array }>('head', sql);
      if (!head) throw new Error('the log has no head');
      return head;
    },

    events: (first: number, end: number): Promise<EventRow[]> =>
      read('events', `select ${EVENT} from events where leaf >= $1 and leaf < $2 order by events.leaf`, [first, end]),

    /** Hashes from a position up to another, each at its place; zeros where one is missing. */
    async stored(from: number, to: number): Promise<Buffer> {
      const sql = `select greatest(first, $1::bigint)::float8 as at,
          substring(hashes from (greatest($1::bigint - first, 0) * 32)::integer + 1 for
            (least($2::bigint - first, octet_length(hashes) / 32) * 32 - greatest($1::bigint - first, 0) * 32)::integer) as part
        from log_hashes where first >= (select coalesce(max(first), 0) from log_hashes where first <= $1::bigint) and first < $2::bigint
          and first + octet_length(hashes) / 32 > $1::bigint order by first`;
      const whole = Buffer.alloc((to - from) * HASH_BYTES);
      for (const { at, part } of await read<{ at: number; part: Buffer }>('stored', sql, [from, to])) {
        whole.set(part.subarray(0, (to - at) * HASH_BYTES), (at - from) * HASH_BYTES);
      }
      return whole;
    },

    async storedEnd(): Promise<number> {
      const sql = `select coalesce(sum(octet_length(hashes)) / 32, 0)::float8 as n from log_hashes`;
      return (await read<{ n: number }>('stored end', sql))[0]?.n ?? 0;
    },

    async sealedCount(): Promise<number> {
      return (await read<{ n: number }>('sealed count', 'select count(leaf)::float8 as n from events'))[0]?.n ?? 0;
    },

    strays: (size: number): Promise<EventRow[]> =>
      read('strays', `select ${EVENT} from events where leaf < 0 or leaf >= $1 order by events.leaf limit ${SOME}`, [
        size,
      ]),

    async *unsealed(): AsyncGenerator<(EventRow & { late: boolean })[]> {
      const sql = `select ${EVENT}, tx::text as tx,
          h.head_tx < pg_snapshot_xmax(pg_current_snapshot()) and (tx, seq) <= (h.head_tx, h.head_seq) as late
        from events, (select tx, seq from log_head) as h (head_tx, head_seq)
        where leaf is null and (tx, seq) > ($1::text::xid8, $2::bigint) order by events.tx, events.seq limit ${PAGE}`;
      let place: readonly [string, string] | undefined = ['0', '-1'];
      while (place) {
        const page: (EventRow & { late: boolean; tx: string })[] = await read('unsealed', sql, place);
        yield page;
        const last = page.at(-1);
        place = last && page.length === PAGE ? [last.tx, last.seq] : undefined;
      }
    },

    checkpoints: (above: number, upTo: number, limit: number) =>
      read<{ size: number; root: Uint8Array; origin: string; key: string; note: string }>(
        'checkpoints',
        `select size::float8 as size, root, origin, key, note from log_checkpoints c where c.size > $1 and c.size <= $2
          order by c.size limit $3`,
        [above, upTo, limit],
      ),

    /** Months that are on record as put away, and the leaves that they took along. */
    archives(): Promise<ArchivedMonth[]> {
      const sql = `select month, events::float8 as events, sha256, archived_at as "archivedAt", (select coalesce(jsonb_agg(jsonb_build_object('first', lower(r), 'end', upper(r))
          order by lower(r)), '[]') from unnest(leaves) as u (r)) as ranges from event_archives order by month`;
      return read<ArchivedMonth>('archives', sql);
    },

    archivings: (): Promise<EventRow[]> =>
      read('archivings', `select ${EVENT} from events where type = 'events.archived' order by events.leaf nulls last`),

    async rows(table: RowTable, ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
      const { key, columns } = TABLES[table];
      const wanted = table === 'generations' ? '$1::bigint[]' : '$1::text[]';
      const sql = `select r.${key}::text as id, ${columns} from ${table} r where r.${key} = any(${wanted})`;
      const rows = await look<Row & { id: string }>(`rows of ${table}`, sql, [ids]);
      return new Map(rows.map((row) => [row.id, row]));
    },

    async mints(grants: readonly string[]): Promise<ReadonlyMap<string, readonly (Row & { id: string })[]>> {
      const found = new Map<string, (Row & { id: string })[]>();
      for (const mint of await look<Row & { grant_id: string; id: string }>('mints', MINTS, [grants])) {
        const list = found.get(mint.grant_id);
        if (list) list.push(mint);
        else found.set(mint.grant_id, [mint]);
      }
      return found;
    },

    /** How many rows were made, or have taken a step, outside of some times (a multirange). */
    async count(table: RowTable, outside: string, step?: Step): Promise<number> {
      const sql = `select count(*)::float8 as n from ${table} where ${chosen(table, step)}`;
      return (await look<{ n: number }>(`count of ${table} ${step?.type ?? ''}`, sql, [outside]))[0]?.n ?? 0;
    },

    /** Some of them: those that no event has made, or of which none has taken the step; `known` have theirs elsewhere. */
    async withoutEvent(
      table: RowTable,
      outside: string,
      step?: Step,
      known: readonly string[] = [],
    ): Promise<string[]> {
      const { key, makers, named } = TABLES[table];
      const done = step === undefined ? '' : `and body::jsonb ->> 'success' = 'true'`;
      const sql = `select ${key}::text as id from ${table} where ${chosen(table, step)}
        except select ${named} from events where type = any($2::text[]) and case when ${IS_EVENT} then true ${done} else false end except select unnest($3::text[]) limit ${SOME}`;
      const values = [outside, step === undefined ? makers : [step.type], known];
      return (await look<{ id: string }>(`without ${table} ${step?.type ?? ''}`, sql, values)).map((row) => row.id);
    },

    /** By their tasks, which have an index; a grant without one has no row either. */
    async eventsOfGrants(grants: readonly string[]): Promise<ReadonlyMap<string, readonly EventRow[]>> {
      const sql = `select ${EVENT} from events where grant_id = any($1::text[]) and task_id = any(select g.task_id from grants g where g.id = any($1::text[]))
        order by events.seq`;
      const found = new Map<string, EventRow[]>();
      for (const row of await look<EventRow>('events of grants', sql, [grants])) {
        const list = found.get(row.grant ?? '');
        if (list) list.push(row);
        else found.set(row.grant ?? '', [row]);
      }
      return found;
    },

    async inputsHash(decision: string): Promise<string | undefined> {
      const sql = `select encode(sha256(convert_to(canonical(inputs), 'UTF8')), 'hex') as hash from decisions where id = $1`;
      return (await look<{ hash: string }>('inputs hash', sql, [decision]))[0]?.hash;
    },
  };
}

/** What `readEvent` takes for an event, its text alone being asked: whoever owns the table can have written anything there. */
const IS_EVENT = `case when pg_input_is_valid(body, 'jsonb') then jsonb_typeof(body::jsonb -> 'facts') = 'object'
  and jsonb_typeof(body::jsonb -> 'seq') = 'number' and jsonb_typeof(body::jsonb -> 'at') = 'string' and body::jsonb ->> 'type' = type else false end`;

/** Rows of a table, or those that have taken a step, outside of the times of $1; a step before its row was made is outside of all times. */
function chosen(table: RowTable, step: Step | undefined): string {
  const made = TABLES[table].at;
  if (!step) return `($1::tstzmultirange = '{}' or (${made} <@ $1::tstzmultirange) is not true)`;
  const inside = `${step.at} <@ $1::tstzmultirange and ${step.at} >= ${made} - interval '1 minute'`;
  return `${step.taken} and ($1::tstzmultirange = '{}' or (${inside}) is not true)`;
}

export type Verification = Awaited<ReturnType<typeof openVerification>>;
