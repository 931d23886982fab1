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
}

/** What providers ask the ledger about their own mints: it is read, and nothing is changed. */
export function makeProviderRecord(connection: Connection) {
  return (provider: string) => ({
    /** By index of what ended before its time: history does not make it slower. Both are read at one instant. */
    async endedEarly(): Promise<{ at: Date; mints: readonly EndedRow[] }> {
      const sql = `with now as (select clock_timestamp() as at)
        select at, mint, "grant", request, handle, "endsAt", "openedAt", "mintedBefore", "grantGoesOn" from now left join lateral (
          select m.id as mint, m.grant_id as "grant", m.request, m.handle, m.ends_at as "endsAt", m.opened_at as "openedAt",
            coalesce(m.activated_at, m.deadline) as "mintedBefore", g.state in ('issuing', 'active') as "grantGoesOn"
          from mints m join grants g on g.id = m.grant_id
          where m.provider = $1 and m.ends_at > now.at and m.state in ('ending', 'ended') and m.outcome is distinct from 'absent'
          order by m.opened_at, m.id) as ended on true`;
      const rows = await connection.call<{ at: Date } & (EndedRow | { mint: null })>('ended_early', sql, [provider]);
      return { at: rows[0]?.at ?? new Date(0), mints: rows.flatMap((row) => (row.mint === null ? [] : [row])) };
    },

    async livingBy(member: string): Promise<ReadonlyMap<string, number>> {
      const sql = `select request ->> $2 as value, count(*)::integer as n from mints
        where provider = $1 and state in ('intent', 'live') and ends_at > clock_timestamp() and request ? $2 group by 1`;
      const rows = await connection.call<{ value: string; n: number }>('living_by', sql, [provider, member]);
      return new Map(rows.map(({ value, n }) => [value, n]));
    },
  });
}
