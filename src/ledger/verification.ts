import pg from 'pg';
import { logReads } from './verification-log.ts';
import { oneByOne } from './verification-reads.ts';
import { rowReads } from './verification-rows.ts';

/**
 * The whole record at one moment, for whoever may read it and nothing else: transactions that only read. They hold nothing up,
 * neither issuing nor sealing. Two connections see the same: on one events are read, on the other what they are held against.
 */
export async function openVerification(url: string) {
  const reading = makeClient(url);
  const looking = makeClient(url);
  const clients = [reading, looking];
  const close = async () => {
    await Promise.all(clients.map((client) => client.end()));
  };
  try {
    for (const client of clients) await client.connect();
    await beginReading(reading);
    const exported = await reading.query<{ id: string }>('select pg_export_snapshot() as id');
    await beginReading(looking, exported.rows[0]?.id);
    return { ...verificationReads(reading, looking), snapshot: exported.rows[0]?.id ?? '', close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What the tables say at that same moment, on a connection of its own: for another thread, while the first stays open. */
export async function openSnapshot(url: string, snapshot: string) {
  const client = makeClient(url);
  try {
    await client.connect();
    await beginReading(client, snapshot);
  } catch (error) {
    await client.end();
    throw error;
  }
  return { ...verificationReads(client), close: () => client.end() };
}

function makeClient(url: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'writ verify',
  });
  client.on('error', () => undefined); // told by the query under way
  return client;
}

/** Puts a connection into a transaction that only reads, as of now or of a snapshot, with times in UTC. */
export async function beginReading(client: Pick<pg.ClientBase, 'query'>, snapshot?: string): Promise<void> {
  await client.query('begin transaction isolation level repeatable read, read only');
  if (snapshot !== undefined) await client.query(`set transaction snapshot '${snapshot}'`);
  await client.query(`select set_config(name, case name when 'TimeZone' then 'UTC' when 'DateStyle' then 'ISO' else '0' end, true) from pg_settings
    where name in ('TimeZone', 'DateStyle', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`);
}

/** What is read on connections that are in such a transaction already. */
export function verificationReads(
  reading: Pick<pg.ClientBase, 'query'>,
  looking: Pick<pg.ClientBase, 'query'> = reading,
) {
  const read = oneByOne(reading);
  const look = looking === reading ? read : oneByOne(looking);
  return { ...logReads(read), ...rowReads(look) };
}

export type Verification = Awaited<ReturnType<typeof openVerification>>;
