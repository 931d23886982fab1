import { verifyLedger } from '../../src/audit/verify.ts';
import { openSnapshot, openVerification } from '../../src/ledger/verification.ts';
import { startWrit } from '../support/broker-process.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { until } from '../support/waiting.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

/** As many as make `writ audit verify` look at events on a thread of its own; see verify-thread.ts. */
const MANY = 20_500;

let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;

beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeLogWorld(server);
  await world.write(MANY);
  await world.seal(true);
}, 120_000);
afterAll(async () => {
  await world.close();
  await server.stop();
});

/** The program as it is installed: only that has a file for the thread to start from. */
async function verify() {
  const command = startWrit(['audit', 'verify', '--database', world.database.url, '--json'], {});
  const { code } = await command.exited;
  const report = command.lines.find((line) => line.startsWith('{')) ?? command.lines.join('\n');
  const { findings } = JSON.parse(report) as { findings?: { code: string; about: string }[] };
  if (!findings) throw new Error(report);
  return { code, found: findings.map((one) => `${one.code} ${one.about}`).sort() };
}

test('a large record is looked at on two threads, and what was changed in it is found by either', async () => {
  expect(await verify()).toEqual({ code: 0, found: [] });

  const leaf = MANY - 10;
  await world.tamper(`update events set body = replace(body, '"success":false', '"success": false') where leaf = $1`, [
    leaf,
  ]);
  await world.tamper(
    `insert into legal_holds (id, reason, placed_by, placed_at) values ('forged', 'x', '{"kind":"system","id":"x"}', clock_timestamp())`,
  );
  expect(await verify()).toEqual({
    code: 1,
    found: [expect.stringContaining(`leaf ${leaf}`), expect.stringMatching(/^row_without_event .*forged/)],
  });
}, 120_000);

test('a connection that cannot see the same moment is closed again', async () => {
  const url = new URL(world.database.url);
  await expect(openSnapshot(url.href, '00000003-00000000-1')).rejects.toThrow();
  await until(async () => {
    const { n } = await world.one<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where application_name = 'writ verify' and datname = current_database()`,
    );
    return n === 0;
  });
});

test('where the thread is lost, that is what is said, and nothing else goes wrong', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', note);
  const ledger = await openVerification(world.database.url);
  const lost = { take: () => Promise.reject(new Error('lost')), finish: () => Promise.reject(new Error('lost')) };
  const options = { keys: [], kept: [], onProgress: () => undefined, elsewhere: () => lost };
  await expect(verifyLedger(ledger, options).finally(ledger.close)).rejects.toThrow('lost');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});
