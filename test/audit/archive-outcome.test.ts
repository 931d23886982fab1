import { access, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runArchive } from '../../src/archive-command.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { askFor, makeMonth, makeSigned } from './past.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

/** The answer to the one COMMIT that counts is lost on its way: the file, which may be the only copy, outlives that. */
let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
let directory: string;
let wire: Awaited<ReturnType<typeof makeWire>>;

/** What a server says on each of its connections when it is shut down. */
const FIELDS = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');
const LENGTH = Buffer.alloc(4);
LENGTH.writeUInt32BE(4 + FIELDS.length);
const FAREWELL = Buffer.concat([Buffer.from('E'), LENGTH, FIELDS]);

/** Between a client and the server. Up to `commit` everything passes. */
async function makeWire(url: string) {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  const state = { lose: 'answer' as 'answer' | 'question' | 'answer for a farewell', isCut: false, staysAway: false };
  const listener: Server = createServer((client) => {
    if (state.isCut && state.staysAway) return void client.destroy();
    const upstream = connect(Number(port), hostname);
    sockets.push(client, upstream);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    let committing = false;
    client.on('data', (part) => {
      committing ||= !state.isCut && part.includes('commit\0');
      if (committing && state.lose === 'question') {
        state.isCut = true;
        upstream.destroy();
        client.destroy();
      } else upstream.write(part);
    });
    upstream.on('data', (part) => {
      if (!committing) return void client.write(part);
      state.isCut = true;
      if (state.lose === 'answer for a farewell') client.end(FAREWELL);
      else client.destroy();
      upstream.destroy();
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((listener.address() as AddressInfo).port);
  return {
    url: through.href,
    state,
    close: () =>
      new Promise<void>((resolve) => {
        listener.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeLogWorld(server);
  directory = await mkdtemp(join(tmpdir(), 'writ-outcome-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
  await world.close();
  await server.stop();
});
beforeEach(async () => {
  wire = await makeWire(world.database.url);
});
afterEach(() => wire.close());

async function monthOf(month: string): Promise<void> {
  await makeMonth(world.database.pool, month);
  await world.tamper(
    `insert into events (at, seq, type, body) select ($1 || '-15')::timestamptz, nextval('events_seq'), 'evidence.refused', '{}' from generate_series(1, 3)`,
    [month],
  );
  await world.seal(true);
  await makeSigned(world.ledger, 'log.test').seal();
}

const put = (month: string, said: string[] = [], drop = false) =>
  runArchive(
    {
      url: wire.url,
      month,
      out: join(directory, month),
      drop,
      force: false,
      request: () => askFor(world.ledger, { month }),
    },
    (line) => void said.push(line),
  );
const isThere = (month: string) =>
  access(join(directory, month)).then(
    () => true,
    () => false,
  );
const isArchived = async (month: string) =>
  (await world.database.pool.query('select from event_archives where month = $1', [month])).rows.length === 1;

test('it was done, and the record says so: the file stays, and it counts as done', async () => {
  await monthOf('2026-01');
  const said: string[] = [];
  expect(await put('2026-01', said)).toBe(0);
  expect(wire.state.isCut).toBe(true);
  expect([await isArchived('2026-01'), await isThere('2026-01')]).toEqual([true, true]);
  expect(said[0]).toContain('no longer in the record');
});

test('it was done, and the server said goodbye instead: the file stays, and the table goes where that was asked for', async () => {
  await monthOf('2026-03');
  wire.state.lose = 'answer for a farewell';
  expect(await put('2026-03', [], true)).toBe(0);
  expect(wire.state.isCut).toBe(true);
  expect([await isArchived('2026-03'), await isThere('2026-03')]).toEqual([true, true]);
  expect((await world.one(`select to_regclass('events_202603') is null as gone`))['gone']).toBe(true);
});

test('it was done, and the record cannot be asked: the file stays, and it is said that nothing is known', async () => {
  await monthOf('2026-02');
  wire.state.staysAway = true;
  await expect(put('2026-02')).rejects.toThrow(/did not say whether 2026-02 was put away.*is kept/);
  expect([await isArchived('2026-02'), await isThere('2026-02')]).toEqual([true, true]);
});

test('the question itself was lost: nothing was done, and the copy goes', async () => {
  await monthOf('2026-04');
  wire.state.lose = 'question';
  await expect(put('2026-04')).rejects.toThrow();
  expect([await isArchived('2026-04'), await isThere('2026-04')]).toEqual([false, false]);
});
