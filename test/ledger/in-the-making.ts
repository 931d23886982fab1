import pg from 'pg';
import type { JsonObject } from '../../src/domain/json.ts';
import { isOpen, until } from '../support/waiting.ts';
import type { World } from './world.ts';

/** A second connection, for what is written and not yet committed while others wait for its locks. */
export interface InTheMaking {
  /** Calls a transition of the ledger in a transaction that stays open. */
  begin(transition: string, argument: JsonObject): Promise<void>;
  commit(): Promise<void>;
  /** Also where nothing was begun. */
  rollback(): Promise<void>;
  /** Until the call waits for a lock, or is over. */
  waitedFor(call: Promise<unknown>): Promise<void>;
  close(): Promise<void>;
}

export async function openInTheMaking({ database, sql }: Pick<World, 'database' | 'sql'>): Promise<InTheMaking> {
  const other = new pg.Client({ connectionString: database.brokerUrl });
  await other.connect();
  const waiting = `select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())`;
  const run = async (statement: string) => {
    await other.query(statement);
  };
  return {
    async begin(transition, argument) {
      await other.query('begin');
      await other.query(`select ${transition}($1)`, [JSON.stringify(argument)]);
    },
    commit: () => run('commit'),
    rollback: () => run('rollback'),
    waitedFor: (call) => until(async () => !(await isOpen(call)) || (await sql(waiting)).length === 1),
    close: () => other.end(),
  };
}
