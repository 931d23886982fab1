import type { Unseen } from './archived.ts';
import { makeTableCheck } from './check-tables.ts';
import type { TableRows } from './check-tables.ts';
import { columnsThatDiffer, readEvent } from './event.ts';
import type { EventRow } from './event.ts';
import { collectFindings } from './findings.ts';
import type { Finding } from './findings.ts';

/** Takes the events of a log, in its order: looks at each of them by itself, and holds the tables against them all. */
export interface EventTaker {
  /** Comes back when more may come: what was given before may still be looked at. */
  take(rows: readonly EventRow[]): Promise<void>;
  /** All events have been taken. */
  finish(): Promise<Taken>;
}

export interface Taken {
  readonly findings: readonly Finding[];
  readonly count: number;
  /** Rows that rest on events that cannot be seen. */
  readonly unchecked: number;
}

/** Sealed order and time differ by less. */
const DISORDER_MS = 60_000;

export function makeEventTaker(source: TableRows, unseen: Unseen): EventTaker {
  const findings = collectFindings();
  const tables = makeTableCheck(source, unseen, findings);
  let newest = '';

  function see(row: EventRow): void {
    const event = readEvent(row.body);
    const where = row.leaf === null ? `event ${row.seq}` : `leaf ${row.leaf}`;
    if (!event) {
      findings.add('event_altered', where, 'is no event');
      return;
    }
    const names = columnsThatDiffer(row, event);
    if (names.length > 0) findings.add('columns_differ', where, `${names.join(', ')} differ from the event’s own text`);
    if (event.at < newest && Date.parse(newest) - Date.parse(event.at) > DISORDER_MS) {
      const behind = row.leaf === null ? 'stands' : 'was sealed';
      findings.add('event_back_dated', where, `is of ${event.at} and ${behind} behind one of ${newest}`);
    } else if (event.at > newest) newest = event.at;
    tables.take(event);
  }

  return {
    async take(rows) {
      for (const row of rows) see(row);
      await tables.settle();
    },
    async finish() {
      const unchecked = await tables.finish();
      return { findings: findings.list(), count: findings.count(), unchecked };
    },
  };
}
