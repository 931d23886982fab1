import pg from 'pg';
import { makeDatabase } from './database.ts';
import { startOwnServer, testServers } from './servers.ts';
import { closeToPublic, makeTarget, type Target } from './target.ts';

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('makeDatabase', () => {
  test('gives each a migrated database of its own, and takes it away while it is in use', async () => {
    const [one, other] = await Promise.all([makeDatabase(), makeDatabase()]);
    await one.pool.query('CREATE TABLE mine (x int)');
    await expect(query(other.url, 'SELECT FROM mine')).rejects.toMatchObject({ code: '42P01' });
    expect(await query(one.url, 'SELECT FROM grants')).toEqual([]);

    const user = new pg.Client({ connectionString: one.url });
    user.on('error', () => undefined);
    await user.connect();
    await Promise.all([one.drop(), other.drop()]);
    await expect(query(one.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
    await user.end();
  });

  test('gives a login with the rights of a broker', async () => {
    const database = await makeDatabase();
    expect(await query(database.brokerUrl, 'SELECT FROM events')).toEqual([]);
    await expect(query(database.brokerUrl, 'DELETE FROM events')).rejects.toMatchObject({ code: '42501' });
    await database.drop();
  });
});

describe('makeTarget', () => {
  let target: Target;
  beforeAll(async () => {
    target = await makeTarget();
  });
  afterAll(() => target.drop());

  test('has an administrator that is no superuser and can grant the group role', async () => {
    expect(
      await query(target.url, `SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user`),
    ).toEqual([{ rolsuper: false, rolcreaterole: true }]);
    expect(await query(target.url, 'SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 3 }]);
    await query(target.url, `CREATE ROLE ${target.database}_a; GRANT ${target.readonly} TO ${target.database}_a`);
    await query(target.superuserUrl, `DROP ROLE ${target.database}_a`);
  });

  test('is closed to PUBLIC, as every other database of its server', async () => {
    const open = `SELECT datname FROM pg_database d WHERE datallowconn
       AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0 AND privilege_type = 'CONNECT')`;
    expect(await query(target.superuserUrl, open)).toEqual([]);
    expect(await query<{ datname: string }>(testServers().ledger, open)).not.toEqual([]); // the question is a good one
  });
});

test('a server for one test alone', async () => {
  const server = await startOwnServer({ settings: { max_connections: '20' } });
  await closeToPublic(server.url.reveal());
  const target = await makeTarget(server.url.reveal());
  expect(await query(target.url, 'SHOW max_connections')).toEqual([{ max_connections: '20' }]);
  server.kill('SIGKILL');
  await server.stop();
  await expect(query(target.url, 'SELECT 1')).rejects.toMatchObject({
    code: expect.stringMatching(/^ECONN(REFUSED|RESET)$/), // the kernel may not have let go of its socket yet
  });
});
