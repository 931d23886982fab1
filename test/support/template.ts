import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { migrate } from '../../src/ledger/migrate.ts';
import { runSql, urlFor } from './sql.ts';

/** A migrated database that is cloned and never connected to. */
export const TEMPLATE = 'writ_template';

/** Makes the template on a new server; answers the server's URL for a login with the broker's rights. */
export async function makeTemplate(server: string): Promise<string> {
  await runSql(server, `CREATE DATABASE ${TEMPLATE}`);
  const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));
  await migrate(urlFor(server, { database: TEMPLATE }), migrations);
  const user = 'writ_test_broker';
  const password = randomBytes(18).toString('base64url');
  await runSql(
    server,
    `ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false`,
    `CREATE ROLE ${user} LOGIN PASSWORD '${password}' IN ROLE writ_broker`,
  );
  return urlFor(server, { user, password });
}
