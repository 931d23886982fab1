import { EVENT, SOME } from './verification-reads.ts';
import type { EventRow, Read } from './verification-reads.ts';
import { TABLES } from './verified-tables.ts';
import type { Row, RowTable, Step } from './verified-tables.ts';

const MINTS = `select grant_id, id, kind, provider, state, outcome, attempts, handle, opened_at, ends_at, activated_at, ended_at from mints
  where grant_id = any($1::text[])`;

/** What events are held against: rows, which of them were made when, and which no event has made. */
export function rowReads(look: Read) {
  return {
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
