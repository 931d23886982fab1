import pg from 'pg';

/** Times stay as they are written: a `Date` would cut them short. */
const AS_TEXT = new pg.TypeOverrides();
AS_TEXT.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text: string) => text);

/** One read of a connection; rows as they come, times as texts. */
export type Read = ReturnType<typeof oneByOne>;

/** An event as its row has it. */
export interface EventRow {
  readonly leaf: number | null;
  readonly seq: string;
  readonly at: string;
  readonly type: string;
  readonly task: string | null;
  readonly grant: string | null;
  readonly body: string;
}

/** The columns of one. */
export const EVENT =
  'leaf::float8 as leaf, seq::text as seq, at::text as at, type, task_id as task, grant_id as grant, body';
/** No list of findings is longer. */
export const SOME = 1_000;

/** Asks a connection one thing after another, in the order in which it is asked. */
export function oneByOne(client: Pick<pg.ClientBase, 'query'>) {
  let last: Promise<unknown> = Promise.resolve();
  return async <Result>(name: string, text: string, values: readonly unknown[] = []): Promise<Result[]> => {
    const asked = last.then(() => client.query({ name, text, values: [...values], types: AS_TEXT }));
    last = asked.catch(() => undefined); // told by whoever asked
    return (await asked).rows as Result[];
  };
}
