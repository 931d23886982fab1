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

/** Columns by name; times as texts. */
type Row = Readonly<Record<string, Json | undefined>>;

type RowTable =
  | 'decisions'
  | 'call_outcomes'
  | 'tasks'
  | 'orders'
  | 'exceptions'
  | 'generations'
  | 'signing_keys'
  | 'grants'
  | 'approvals';

/** Columns of rows as they are held against events, and what they must fit beside. */
const ROWS: Readonly<Record<RowTable, string>> = {
  decisions: `r.action, r.outcome, r.code, r.generation::float8 as generation, r.rules_hash, r.trust, r.subject, r.on_behalf_of, r.resource, r.task_id,
    r.grant_id, to_jsonb(r.policies) as policies, r.errors, r.mode, r.approval_id, r.exception_id, r.arguments_hash, r.inputs, r.origin, r.at, r.asked_by, r.arguments`,
  call_outcomes: 'r.status, r.detail, r.happened_at, r.trust, r.subject, r.at',
  tasks: `r.implicit, r.purpose, r.mode, r.environment, r.ends_at, r.max_grants, r.max_calls, r.profiles, r.tools, r.max_ttl_seconds, r.principal, r.parameters,
    r.parent_id, r.decision_id, r.trust, r.subject, r.on_behalf_of, r.state, r.ended_why, r.ended_at, r.created_at, r.root_id = r.path[1] and case
      when r.parent_id is null then r.path = array[r.id] else r.path = (select p.path from tasks p where p.id = r.parent_id) || r.id end as path_fits`,
  orders: 'r.kind, r.value, r.reason, r.blocks, r.author, r.created_at, r.swept_at, r.lifted_at, r.lifted_by',
  exceptions: `r.profile, r.tool, r.agent, r.owner, r.environment, to_jsonb(r.policies) as policies, r.reason, r.author, r.created_at, r.starts_at, r.ends_at,
    r.review_by, r.state in ('approved', 'ended') as approved, r.state = 'denied' as denied, r.state = 'ended' as ended, r.answered_by, r.answered_at,
    r.answer_reason, r.ended_by, r.ended_at, r.end_reason, r.reviewed_by, r.reviewed_at, r.review_note`,
  generations: `r.number::float8 as number, r.hash, r.difference, r.author, r.activated_at, exists (select from rule_texts t where t.hash = r.hash
    and t.hash = encode(sha256(convert_to(t.body, 'UTF8')), 'hex')) as text_fits`,
  signing_keys: 'r.class, r.alg, r.signs_from, r.wiped_at',
  grants: `r.state, r.why, r.order_id, r.reason, r.task_id, r.decision_id, r.trust, r.subject, r.on_behalf_of, r.profile, r.provider, r.owner, r.environment,
    r.effect, r.parameters, r.ttl_seconds, r.ttl_decided_by, r.expires_at, r.revocability, r.opened_at, r.issued_at, r.ending_at, r.closed_at,
    r.task_path = (select t.path from tasks t where t.id = r.task_id) as task_path_fits`,
  approvals: `r.state, r.kind, r.asked, r.asked_hash, r.needs, r.resource, r.expires_at, r.trust, r.subject, r.on_behalf_of, r.task_id, r.grant_id, r.decision_id,
    r.created_at, r.consumed_at, r.closed_at, (select coalesce(jsonb_agg(jsonb_build_object('issuer', n.issuer, 'subject', n.subject,
      'answer', n.answer, 'reason', n.reason) order by n.at), '[]') from approval_answers n where n.approval_id = r.id) as answers`,
};
const MINTS =
  'select grant_id, id, kind, state, outcome, attempts, handle, activated_at, ended_at from mints where grant_id = any($1::text[])';
const KEYS: Readonly<Record<RowTable, string>> = {
  decisions: 'id',
  call_outcomes: 'decision_id',
  tasks: 'id',
  orders: 'id',
  exceptions: 'id',
  generations: 'number',
  signing_keys: 'kid',
  grants: 'id',
  approvals: 'id',
};

/** The events that make a row, or take a step of it, and where they name it. */
const MAKERS: Readonly<Record<RowTable, readonly [types: readonly string[], id: string]>> = {
  decisions: [['decision.made', 'call.decided'], `body::jsonb ->> 'decision'`],
  call_outcomes: [['call.reported'], `body::jsonb ->> 'decision'`],
  tasks: [['task.created', 'task.delegated'], 'task_id'],
  orders: [['order.created'], `body::jsonb #>> '{facts,order}'`],
  exceptions: [['exception.requested'], `body::jsonb #>> '{facts,exception}'`],
  generations: [['generation.activated'], `body::jsonb #>> '{facts,number}'`],
  signing_keys: [['key.added'], `body::jsonb ->> 'resource'`],
  grants: [['grant.opened', 'grant.requested'], 'grant_id'],
  approvals: [['approval.requested'], `body::jsonb #>> '{facts,approval}'`],
};
const TAKEN: Readonly<Record<string, string>> = {
  'task.ended': `state = 'ended'`,
  'order.swept': 'swept_at is not null',
  'order.lifted': 'lifted_at is not null',
  'exception.approved': `state in ('approved', 'ended')`,
  'exception.denied': `state = 'denied'`,
  'exception.ended': `state = 'ended'`,
  'exception.reviewed': 'reviewed_at is not null',
  'key.wiped': 'wiped_at is not null',
};

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
    return { ...verificationReads(reading, looking), close };
  } catch (error) {
    await close();
    throw error;
  }
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

    strays: (): Promise<EventRow[]> =>
      read(
        'strays',
        `select ${EVENT} from events where leaf < 0 or leaf >= (select size from log_head) order by events.leaf limit ${SOME}`,
      ),

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

    checkpoints: (size: number, limit: number) =>
      read<{ size: number; root: Uint8Array; origin: string; key: string; note: string }>(
        'checkpoints',
        'select size::float8 as size, root, origin, key, note from log_checkpoints where log_checkpoints.size > $1 order by log_checkpoints.size limit $2',
        [size, limit],
      ),

    async rows(table: RowTable, ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
      const key = KEYS[table];
      const wanted = table === 'generations' ? '$1::bigint[]' : '$1::text[]';
      const sql = `select r.${key}::text as id, ${ROWS[table]} from ${table} r where r.${key} = any(${wanted})`;
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

    async count(table: RowTable, taken = 'true'): Promise<number> {
      return (
        (
          await look<{ n: number }>(
            `count of ${table} ${taken}`,
            `select count(*)::float8 as n from ${table} where ${taken}`,
          )
        )[0]?.n ?? 0
      );
    },

    async withoutEvent(table: RowTable, step?: string): Promise<string[]> {
      const [types, id] = MAKERS[table];
      const of = step === undefined ? types : [step];
      const named = step?.startsWith('order.') ? `body::jsonb #>> '{facts,order}'` : id;
      const sql = `select ${KEYS[table]}::text as id from ${table} where ${step === undefined ? 'true' : (TAKEN[step] ?? 'false')}
        except select ${named} from events where type = any($1) ${step === undefined ? '' : `and body::jsonb ->> 'success' = 'true'`} limit ${SOME}`;
      return (await look<{ id: string }>(`without ${table} ${step ?? ''}`, sql, [of])).map((row) => row.id);
    },

    /** By its task, which has an index; a grant without one has no row either. */
    eventsOfGrant: (grant: string): Promise<EventRow[]> =>
      look(
        'events of a grant',
        `select ${EVENT} from events where grant_id = $1 and task_id = (select g.task_id from grants g where g.id = $1) order by events.seq`,
        [grant],
      ),

    async inputsHash(decision: string): Promise<string | undefined> {
      const sql = `select encode(sha256(convert_to(canonical(inputs), 'UTF8')), 'hex') as hash from decisions where id = $1`;
      return (await look<{ hash: string }>('inputs hash', sql, [decision]))[0]?.hash;
    },
  };
}
export type Verification = Awaited<ReturnType<typeof openVerification>>;
