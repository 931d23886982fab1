import type { Unseen } from './archived.ts';
import type { TableRows } from './check-tables.ts';
import type { Findings } from './findings.ts';
import { STEPS_OF_ROWS } from './rows.ts';
import { TABLES } from './statement.ts';
import type { TableName } from './statement.ts';

export type AnyTable = TableName | 'grants' | 'approvals';

export const NAMES: Readonly<Record<AnyTable, string>> = {
  decisions: 'decision',
  tasks: 'task',
  call_outcomes: 'outcome',
  orders: 'order',
  exceptions: 'exception',
  generations: 'generation',
  signing_keys: 'key',
  legal_holds: 'hold',
  archive_requests: 'archive request',
  event_archives: 'archive',
  grants: 'grant',
  approvals: 'approval',
};

/**
 * Every row has the event that made it, and every step that a row keeps its own: as many rows as events, and where there are more, which
 * they are. Rows of months that cannot be seen are left out, and told as that.
 */
export function makeMadeCounts(source: TableRows, unseen: Unseen, findings: Findings) {
  const counts = new Map<string, number>();
  /** Whose numbers cannot be compared: an event of it is at the edge of what cannot be seen. */
  const atEdge = new Set<string>();

  /** Of what was put away nothing is left out by its time: which of them have an event that cannot be seen is known. */
  const timesOf = (table: AnyTable) => (table === 'event_archives' ? '{}' : unseen.times);
  const knownOf = (table: AnyTable) => (table === 'event_archives' ? unseen.untold : []);

  async function isMore(what: string, rows: Promise<number>, known = 0): Promise<boolean> {
    return (await rows) > (counts.get(what) ?? 0) + known || atEdge.has(what);
  }

  return {
    /** An event has made a row of that table, or has taken a step of that type. */
    count(what: string, at: string): void {
      const zone = what === 'event_archives' ? 'out' : unseen.zoneOf(at);
      if (zone !== 'in') counts.set(what, (counts.get(what) ?? 0) + 1);
      if (zone === 'edge') atEdge.add(what);
    },

    async compare(): Promise<void> {
      for (const table of [...TABLES, 'grants', 'approvals'] as const) {
        const [times, known] = [timesOf(table), knownOf(table)];
        if (!(await isMore(table, source.count(table, times), known.length))) continue;
        for (const id of await source.withoutEvent(table, times, undefined, known)) {
          findings.add('row_without_event', `${NAMES[table]} ${id}`, 'there is a row and no event that made it');
        }
      }
      for (const [type, { table, taken, at }] of Object.entries(STEPS_OF_ROWS)) {
        const step = { type, taken, at };
        if (!(await isMore(type, source.count(table, unseen.times, step)))) continue;
        for (const id of await source.withoutEvent(table, unseen.times, step)) {
          findings.add('row_without_event', `${NAMES[table]} ${id}`, `its row says what no event ${type} does`);
        }
      }
    },

    /** How many rows, and steps of rows, rest on events that cannot be seen. */
    async resting(): Promise<number> {
      let rows = unseen.untold.length;
      if (unseen.times === '{}') return rows;
      for (const table of [...TABLES, 'grants', 'approvals'] as const) {
        rows += (await source.count(table, '{}')) - (await source.count(table, timesOf(table)));
      }
      for (const [type, { table, taken, at }] of Object.entries(STEPS_OF_ROWS)) {
        const step = { type, taken, at };
        rows += (await source.count(table, '{}', step)) - (await source.count(table, unseen.times, step));
      }
      return rows;
    },
  };
}
