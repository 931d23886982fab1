import type { TaskId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

/** A task of a timeline: the one that was asked for, or one that hangs below it. */
export interface HopRow {
  readonly id: string;
  readonly parent: string | null;
  /** How far below the one that was asked for. */
  readonly depth: number;
  readonly trust: string;
  readonly subject: string;
  readonly onBehalfOf: string | null;
  readonly purpose: string;
  readonly mode: string;
  readonly environment: string;
  /** Everything that it reaches. */
  readonly environments: readonly string[];
  readonly state: string;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  readonly endedWhy: string | null;
}

export interface TimelineEvent {
  /** Null: committed, and not sealed yet. */
  readonly leaf: number | null;
  readonly seq: string;
  readonly body: string;
}

/** What a decision was made of: by its id, with the text of its rules by their hash. */
export interface DecidedRow {
  readonly id: string;
  readonly generation: string;
  readonly rulesHash: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly policies: readonly string[];
  readonly controls: readonly string[];
}

export interface CredentialRow {
  readonly grant: string;
  readonly mint: string;
  readonly kind: string;
  readonly provider: string;
  readonly profile: string;
  readonly state: string;
  readonly handle: JsonObject | null;
  readonly openedAt: Date;
  readonly endsAt: Date;
  readonly endedAt: Date | null;
}

export interface OrderOfTimeline {
  readonly id: string;
  readonly kind: string;
  readonly value: string;
  readonly reason: string;
  readonly author: JsonObject;
  readonly blocks: boolean;
  readonly createdAt: Date;
  readonly liftedAt: Date | null;
}

/** Everything about a task and what hangs below it, as it was written. */
export function makeTimelineReads(connection: Connection) {
  return {
    /** The task and all below it, from the top down, up to `limit`; none where there is no such task. */
    hops: (task: TaskId, limit: number): Promise<HopRow[]> => {
      const sql = `with recursive below (id, depth) as (
          select id, 0 from tasks where id = $1
          union all select t.id, b.depth + 1 from below b join tasks t on t.parent_id = b.id)
        select t.id, t.parent_id as parent, b.depth, t.trust, t.subject, t.on_behalf_of as "onBehalfOf", t.purpose, t.mode, t.environment,
          coalesce(t.environments, jsonb_build_array(t.environment)) as environments, t.state, t.created_at as "createdAt", t.ended_at as "endedAt", t.ended_why as "endedWhy"
        from below b join tasks t using (id) order by t.created_at, t.id limit $2`;
      return connection.call<HopRow>('timeline_hops', sql, [task, limit]);
    },

    /** Their events by number, behind `after`: sealed or not. */
    events: (tasks: readonly string[], after: string, limit: number): Promise<TimelineEvent[]> => {
      const sql = `select leaf::float8 as leaf, seq::text, body from events where task_id = any ($1) and events.seq > $2::bigint order by events.seq limit $3`;
      return connection.call<TimelineEvent>('timeline_events', sql, [tasks, after, limit]);
    },

    orders: (ids: readonly string[]): Promise<OrderOfTimeline[]> => {
      const sql = `select id, kind, value, reason, author, blocks, created_at as "createdAt", lifted_at as "liftedAt" from orders where id = any ($1) order by created_at`;
      return connection.call<OrderOfTimeline>('timeline_orders', sql, [ids]);
    },

    decisions: (ids: readonly string[]): Promise<DecidedRow[]> => {
      const sql = `select id, generation::text, rules_hash as "rulesHash", outcome, code, policies, controls from decisions where id = any ($1)`;
      return connection.call<DecidedRow>('timeline_decisions', sql, [ids]);
    },

    ruleTexts: (hashes: readonly string[]): Promise<{ readonly hash: string; readonly body: string }[]> =>
      connection.call('rule_texts', 'select hash, body from rule_texts where hash = any ($1)', [hashes]),

    credentials: (tasks: readonly string[], limit: number): Promise<CredentialRow[]> => {
      const sql = `select g.id as "grant", m.id as mint, m.kind, m.provider, g.profile, m.state, m.handle, m.opened_at as "openedAt", m.ends_at as "endsAt",
          m.ended_at as "endedAt" from grants g join mints m on m.grant_id = g.id where g.task_id = any ($1) order by m.opened_at, m.id limit $2`;
      return connection.call<CredentialRow>('timeline_credentials', sql, [tasks, limit]);
    },
  };
}
