import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeSealer } from '../../src/audit/sealer.ts';
import { verifyLedger } from '../../src/audit/verify.ts';
import { openVerification } from '../../src/ledger/verification.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { until } from '../support/waiting.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

/**
 * 64 writers, of whose transactions a third is rolled back; processes and connections killed at random; two sealers, one of them
 * killed again and again. In the end the log verifies, and holds exactly what was committed.
 */
const PROCESSES = 4;
const WRITERS = 16;
const SECONDS = 8;
const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeLogWorld(server);
});
afterAll(async () => {
  await world.close();
  await server.stop();
});

function start(script: string, ...args: string[]): ChildProcess {
  const options = ['--no-warnings', '--import', inProject('.config/ts-loader.js'), inProject(`test/audit/${script}`)];
  return spawn(process.execPath, [...options, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** What writers were told: of what they were told nothing, either may be true. */
const committed = new Map<string, number>();
const rolledBack = new Set<string>();

function startWriters(prefix: string): ChildProcess {
  const child = start('writer.ts', world.database.brokerUrl, String(WRITERS), prefix);
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [told, id = '', count] = line.split(' ');
      if (told === '+') committed.set(id, Number(count));
      else rolledBack.add(id);
    });
  }
  return child;
}

/** The other sealer, and how much it has sealed so far. */
function startSealer(): { child: ChildProcess; sealed: () => number } {
  const child = start('sealing-process.ts', world.database.brokerUrl);
  let sealed = 0;
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => (sealed += Number(line)));
  return { child, sealed: () => sealed };
}

async function end(child: ChildProcess, how: 'kill' | 'close'): Promise<void> {
  const gone = child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined;
  if (how === 'kill') child.kill('SIGKILL');
  else child.stdin?.end();
  await gone;
}

const cut = (application: string) =>
  world.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = $1
       order by random() limit 3`,
    [application],
  );

test('the log verifies, and holds exactly what was committed', async () => {
  const writers = Array.from({ length: PROCESSES }, (_, n) => startWriters(`w${n}`));
  let other = startSealer();
  const seal = makeSealer(world.ledger.sealing);
  const stopped = new AbortController();
  let mine = 0;
  const sealing = (async () => {
    while (!stopped.signal.aborted) {
      const step = await seal(false).catch(() => undefined); // cut
      mine += step?.sealed ?? 0;
      if (!step?.more) await sleep(10);
    }
  })();

  await until(() => committed.size > 200);
  const stop = Date.now() + SECONDS * 1_000;
  let kills = 0;
  for (let round = 0; Date.now() < stop || kills < 2; round++) {
    await sleep(150 + Math.random() * 250);
    await cut('writer');
    if (round % 2 === 0) await cut('writ');
    if (other.sealed() > 0) {
      await end(other.child, 'kill');
      kills++;
      other = startSealer();
    }
    if (round % 6 === 5) {
      const at = round % PROCESSES;
      const killed = writers[at];
      if (killed) await end(killed, 'kill');
      writers[at] = startWriters(`w${at}r${round}`);
    }
  }
  await Promise.all(writers.map((child) => end(child, 'close')));
  await end(other.child, 'kill');
  stopped.abort();
  await sealing;
  // what a killed process left open is rolled back by the server, in its own time
  await until(
    async () =>
      (
        await world.one<{ n: number }>(
          `select count(*)::int as n from pg_stat_activity where application_name = 'writer'`,
        )
      ).n === 0,
  );
  await world.seal();

  expect(await world.faults()).toEqual([]);
  const ledger = await openVerification(world.database.url);
  const { findings, size, unsealed } = await verifyLedger(ledger, { keys: [], kept: [], onProgress: () => undefined });
  await ledger.close();
  expect([findings, unsealed]).toEqual([[], 0]);

  const { rows } = await world.database.pool.query<{ id: string; n: number; of: number }>(
    `select body::jsonb #>> '{facts,id}' as id, count(*)::int as n, count(distinct tx)::int as of from events group by 1`,
  );
  const there = new Map(rows.map(({ id, n }) => [id, n]));
  expect([...committed].filter(([id, count]) => there.get(id) !== count)).toEqual([]);
  expect([...rolledBack].filter((id) => there.has(id))).toEqual([]);
  expect(rows.filter(({ of }) => of !== 1)).toEqual([]);
  expect(rows.reduce((sum, { n }) => sum + n, 0)).toBe(size);
  // it was about something
  expect(committed.size).toBeGreaterThan(500);
  expect(rolledBack.size).toBeGreaterThan(100);
  expect(mine).toBeGreaterThan(0);
  expect(kills).toBeGreaterThan(1);
}, 120_000);
