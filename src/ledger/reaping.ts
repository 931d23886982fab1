import type { EndReason } from '../domain/grant.ts';
import type { GrantId, MintId, OrderId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

/** A mint that this process, for the length of its lease, is alone to end. Every later write names the epoch. */
export interface Claim {
  readonly mint: MintId;
  readonly grant: GrantId;
  readonly epoch: number;
  readonly provider: string;
  readonly request: JsonObject;
  readonly handle: JsonObject | null;
  readonly endsAt: Date;
  readonly attempts: number;
  readonly why: EndReason;
}

/** What there is to do at one moment, as far as can be seen from outside: somebody may be at it already. */
export interface Due {
  /** Grants, mints or tasks have come to their end. */
  readonly ends: boolean;
  /** Orders cover what has not been moved yet. */
  readonly orders: boolean;
  /** Providers with mints to end now, and with mints to clear away after; of those that were named. */
  readonly toEnd: readonly string[];
  readonly toClean: readonly string[];
}

export interface CleanupClaim {
  readonly mint: MintId;
  readonly grant: GrantId;
  readonly request: JsonObject;
  readonly endsAt: Date;
  readonly tries: number;
}

/** A claim as the functions write it. */
export interface ClaimRow extends Omit<Claim, 'endsAt'> {
  readonly ends_at: string;
}

export function toClaim({ ends_at, ...claim }: ClaimRow): Claim {
  return { ...claim, endsAt: new Date(ends_at) };
}

const DUE = `select
  exists (select from grants where state = 'active' and expires_at <= now())
    or exists (select from mints where state in ('intent', 'live') and due_at <= now())
    or exists (select from tasks where state = 'open' and ends_at <= now())
    or exists (select from tasks where state = 'ended' and swept_at is null) as ends,
  exists (select from orders where swept_at is null) as orders,
  array(select one from unnest($1::text[]) one
    where exists (select from mints where state = 'ending' and provider = one and due_at <= now())) as "toEnd",
  array(select one from unnest($1::text[]) one
    where exists (select from mints where provider = one and cleanup_due_at <= now())) as "toClean"`;

/** What the reaper does, and whoever ends a mint in its place. Each is one call; `false` means that the claim was lost. */
export function makeReaping(connection: Connection) {
  const flag = (name: string, argument: object) => connection.transition<boolean>(name, argument);
  return {
    /** A few looks into indexes, in one call, so that nobody has to ask for work that is not there. */
    async due(providers: readonly string[]): Promise<Due> {
      const rows = await connection.call<Due>('due', DUE, [[...providers]]);
      return rows[0] ?? { ends: false, orders: false, toEnd: [], toClean: [] };
    },

    /** Moves everything whose time has come to `ending`; answers how many. */
    async advanceDue(batch: number): Promise<number> {
      const rows = await connection.call<{ moved: number }>('advance_due', 'select advance_due($1) as moved', [batch]);
      return rows[0]?.moved ?? 0;
    },

    async claim(
      by: ({ provider: string } | { grant: GrantId }) & { owner: string; limit: number; lease_seconds: number },
    ): Promise<Claim[]> {
      const rows = await connection.call<{ claim: ClaimRow }>('claim_mints', 'select claim_mints($1) as claim', [
        JSON.stringify(by),
      ]);
      return rows.map(({ claim }) => toClaim(claim));
    },

    /** Of mints whose provider is none of these, once they have waited for it: see `claim_unserved`. */
    async claimUnserved(by: {
      readonly providers: readonly string[];
      readonly overdue_seconds: number;
      readonly owner: string;
      readonly limit: number;
      readonly lease_seconds: number;
    }): Promise<Claim[]> {
      const sql = 'select claim_unserved($1) as claim';
      const rows = await connection.call<{ claim: ClaimRow }>('claim_unserved', sql, [JSON.stringify(by)]);
      return rows.map(({ claim }) => toClaim(claim));
    },

    /** Whether somebody is at an end of this grant, or one is due: not where it has failed or needs time, and comes round later. */
    async isBeingEnded(grant: GrantId): Promise<boolean> {
      const sql = `select exists (select from mints where grant_id = $1 and state not in ('intent', 'live', 'ended')
        and (claimed_by is not null or due_at <= clock_timestamp())) as "isBeingEnded"`;
      const rows = await connection.call<{ isBeingEnded: boolean }>('is_being_ended', sql, [grant]);
      return rows[0]?.isBeingEnded ?? false;
    },

    noteHandle: (mint: MintId, epoch: number, handle: JsonObject) => flag('note_handle', { mint, epoch, handle }),

    close: (mint: MintId, epoch: number, outcome: 'ended' | 'absent' | 'lapsed', cleanup: boolean) =>
      flag('close_mint', { mint, epoch, outcome, cleanup }),

    defer: (mint: MintId, epoch: number, until: Date) =>
      flag('defer_mint', { mint, epoch, until: until.toISOString() }),

    retry: (mint: MintId, epoch: number, error: string, delaySeconds: number, stuckAfter: number) =>
      flag('retry_mint', { mint, epoch, error, delay_seconds: delaySeconds, stuck_after: stuckAfter }),

    async claimCleanups(provider: string, limit: number, leaseSeconds: number): Promise<CleanupClaim[]> {
      const argument = JSON.stringify({ provider, limit, lease_seconds: leaseSeconds });
      const rows = await connection.call<{ claim: Omit<CleanupClaim, 'endsAt'> & { ends_at: string } }>(
        'claim_cleanups',
        'select claim_cleanups($1) as claim',
        [argument],
      );
      return rows.map(({ claim: { ends_at, ...claim } }) => ({ ...claim, endsAt: new Date(ends_at) }));
    },

    /** Done, or to be tried again at `until`. */
    async finishCleanup(mint: MintId, until?: Date): Promise<void> {
      await connection.transition('finish_cleanup', { mint, until: until?.toISOString() ?? null });
    },

    async unsweptOrders(): Promise<OrderId[]> {
      const rows = await connection.call<{ id: OrderId }>(
        'unswept_orders',
        'select id from orders where swept_at is null order by created_at',
        [],
      );
      return rows.map((row) => row.id);
    },

    /** Ends a batch of what an order covers. `done` when nothing that it covers is left. */
    async sweep(order: OrderId, batch: number): Promise<{ moved: number; done: boolean }> {
      const rows = await connection.call<{ answer: { moved: number; done: boolean } }>(
        'sweep_order',
        'select sweep_order($1, $2) as answer',
        [order, batch],
      );
      return rows[0]?.answer ?? { moved: 0, done: false };
    },

    /** How long the longest waiting mint is due; 0 when none is. */
    async overdueSeconds(): Promise<number> {
      const sql = `select coalesce(greatest(extract(epoch from clock_timestamp() - least(
        (select min(due_at) from mints where state in ('intent', 'live')),
        (select min(due_at) from mints where state = 'ending'))), 0), 0)::double precision as seconds`;
      const rows = await connection.call<{ seconds: number }>('overdue', sql, []);
      return rows[0]?.seconds ?? 0;
    },

    /** Makes event partitions ahead and forgets idempotency keys older than a day. */
    async housekeep(): Promise<void> {
      await connection.call('ensure_event_partitions', 'select ensure_event_partitions(3)', []);
      const old = `delete from idempotency_keys where created_at < now() - interval '1 day'`;
      await connection.call('forget_idempotency_keys', old, []);
    },

    async recordRefusals(counts: Readonly<Record<string, number>>, since: Date): Promise<void> {
      await connection.call('record_refusals', 'select record_refusals($1, $2)', [JSON.stringify(counts), since]);
    },

    /** Of the mints that a provider still shows: has those cleared away again that are ended. Answers which the ledger knows. */
    async cleanAgain(mints: readonly MintId[]): Promise<ReadonlySet<MintId>> {
      if (mints.length === 0) return new Set();
      const again = `update mints set cleanup_due_at = clock_timestamp() where id = any($1) and state = 'ended' and cleanup_due_at is null`;
      await connection.call('clean_again', again, [[...mints]]);
      const rows = await connection.call<{ id: MintId }>('known_mints', 'select id from mints where id = any($1)', [
        [...mints],
      ]);
      return new Set(rows.map((row) => row.id));
    },
  };
}
