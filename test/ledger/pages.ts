import { makeLedger } from '../../src/ledger/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { until } from '../support/waiting.ts';
import type { World } from './world.ts';

/** Pages of tables and indexes that a process of its own touches: it starts, does this, and goes. */
export async function pagesOf(world: World, work: (ledger: Ledger) => Promise<void>): Promise<number> {
  const [before, connections] = [await pagesSoFar(world), await brokerConnections(world)];
  const ledger = makeLedger({ url: world.database.brokerUrl, poolSize: 2 });
  try {
    await work(ledger);
  } finally {
    await ledger.close();
  }
  // a connection's counts are told when it goes, at the latest
  await until(async () => (await brokerConnections(world)) <= connections);
  return (await pagesSoFar(world)) - before;
}

async function brokerConnections(world: World): Promise<number> {
  const sql = `select pid from pg_stat_activity where datname = current_database() and application_name = 'writ'`;
  return (await world.sql(sql)).length;
}

async function pagesSoFar(world: World): Promise<number> {
  const sql = `select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::integer as n from pg_statio_user_tables`;
  return (await world.sql<{ n: number }>(sql))[0]?.n ?? NaN;
}
