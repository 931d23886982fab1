import pg from 'pg';
import type { ApprovalId } from '../../src/domain/ids.ts';
import type { OpenedGrant, World } from './world.ts';

/** Copies a live grant, and an approval that was answered, so many times, past the triggers, to other workloads; its task stays shared. */
export async function fillWithCopies(
  world: World,
  of: OpenedGrant,
  copies: number,
  answered?: ApprovalId,
): Promise<void> {
  const client = new pg.Client({ connectionString: world.database.url });
  await client.connect();
  const copy = async (table: string, id: string, changed: Readonly<Record<string, string>>) => {
    const sql = `select column_name as name from information_schema.columns where table_name = $1 and table_schema = 'public'`;
    const { rows } = await client.query<{ name: string }>(sql, [table]);
    const columns = rows.map(({ name }) => name);
    const values = columns.map((name) => changed[name] ?? name);
    await client.query(
      `insert into ${table} (${columns.join(', ')}) select ${values.join(', ')} from ${table}, generate_series(1, ${copies}) as n where id = $1`,
      [id],
    );
  };
  try {
    await client.query('set session_replication_role = replica'); // without triggers and foreign keys
    // nothing may read these tables but what is measured
    for (const table of ['grants', 'mints', 'approvals'])
      await client.query(`alter table ${table} set (autovacuum_enabled = false)`);
    await copy('grants', of.grant, { id: `'g' || lpad(n::text, 12, '0')`, subject: `'agent/' || n % 1000` });
    await copy('mints', of.mint, { id: `'m' || lpad(n::text, 21, '0')`, grant_id: `'g' || lpad(n::text, 12, '0')` });
    if (answered) await copy('approvals', answered, { id: `'a' || n`, decision_id: `'d' || n`, kind: `'call'` });
  } finally {
    await client.end();
  }
}
