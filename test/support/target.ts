import { randomBytes } from 'node:crypto';
import { randomName } from './names.ts';
import { testServers } from './servers.ts';
import { runSql, urlFor } from './sql.ts';

export interface Target {
  /** Of the administrator: owns the database, may create roles, is no superuser. What a provider is given. */
  readonly url: string;
  /** Of the cluster's superuser, in the same database: to look with. */
  readonly superuserUrl: string;
  readonly database: string;
  readonly administrator: string;
  /** The group role that profiles name: may connect and read `orders`; the administrator may grant it. */
  readonly readonly: string;
  drop(): Promise<void>;
}

/**
 * A database to issue logins for, on the run's target server or another: with `orders`, three rows, and its own group role
 * and administrator, because roles are shared by the whole cluster.
 */
export async function makeTarget(server: string = testServers().target): Promise<Target> {
  const database = randomName('target');
  const administrator = database.replace('target', 'administrator');
  const readonly = database.replace('target', 'readonly');
  const password = randomBytes(18).toString('base64url');
  // Not open to PUBLIC for a moment: another test's provider may be checking this cluster just now.
  await runSql(
    server,
    `CREATE ROLE ${administrator} LOGIN CREATEROLE PASSWORD '${password}'`,
    `CREATE DATABASE ${database} OWNER ${administrator} ALLOW_CONNECTIONS false`,
    `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
    `ALTER DATABASE ${database} ALLOW_CONNECTIONS true`,
    `CREATE ROLE ${readonly} NOLOGIN`,
    `GRANT ${readonly} TO ${administrator} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`,
    `GRANT CONNECT ON DATABASE ${database} TO ${readonly}`,
  );
  const superuserUrl = urlFor(server, { database });
  const url = urlFor(superuserUrl, { user: administrator, password });
  await runSql(
    url,
    'CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL)',
    `INSERT INTO orders VALUES (1, 'ada', 12.50), (2, 'grace', 99.00), (3, 'edsger', 7.25)`,
    `GRANT SELECT ON orders TO ${readonly}`,
  );
  return {
    url,
    superuserUrl,
    database,
    administrator,
    readonly,
    drop: () => runSql(server, `DROP DATABASE ${database} WITH (FORCE)`, `DROP ROLE ${readonly}`),
  };
}

/** Takes PUBLIC's CONNECT from every database of a new server, as the postgres provider's check demands. */
export async function closeToPublic(server: string): Promise<void> {
  await runSql(server, 'REVOKE ALL ON DATABASE postgres FROM PUBLIC', 'REVOKE ALL ON DATABASE template1 FROM PUBLIC');
}
