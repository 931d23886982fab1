import { makeLeafReader } from './archive-file.ts';
import type { ArchiveFile } from './archive-file.ts';
import type { LogSource } from './check-log.ts';
import type { TableRows } from './check-tables.ts';
import { readEvent } from './event.ts';
import type { Event, EventRow } from './event.ts';
import { statementOf } from './rows.ts';

/** A ledger, with the months that were put away where they were. Files are read along, and again only where something does not fit. */
export function withArchives<Source extends LogSource & TableRows>(
  source: Source,
  files: readonly ArchiveFile[],
): Source {
  if (files.length === 0) return source;
  const readers = files.map(makeLeafReader);

  async function* everyEvent(): AsyncGenerator<{ leaf: number; body: string; event: Event }> {
    for (const file of files) {
      for await (const part of file.events()) {
        for (const line of part) {
          const event = line && readEvent(line.body);
          if (event) yield { ...line, event };
        }
      }
    }
  }

  return {
    ...source,

    async events(first, end) {
      const rows = [...(await source.events(first, end))];
      const there = new Set(rows.map(({ leaf }) => leaf));
      for (const read of readers) {
        for (const { leaf, body } of await read(first, end))
          if (!there.has(leaf)) rows.push(rowOf(leaf, body, readEvent(body)));
      }
      return rows.sort((one, other) => (one.leaf ?? 0) - (other.leaf ?? 0));
    },

    async eventsOfGrants(grants) {
      const wanted = new Map(grants.map((grant) => [grant, [] as EventRow[]]));
      for await (const { leaf, body, event } of everyEvent()) {
        if (event.grant !== null) wanted.get(event.grant)?.push(rowOf(leaf, body, event));
      }
      for (const [grant, rows] of await source.eventsOfGrants(grants)) wanted.get(grant)?.push(...rows);
      for (const rows of wanted.values()) rows.sort((one, other) => Number(one.seq) - Number(other.seq));
      return wanted;
    },

    async withoutEvent(table, outside, step, elsewhere = []) {
      const known = [...elsewhere];
      for await (const { event } of everyEvent()) {
        const made = madeBy(event);
        if (made?.table === table && (step ? event.type === step.type : made.isMade)) known.push(made.id);
      }
      return source.withoutEvent(table, outside, step, known);
    },
  };
}

function madeBy(event: Event): { readonly table: string; readonly id: string; readonly isMade: boolean } | undefined {
  const statement = statementOf(event);
  if (statement) return { table: statement.table, id: statement.id, isMade: statement.made };
  const approval = event.facts['approval'];
  if (event.type === 'approval.requested' && typeof approval === 'string')
    return { table: 'approvals', id: approval, isMade: true };
  const begins = event.type === 'grant.opened' || event.type === 'grant.requested';
  return begins && event.grant !== null ? { table: 'grants', id: event.grant, isMade: true } : undefined;
}

/** The columns are what its text says: there are no others any more. */
function rowOf(leaf: number, body: string, event: Event | undefined): EventRow {
  const { seq = 0, at = '', type = '', task = null, grant = null } = event ?? {};
  return { leaf, seq: String(seq), at, type, task, grant, body };
}
