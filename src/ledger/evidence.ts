import type { Actor } from '../domain/identity.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

export interface EventFilter {
  readonly task?: string | undefined;
  readonly grant?: string | undefined;
  readonly type?: string | undefined;
}

export interface SealedEvent {
  readonly leaf: number;
  /** As it was sealed, to the byte. */
  readonly body: string;
}

export interface EventPage {
  readonly events: readonly SealedEvent[];
  /** The leaf to go on from; the log's size where everything so far was read. */
  readonly next: number;
  readonly size: number;
}

/** A page of one type is read through so many leaves at most, however few of them fit; any page holds so much text at most. */
const WINDOW = 20_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Sealed order and time differ by less: no transaction of the ledger lives as long. */
const DISORDER = '1 minute';

/** What auditors read: sealed events, in their order, and decisions. */
export function makeEvidence(connection: Connection) {
  return {
    /** Sealed events from a leaf on. */
    async events(from: number, limit: number, filter: EventFilter): Promise<EventPage> {
      const { name, pick, values, window } = pickEvents(filter);
      const sql = `with ${pick},
          page as (select leaf, body, sum(octet_length(body)) over (order by leaf) - octet_length(body) as before, count(*) over () as all from first)
        select h.size::float8 as size, p.leaf::float8 as leaf, p.body, p.all::float8 as all
          from log_head h left join page p on p.before < ${MAX_BYTES} order by p.leaf`;
      type Row = { size: number; leaf: number | null; body: string; all: number };
      const rows = await connection.call<Row>(name, sql, [from, limit, ...values]);
      const size = rows[0]?.size ?? 0;
      const events = rows.flatMap(({ leaf, body }) => (leaf === null ? [] : [{ leaf, body }]));
      const all = rows[0]?.all ?? 0;
      const cut = events.length < all || all === limit;
      const last = events.at(-1);
      const readTo = window === undefined ? size : Math.min(size, from + window);
      return { events, next: cut && last ? last.leaf + 1 : Math.max(from, readTo), size };
    },

    /**
     * The leaf of an event by its number. Sealed order is nearly that of numbers: it is found by halving, and then nearby. Of what was
     * put away there is no number; the next one that is there says where to go on.
     */
    async leafOf(seq: string): Promise<number | undefined> {
      const sql = `with recursive halving (low, high) as (
          select 0::bigint, size from log_head
          union all
          select case when e.seq < $1::bigint then e.leaf + 1 else low end, case when e.seq < $1::bigint then high else middle end
            from halving, lateral (select (low + high) / 2 as middle) as m
              left join lateral (select leaf, seq from events where leaf >= middle and leaf < high order by leaf limit 1) as e on true where low < high)
        select leaf::float8 as leaf from events
         where seq = $1::bigint and leaf between (select max(low) - ${WINDOW} from halving) and (select min(high) + ${WINDOW} from halving)`;
      return (await connection.call<{ leaf: number }>('leaf_of', sql, [seq]))[0]?.leaf;
    },

    /** The leaves that hold everything of a span of time, and little else; whole months of it where they were put away. */
    async leavesBetween(from: Date | null, to: Date | null): Promise<{ first: number; end: number }> {
      const sql = `select coalesce((select min(leaf) from events where leaf is not null and at >= $1 and at < f.at + interval '${DISORDER}'), case when $1::timestamptz is null then 0 else h.size end)::float8 as first,
          coalesce((select max(leaf) + 1 from events where leaf is not null and at < $2 and at > t.at - interval '${DISORDER}'), case when $2::timestamptz is null then h.size else 0 end)::float8 as end,
          a.first::float8 as "awayFirst", a.end::float8 as "awayEnd"
        from log_head h left join lateral (select at from events where at >= $1 and leaf is not null order by at limit 1) as f on true
          left join lateral (select at from events where at < $2 and leaf is not null order by at desc limit 1) as t on true
          left join lateral (select min(lower(leaves)) as first, max(upper(leaves)) as end from event_archives
            where ($1 is null or ((month || '-01')::timestamp + interval '1 month') at time zone 'UTC' > $1)
              and ($2 is null or (month || '-01')::timestamp at time zone 'UTC' < $2)) as a on true`;
      type Row = { first: number; end: number; awayFirst: number | null; awayEnd: number | null };
      const [row] = await connection.call<Row>('leaves_between', sql, [from, to]);
      const first = Math.min(row?.first ?? 0, row?.awayFirst ?? Infinity);
      const end = Math.max(row?.end ?? 0, row?.awayEnd ?? 0);
      return { first: Math.min(first, end), end };
    },

    /** A read of the record is on record itself, before its answer leaves. */
    async recordRead(read: {
      readonly actor: Actor;
      readonly origin: string | null;
      readonly what: string;
      readonly resource: string;
      readonly query: JsonObject;
      readonly count: number;
    }): Promise<void> {
      await connection.call('record_read', 'select record_read($1)', [JSON.stringify(read)]);
    },
  };
}

interface Picked {
  readonly name: string;
  /** Makes `first`: up to `$2` events from the leaf `$1` on. */
  readonly pick: string;
  readonly values: readonly (string | null)[];
  /** How many leaves are looked through; undefined: all. */
  readonly window?: number;
}

/**
 * Few events belong to a task, and they are found by it; those of a type are looked for among so many leaves. Either way leaves alone
 * at first, and texts of the page only.
 */
function pickEvents({ task, grant, type }: EventFilter): Picked {
  const first = `first as (select leaf, body from events join (select leaf from found order by leaf limit $2) as f using (leaf))`;
  if (task !== undefined || grant !== undefined) {
    const pick = `found as materialized (select leaf from events where task_id = coalesce($3, (select task_id from grants where id = $4))
        and ($4::text is null or grant_id = $4) and leaf >= $1 and ($5::text is null or type = $5)), ${first}`;
    return { name: 'events_of_task', pick, values: [task ?? null, grant ?? null, type ?? null] };
  }
  if (type !== undefined) {
    const pick = `found as materialized (select leaf from events where leaf >= $1 and leaf < $1::bigint + ${WINDOW} and type = $3), ${first}`;
    return { name: 'events_of_type', pick, values: [type], window: WINDOW };
  }
  const pick = 'first as (select leaf, body from events where leaf >= $1 order by leaf limit $2)';
  return { name: 'events', pick, values: [] };
}
