import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

/** So many leaves are counted by one statement: well within its time, whatever the log's size. */
export const COUNT_WINDOW = 40_000;
const USAGE_WINDOW = 5_000;

export interface EventCount {
  readonly type: string;
  readonly success: boolean;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly count: number;
  /** Leaves of the first and the last of them. */
  readonly first: number;
  readonly last: number;
}

/** How often a policy was among those that decided, by the rules that it stands in. */
export interface PolicyCount {
  readonly rules: string;
  readonly policy: string;
  readonly outcome: string;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

export interface UsageRow {
  readonly trust: string;
  readonly subject: string;
  readonly profile: string;
  readonly grants: number;
  /** Of these, grants under which a call was allowed. */
  readonly called: number;
  /** Of these, grants that were renewed. */
  readonly renewed: number;
  readonly calls: number;
  readonly grantedSeconds: number;
}

export interface GenerationInForce {
  readonly number: number;
  readonly hash: string;
  readonly author: JsonObject;
  readonly activatedAt: Date;
  readonly body: string;
}

export interface Span {
  readonly from: Date | null;
  readonly to: Date | null;
}

const IN_SPAN = `at >= coalesce($3::timestamptz, '-infinity') and at < coalesce($4::timestamptz, 'infinity')`;

/** What an evidence pack counts. Each statement reads a bounded part; whoever asks goes through all of them. */
export function makeEvidenceCounts(connection: Connection) {
  return {
    /** Of the sealed events with leaves from `first` to below `end`, which are at most `COUNT_WINDOW`. */
    async window(
      first: number,
      end: number,
      { from, to }: Span,
    ): Promise<{ events: EventCount[]; policies: PolicyCount[] }> {
      const sql = `with told as materialized (select leaf, type, body::jsonb as b from events where leaf >= $1 and leaf < $2 and ${IN_SPAN}),
        counted as (select type, (b -> 'success')::boolean as success, b #>> '{facts,outcome}' as outcome, b #>> '{facts,code}' as code,
            count(*)::float8 as count, min(leaf)::float8 as first, max(leaf)::float8 as last from told group by 1, 2, 3, 4),
        decided as (select b #>> '{facts,rules_hash}' as rules, policy, b #>> '{facts,outcome}' as outcome, count(*)::float8 as count,
            min(leaf)::float8 as first, max(leaf)::float8 as last
          from told, jsonb_array_elements_text(b #> '{facts,policies}') as policy where type in ('decision.made', 'call.decided') group by 1, 2, 3)
        select (select coalesce(jsonb_agg(counted), '[]') from counted) as events, (select coalesce(jsonb_agg(decided), '[]') from decided) as policies`;
      type Row = { events: EventCount[]; policies: PolicyCount[] };
      const rows = await connection.call<Row>('evidence_window', sql, [first, end, from, to]);
      return rows[0] ?? { events: [], policies: [] };
    },

    /** Texts of single leaves, in their order. */
    bodies: (leaves: readonly number[]): Promise<{ leaf: number; body: string }[]> =>
      connection.call(
        'evidence_bodies',
        'select leaf::float8 as leaf, body from events where leaf = any ($1::bigint[]) order by leaf',
        [leaves],
      ),

    /** Grants opened in the span, by workload and profile, a window at a time; `next` is where the one after goes on. */
    async usage(
      { from, to }: Span,
      after: UsageCursor | null,
    ): Promise<{ rows: UsageRow[]; next: UsageCursor | null }> {
      const sql = `with page as materialized (select id, task_id, trust, subject, profile, ttl_seconds, opened_at from grants
            where opened_at >= coalesce($1::timestamptz, '-infinity') and opened_at < coalesce($2::timestamptz, 'infinity') and issued_at is not null
              and ($3::text is null or (opened_at, id) > ($3::timestamptz, $4)) order by opened_at, id limit ${USAGE_WINDOW}),
          called as materialized (select grant_id, count(*) as calls from events
            where task_id in (select task_id from page) and type = 'call.decided' and grant_id is not null and (body::jsonb -> 'success')::boolean group by 1),
          used as (select p.*, coalesce(c.calls, 0) as calls,
            exists (select from mints m where m.grant_id = p.id and m.kind = 'renewal') as renewed from page p left join called c on c.grant_id = p.id)
        select coalesce((select jsonb_agg(r) from (select trust, subject, profile, count(*)::float8 as grants, count(*) filter (where calls > 0)::float8 as called,
            count(*) filter (where renewed)::float8 as renewed, sum(calls)::float8 as calls, sum(ttl_seconds)::float8 as "grantedSeconds"
            from used group by 1, 2, 3) r), '[]') as rows,
          (select jsonb_build_object('at', utc_text(opened_at), 'id', id) from page order by opened_at desc, id desc limit 1) as next,
          (select count(*) from page)::integer as n`;
      type Row = { rows: UsageRow[]; next: UsageCursor | null; n: number };
      const [row] = await connection.call<Row>('evidence_usage', sql, [from, to, after?.at ?? null, after?.id ?? null]);
      return { rows: row?.rows ?? [], next: row?.n === USAGE_WINDOW ? row.next : null };
    },

    /** The rules that decided at some time of the span, in their order, up to the newest `limit` of them. */
    async generations({ from, to }: Span, limit: number): Promise<GenerationInForce[]> {
      const sql = `select number::float8 as number, hash, author, activated_at as "activatedAt", body from (
          select *, lead(activated_at) over (order by number) as until from generations) g join rule_texts using (hash)
        where activated_at < coalesce($2::timestamptz, 'infinity') and (until is null or until > coalesce($1::timestamptz, '-infinity'))
        order by number desc limit $3`;
      const rows = await connection.call<GenerationInForce>('evidence_generations', sql, [from, to, limit]);
      return rows.reverse();
    },

    /** Exceptions that were asked for before the end of the span and had not ended before it began, newest first. */
    async exceptions({ from, to }: Span, limit: number): Promise<JsonObject[]> {
      const sql = `select to_jsonb(x) as row from exceptions x where created_at < coalesce($2::timestamptz, 'infinity')
          and least(ends_at, ended_at) >= coalesce($1::timestamptz, '-infinity') order by created_at desc, id limit $3`;
      const rows = await connection.call<{ row: JsonObject }>('evidence_exceptions', sql, [from, to, limit]);
      return rows.map(({ row }) => row);
    },
  };
}

/** To the microsecond, as the database writes it. */
export interface UsageCursor {
  readonly at: string;
  readonly id: string;
}
