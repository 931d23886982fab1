import { connect } from '../../src/ledger/connection.ts';
import type { Connection } from '../../src/ledger/connection.ts';
import { makeTaskList } from '../../src/ledger/task-list.ts';
import { makeWorld } from './world.ts';
import type { World } from './world.ts';

/** What hangs below a task is found from the task, whatever else there is. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
  await world.activateRules();
});
afterAll(() => world.close());

test('what was handed on below, up to so many, those nearest first', async () => {
  const root = await world.task();
  const part = await world.task({ parent: root }, { subject: 'spiffe://dev.local/agent/two' });
  const below = await world.task({ parent: part }, { subject: 'spiffe://dev.local/agent/three' });
  const second = await world.task({ parent: root }, { subject: 'spiffe://dev.local/agent/four' });
  const shown = async (limit: number) => (await world.ledger.tasks.below(root, limit)).map(({ id, hop }) => [id, hop]);
  expect(await shown(10)).toEqual([
    [part, 1],
    [second, 1],
    [below, 2],
  ]);
  expect(await shown(2)).toEqual([
    [part, 1],
    [second, 1],
  ]);
});

interface Explained extends Record<string, unknown> {
  readonly 'QUERY PLAN': [{ readonly Plan: Readonly<Record<'Shared Hit Blocks' | 'Shared Read Blocks', number>> }];
}

test('a list of a task and those below it does not read all others', async () => {
  const root = await world.task();
  const part = await world.task({ parent: root }, { subject: 'spiffe://dev.local/agent/two' });
  await world.sql(
    `insert into tasks (id, root_id, path, implicit, trust, subject, purpose, mode, environment, chain, decision_id, state, created_at)
     select 'copy' || n, 'copy' || n, array['copy' || n], false, trust, 'agent/' || n % 100, purpose, mode, environment, '[]', decision_id, 'open',
       now() + n * interval '1 second' from tasks, generate_series(1, 30000) as n where id = $1`,
    [root],
  );
  await world.sql('analyze tasks');
  const connection = connect({ url: world.database.brokerUrl, poolSize: 1 });
  const said: { sql: string; values: readonly unknown[] }[] = [];
  const call: Connection['call'] = (name, sql, values) => {
    said.push({ sql, values });
    return connection.call(name, sql, values);
  };
  const list = await makeTaskList({ ...connection, call })({ task: root, state: 'open' }, 100);
  await connection.close();
  expect(list.map(({ id }) => id)).toEqual([part, root]);
  const [{ sql, values } = { sql: '', values: [] }] = said;
  const [row] = await world.sql<Explained>(`explain (analyze, buffers, format json) ${sql}`, values);
  const plan = row?.['QUERY PLAN'][0].Plan;
  expect((plan?.['Shared Hit Blocks'] ?? NaN) + (plan?.['Shared Read Blocks'] ?? NaN)).toBeLessThan(100);
});
