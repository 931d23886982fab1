import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { Secret } from '../domain/secret.ts';
import { readOrMake } from './private-file.ts';

const LEDGER = 'writ';
const BROKER = 'writ_embedded';
const TARGET = 'orders';
const ADMINISTRATOR = 'orders_admin';
const GROUP = 'readonly';

/** The ledger's database on its server: made if it is not there. Answers the superuser's URL for it. */
export async function makeLedgerDatabase(serverUrl: Secret<string>): Promise<Secret<string>> {
  await onServer(serverUrl, async (client) => {
    await createDatabase(client, LEDGER, 'postgres');
  });
  return withDatabase(serverUrl, LEDGER);
}

/** The broker's own login: a member of `writ_broker`, which can neither update nor delete events. */
export async function makeBrokerLogin(ledgerUrl: Secret<string>, directory: string): Promise<Secret<string>> {
  const password = await storedPassword(directory, 'ledger-login');
  await onServer(ledgerUrl, async (client) => {
    await createRole(client, BROKER, password);
    await client.query(`GRANT writ_broker TO ${BROKER}`);
  });
  return withLogin(ledgerUrl, BROKER, password);
}

/**
 * The target: a database with a few orders, a group that may read them, and the administrator that the broker uses; it may create
 * roles and is no superuser. PUBLIC may connect to nothing there, as the provider's check demands.
 */
export async function makeTargetDatabase(serverUrl: Secret<string>, directory: string): Promise<Secret<string>> {
  const password = await storedPassword(directory, 'target-login');
  await onServer(serverUrl, async (client) => {
    await createRole(client, ADMINISTRATOR, password);
    await client.query(`ALTER ROLE ${ADMINISTRATOR} CREATEROLE`);
    await createDatabase(client, TARGET, ADMINISTRATOR);
    for (const database of [TARGET, 'postgres', 'template1'])
      await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await createRole(client, GROUP);
    await client.query(`GRANT ${GROUP} TO ${ADMINISTRATOR} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`);
    await client.query(`GRANT CONNECT ON DATABASE ${TARGET} TO ${GROUP}`);
  });
  const url = withLogin(withDatabase(serverUrl, TARGET), ADMINISTRATOR, password);
  await onServer(url, fillOrders);
  return url;
}

async function fillOrders(client: pg.Client): Promise<void> {
  await client.query(
    'CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, customer text NOT NULL, total numeric(10, 2) NOT NULL)',
  );
  await client.query(
    `INSERT INTO orders VALUES (1, 'ada', 12.50), (2, 'grace', 99.00), (3, 'edsger', 7.25) ON CONFLICT DO NOTHING`,
  );
  await client.query(`GRANT SELECT ON orders TO ${GROUP}`);
}

async function createDatabase(client: pg.Client, name: string, owner: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${name} OWNER ${owner}`);
}

/** With a password a login, without one a group. */
async function createRole(client: pg.Client, name: string, password?: Secret<string>): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${name} NOLOGIN`);
  if (password) await client.query(`ALTER ROLE ${name} LOGIN PASSWORD ${client.escapeLiteral(password.reveal())}`);
}

async function storedPassword(directory: string, name: string): Promise<Secret<string>> {
  return new Secret(
    await readOrMake(join(directory, name), () => Promise.resolve(randomBytes(24).toString('base64url'))),
  );
}

async function onServer(url: Secret<string>, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url.reveal(), connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: Secret<string>, database: string): Secret<string> {
  const changed = new URL(url.reveal());
  changed.pathname = `/${database}`;
  return new Secret(changed.href);
}

function withLogin(url: Secret<string>, user: string, password: Secret<string>): Secret<string> {
  const changed = new URL(url.reveal());
  changed.username = user;
  changed.password = password.reveal();
  return new Secret(changed.href);
}
