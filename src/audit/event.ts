import type { Json, JsonObject } from '../domain/json.ts';
import { isJsonObject } from '../domain/json.ts';

/** An event as its row has it. `leaf` is null while it is not sealed. */
export interface EventRow {
  readonly leaf: number | null;
  readonly seq: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly type: string;
  readonly task: string | null;
  readonly grant: string | null;
  readonly body: string;
}

/** What a body says; the rest of the row is held against it. */
export interface Event {
  readonly type: string;
  readonly seq: number;
  /** RFC 3339 with six digits: as text, later is greater. */
  readonly at: string;
  readonly grant: string | null;
  readonly task: string | null;
  readonly body: JsonObject;
  readonly facts: JsonObject;
}

/** Undefined for what is no event. */
export function readEvent(text: string): Event | undefined {
  const body = parse(text);
  if (!isJsonObject(body)) return undefined;
  const { type, seq, at, facts, grant = null, task = null } = body;
  if (typeof type !== 'string' || typeof seq !== 'number' || typeof at !== 'string' || !isJsonObject(facts))
    return undefined;
  return { type, seq, at, grant: textOrNull(grant), task: textOrNull(task), body, facts };
}

/** The names of the columns that say something else than the body. */
export function columnsThatDiffer(row: EventRow, event: Event): string[] {
  const found: string[] = [];
  if (Number(row.seq) !== event.seq) found.push('seq');
  if (!isSameTime(row.at, event.at)) found.push('at');
  if (row.type !== event.type) found.push('type');
  if (row.task !== event.task) found.push('task_id');
  if (row.grant !== event.grant) found.push('grant_id');
  return found;
}

/** Asked of every event: most often one slice beside another will do. */
function isSameTime(column: string, body: string): boolean {
  const whole = column.length === FULL.length && column.endsWith('+00');
  if (whole && column.slice(11, 26) === body.slice(11, 26) && column.slice(0, 10) === body.slice(0, 10)) return true;
  return instantOf(column) === body;
}
const FULL = '2026-11-25 16:25:31.123456+00';

/** A time of the database in UTC as the bodies of events have them; what is no such time stays as it is. */
export function instantOf(text: string): string {
  const [, date, time, fraction = ''] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|[+]00(?::00)?)$/.exec(text) ?? [];
  return date === undefined || time === undefined ? text : `${date}T${time}.${fraction.padEnd(6, '0')}Z`;
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

export function textOrNull(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
