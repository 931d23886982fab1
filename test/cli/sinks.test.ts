import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { openStation } from './harness.ts';
import type { Station } from './harness.ts';

/** What `writ audit sinks show` cannot show at once it shows from where it says. */
const LETTERS = 105;
let broker: RunningBroker;
let station: Station;
beforeAll(async () => {
  broker = await startRunningBroker();
  station = openStation();
  const { pool } = broker.database;
  await pool.query(`insert into sinks (name, position) values ('siem', ${LETTERS})`);
  await pool.query(
    `insert into dead_letters (sink, leaf, error) select 'siem', leaf, 'status_422' from generate_series(1, ${LETTERS}) as leaf`,
  );
});
afterAll(async () => {
  station.close();
  await broker.close();
});

const show = (...argv: readonly string[]) =>
  station.run(
    ['audit', 'sinks', 'show', ...argv],
    { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: broker.people.operator('auditor') },
    { now: () => new Date() },
  );
const leaves = (stdout: string) =>
  stdout.split('\n').flatMap((line) => /^siem +(\d+) +- +status_422/.exec(line)?.[1] ?? []);

test('it goes on behind the cursor that it names, also once that letter was delivered', async () => {
  const first = await show();
  expect([first.code, leaves(first.stdout)]).toEqual([0, Array.from({ length: 100 }, (_, n) => `${n + 1}`)]);
  const cursor = /^writ: there are more; see --cursor '(.+)'$/m.exec(first.stderr)?.[1] ?? '';
  await broker.database.pool.query('delete from dead_letters where leaf = 100');
  const rest = await show('--sink', 'siem', '--cursor', cursor);
  expect([rest.code, leaves(rest.stdout), rest.stderr]).toEqual([0, ['101', '102', '103', '104', '105'], '']);
  const json = JSON.parse((await show('--json')).stdout) as { next_cursor: string };
  expect(leaves((await show('--cursor', json.next_cursor)).stdout)).toEqual(['102', '103', '104', '105']);
});

test('what is none is refused', async () => {
  const { code, stdout, stderr } = await show('--cursor', 'siem');
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/cursor: must be a cursor of this list\nwrit: invalid_request: /);
});
