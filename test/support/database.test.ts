import pg from 'pg';
import { makeDatabase } from './database.ts';
import { makeTarget } from './target.ts';

test('a database is usable and goes away', async () => {
  const database = await makeDatabase();
  await database.pool.query('CREATE TABLE t (x int)');
  await database.drop();
  const client = new pg.Client({ connectionString: database.url });
  await expect(client.connect()).rejects.toMatchObject({ code: '3D000' });
});

test('a target', async () => {
  const target = await makeTarget();
  const client = new pg.Client({ connectionString: target.url });
  await client.connect();
  expect((await client.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 3 }]);
  await client.end();
  await target.drop();
});
