import type { Actor } from '../domain/identity.ts';
import { connect } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';

export interface SinkEvent {
  readonly leaf: number;
  readonly task: string | null;
  readonly body: string;
  /** Something earlier of its task is among the dead letters. */
  readonly held: boolean;
}

export interface DeadLetter {
  readonly sink: string;
  readonly leaf: number;
  readonly task: string | null;
  readonly error: string;
  readonly at: Date;
  readonly replayAt: Date | null;
  /** How often in a row it was tried again and not answered, and when that is next; null: at once, once it is asked for. */
  readonly attempts: number;
  readonly dueAt: Date | null;
}

/** A dead letter that somebody asked to be tried again. */
export interface Replayable {
  readonly leaf: number;
  readonly body: string;
  readonly attempts: number;
}

export interface SinkState {
  readonly name: string;
  readonly position: number;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly deliveredAt: Date | null;
  readonly dead: number;
}

const MAX_BYTES = 4 * 1024 * 1024;

/** Cursors of sinks, and what they do not take. */
export function makeSinks(connection: Connection) {
  return {
    /** Undefined: another process has it, or it is not due. */
    async claim(claiming: {
      readonly sink: string;
      readonly owner: string;
      readonly from: 'start' | 'now';
      readonly lease_seconds: number;
    }): Promise<{ position: number; attempts: number } | undefined> {
      return (
        (await connection.transition<{ position: number; attempts: number } | null>('claim_sink', claiming)) ??
        undefined
      );
    },

    /** Sealed events from a position on, and the position behind them; so much text at most, and one event at least. */
    async next(
      sink: string,
      position: number,
      limit: number,
    ): Promise<{ events: SinkEvent[]; end: number; size: number }> {
      const sql = `with page as (select leaf, task_id, body, sum(octet_length(body)) over (order by leaf) - octet_length(body) as before
            from (select leaf, task_id, body from events where leaf >= $2 order by leaf limit $3) as first)
        select h.size::float8 as size, p.leaf::float8 as leaf, p.task_id as task, p.body,
            exists (select from dead_letters d where d.sink = $1 and d.task_id = p.task_id) as held
          from log_head h left join page p on p.before < ${MAX_BYTES} order by p.leaf`;
      type Row = { size: number; leaf: number | null; task: string | null; body: string; held: boolean };
      const rows = await connection.call<Row>('sink_events', sql, [sink, position, limit]);
      const events = rows.flatMap(({ leaf, task, body, held }) => (leaf === null ? [] : [{ leaf, task, body, held }]));
      const last = events.at(-1);
      const size = rows[0]?.size ?? 0;
      return { events, end: last ? last.leaf + 1 : Math.max(position, size), size };
    },

    /** False: the claim was lost, and nothing was changed. */
    settle: (settling: {
      readonly sink: string;
      readonly owner: string;
      readonly from: number;
      readonly to: number;
      readonly dead: readonly { readonly leaf: number; readonly task: string | null; readonly error: string }[];
      readonly error: string | null;
      readonly delay_seconds: number;
    }): Promise<boolean> => connection.transition<boolean>('settle_sink', settling),

    /** The first dead letter that somebody asked to be tried again, but for what waits for a pause, and all of the same task with it. */
    async replayable(sink: string): Promise<Replayable | undefined> {
      const sql = `select d.leaf::float8 as leaf, e.body, d.attempts from dead_letters d join events e on e.leaf = d.leaf
        where d.sink = $1 and d.replay_at is not null and (d.due_at is null or d.due_at <= now())
          and not exists (select from dead_letters b where b.sink = $1 and b.task_id = d.task_id and b.due_at > now())
        order by d.leaf limit 1`;
      return (await connection.call<Replayable>('replayable', sql, [sink]))[0];
    },

    /** What came of one that was tried again: no error: it was taken; with a delay: it was not answered, and waits for so long. */
    async settleDeadLetter(settling: {
      readonly sink: string;
      readonly leaf: number;
      readonly error: string | null;
      readonly delay_seconds?: number;
    }) {
      await connection.transition<null>('settle_dead_letter', settling);
    },

    /** By sink and leaf, from behind one. */
    deadLetters: (
      sink: string | null,
      after: { sink: string; leaf: number } | null,
      limit: number,
    ): Promise<DeadLetter[]> => {
      const sql = `select sink, leaf::float8 as leaf, task_id as task, error, at, replay_at as "replayAt", attempts, due_at as "dueAt"
          from dead_letters
        where ($1::text is null or sink = $1) and ($2::text is null or (sink, leaf) > ($2, $3::bigint)) order by sink, leaf limit $4`;
      return connection.call<DeadLetter>('dead_letters', sql, [sink, after?.sink ?? null, after?.leaf ?? 0, limit]);
    },

    /** @throws Refusal `not_found`. */
    async replay(replay: {
      readonly sink: string;
      readonly task: string | null;
      readonly reason: string;
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<{ count: number }> {
      return admit(await connection.transition<Answer & { count: number }>('replay_dead_letters', replay));
    },

    states: (): Promise<SinkState[]> => {
      const sql = `select name, position::float8 as position, attempts, last_error as "lastError", delivered_at as "deliveredAt",
          (select count(*) from dead_letters d where d.sink = s.name)::float8 as dead from sinks s order by name`;
      return connection.call<SinkState>('sink_states', sql, []);
    },
  };
}
export type Sinks = ReturnType<typeof makeSinks>;

/** For delivery: one connection of its own, so that issuing never waits for one that a sink has. */
export function openSinks(options: Omit<ConnectionOptions, 'poolSize'>) {
  const connection = connect({ ...options, poolSize: 1 });
  return { ...makeSinks(connection), close: () => connection.close() };
}
