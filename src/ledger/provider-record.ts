import type { GrantId, MintId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

export interface EndedRow {
  readonly mint: MintId;
  readonly grant: GrantId;
  readonly request: JsonObject;
  readonly handle: JsonObject | null;
  readonly endsAt: Date;
  readonly openedAt: Date;
  readonly mintedBefore: Date;
  readonly grantGoesOn: boolean;
  readonly confirmed: boolean;
}

/** What providers ask the ledger about their own mints: it is read, and nothing is changed. */
export function makeProviderRecord(connection: Connection) {
  return (provider: string) => ({
    /** By index of what ended before its time: history does not make it slower. Both are read at one instant. */
    async endedEarly(members?: readonly string[]): Promise<{ at: Date; mints: readonly EndedRow[] }> {
      const sql = `with now as (select clock_timestamp() as at)
        select at, mint, "grant", request, handle, "endsAt", "openedAt", "mintedBefore", "grantGoesOn", confirmed from now left join lateral (
          select m.id as mint, m.grant_id as "grant", m.handle, m.ends_at as "endsAt", m.opened_at as "openedAt",
            case when $2::text[] is null then m.request
              else (select coalesce(jsonb_object_agg(name, m.request -> name), '{}') from unnest($2::text[]) as name where m.request ? name) end as request,
            coalesce(m.activated_at, m.deadline) as "mintedBefore", g.state in ('issuing', 'active') as "grantGoesOn", m.state = 'ended' as confirmed
          from mints m join grants g on g.id = m.grant_id
          where m.provider = $1 and m.ends_at > now.at and m.state in ('ending', 'ended') and m.outcome is distinct from 'absent'
          order by m.opened_at, m.id) as ended on true`;
      type Row = { at: Date } & (EndedRow | { mint: null });
      const rows = await connection.call<Row>('ended_early', sql, [provider, members ?? null]);
      return { at: rows[0]?.at ?? new Date(0), mints: rows.flatMap((row) => (row.mint === null ? [] : [row])) };
    },

    /** Whether or not something of a grant lives at the moment: the next mint of one that goes on may be of an old session. */
    async livingBy(member: string): Promise<ReadonlyMap<string, { grants: number; since: Date }>> {
      const sql = `select m.request ->> $2 as value, count(distinct g.id)::integer as grants, min(g.opened_at) as since
        from grants g join mints m on m.grant_id = g.id
        where g.provider = $1 and g.state in ('issuing', 'active') and g.expires_at > clock_timestamp() and m.request ? $2 group by 1`;
      type Row = { value: string; grants: number; since: Date };
      const rows = await connection.call<Row>('living_by', sql, [provider, member]);
      return new Map(rows.map(({ value, grants, since }) => [value, { grants, since }]));
    },
  });
}
