import type { TaskMode } from '../domain/task.ts';
import type { Connection } from './connection.ts';
import type { TaskRow } from './tasks.ts';

export interface TaskFilter {
  readonly state?: 'open' | 'ended' | undefined;
  /** With `agent`, one workload and no other of that name. */
  readonly trust?: string | undefined;
  readonly agent?: string | undefined;
  /** Itself, and all below it. */
  readonly task?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  /** That it reaches. */
  readonly environment?: string | undefined;
  readonly mode?: TaskMode | undefined;
  /** Only what reaches nothing beyond one of these sets of environments. */
  readonly within?: readonly (readonly string[])[] | undefined;
}

const REACHED = 'coalesce(environments, jsonb_build_array(environment))';
const OF_LAST = (last: string) => `(select created_at from tasks where id = ${last})`;

/** What each asks for; `value` is the place of its value. */
const CONDITIONS: Readonly<Record<keyof TaskFilter | 'after', (value: string) => string>> = {
  state: (value) => `state = ${value}`,
  trust: (value) => `trust = ${value}`,
  agent: (value) => `subject = ${value}`,
  // as an array they are found by their ids; as a set they would be taken for too many, and all tasks be read
  task: (value) => `id = any (array(select descendants(${value})))`,
  onBehalfOf: (value) => `on_behalf_of = ${value}`,
  environment: (value) => `${REACHED} @> to_jsonb(${value}::text)`,
  mode: (value) => `mode = ${value}`,
  within: (value) => `exists (select from jsonb_array_elements(${value}) as sets (names) where ${REACHED} <@ names)`,
  // by the first half the index is entered; two may be made in one instant
  after: (value) => `created_at <= ${OF_LAST(value)} and (created_at < ${OF_LAST(value)} or id > ${value})`,
};

/**
 * Tasks that were made beforehand or handed on, newest first, from behind the task `after`. Each set of filters is a statement of its
 * own, planned with the conditions that it has and no others.
 */
export function makeTaskList(connection: Connection) {
  return async function list(filter: TaskFilter, limit: number, after?: string): Promise<TaskRow[]> {
    const { within, ...others } = filter;
    const asked = { ...others, within: within && JSON.stringify(within), after };
    const names = (Object.keys(asked) as (keyof typeof asked)[]).filter((name) => asked[name] !== undefined);
    const conditions = names.map((name, index) => ` and ${CONDITIONS[name](`$${index + 2}`)}`);
    const sql = `select id from tasks where not implicit${conditions.join('')} order by created_at desc, id limit $1`;
    const found = await connection.call<{ id: string }>(`list_tasks ${names.join()}`, sql, [
      limit,
      ...names.map((name) => asked[name]),
    ]);
    const rows = await connection.prisma((client) =>
      client.task.findMany({ where: { id: { in: found.map(({ id }) => id) } } }),
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return found.flatMap(({ id }) => byId.get(id) ?? []);
  };
}
