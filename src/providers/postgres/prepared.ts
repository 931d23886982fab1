import pg from 'pg';
import type { Server } from './server.ts';

/** A prepared transaction outlives its session, and keeps its locks. Takes a member of the role, see `joinRole`. */
export async function rollBackPrepared(server: Server, name: string, signal: AbortSignal): Promise<void> {
  const { rows } = await server.run(signal, (client) =>
    client.query<{ gid: string; database: string }>('SELECT gid, database FROM pg_prepared_xacts WHERE owner = $1', [
      name,
    ]),
  );
  // one that cannot be reached must not keep the others, which may hold the role itself
  let done: Promise<unknown> = Promise.resolve();
  for (const { gid, database } of rows) {
    const one = server.runAs({ database }, signal, (client) => rollBack(client, name, gid));
    await one.catch(() => (done = one));
  }
  await done;
}

/** Only its owner may, and only in its own database and outside a transaction; the connection is not used again. */
async function rollBack(client: pg.ClientBase, name: string, gid: string): Promise<void> {
  await client.query(`SET ROLE ${pg.escapeIdentifier(name)}`);
  await client.query(`ROLLBACK PREPARED ${pg.escapeLiteral(gid)}`);
}
