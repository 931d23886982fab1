import type { Json } from '../domain/json.ts';
import { textOrNull } from './event.ts';
import type { Expected } from './row.ts';

/** Tables whose rows are written whole by one event. Grants and approvals have lives of their own. */
export const TABLES = [
  'decisions',
  'tasks',
  'call_outcomes',
  'orders',
  'exceptions',
  'generations',
  'signing_keys',
  'legal_holds',
  'archive_requests',
  'event_archives',
] as const;
export type TableName = (typeof TABLES)[number];

/** What an event says of a row: all that it was made with, or a later step of it. */
export interface Statement {
  readonly table: TableName;
  readonly id: string;
  readonly expected: Expected;
  /** This event made the row. */
  readonly made: boolean;
}

export function made(table: TableName, id: Json | undefined, expected: Expected): Statement | undefined {
  return statement(table, id, expected, true);
}

export function step(table: TableName, id: Json | undefined, expected: Expected): Statement | undefined {
  return statement(table, id, expected, false);
}

function statement(table: TableName, id: Json | undefined, expected: Expected, isMade: boolean): Statement | undefined {
  const key = textOrNull(id);
  return key === null ? undefined : { table, id: key, expected, made: isMade };
}
