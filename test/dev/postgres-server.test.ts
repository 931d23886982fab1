import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { prepareBinaries } from '../../src/dev/postgres-binaries.ts';
import { startPostgres, type PostgresOptions, type PostgresServer } from '../../src/dev/postgres-server.ts';
import { Secret } from '../../src/domain/secret.ts';
import { giveTo, serverUser } from '../../src/dev/server-user.ts';
import { makeReachable } from '../../src/dev/state-directory.ts';
import { testServers } from '../support/servers.ts';
import { startServerProcess, type ServerProcess } from './processes.ts';
import type { Task } from './server-process.ts';

const user = await serverUser();
const binaries = await prepareBinaries(testServers().directory, user);
let directory: string;
let data: string;
const servers: PostgresServer[] = [];
const processes: ServerProcess[] = [];

beforeEach(async () => {
  directory = await makeReachable('dev-', user, [testServers().directory]);
  data = join(directory, 'ledger', 'data');
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.kill()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options: Partial<PostgresOptions> = {}): Promise<PostgresServer> {
  const server = await startPostgres({ name: 'ledger', directory, binaries, user, durable: false, ...options });
  servers.push(server);
  return server;
}

function startElsewhere(task: Partial<Task> = {}): ServerProcess {
  const one = startServerProcess({ directory, name: 'ledger', binaries, ...task });
  processes.push(one);
  return one;
}

async function ask(server: { url: PostgresServer['url'] }, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url.reveal() });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

async function occupy(port: number): Promise<{ port: number; leave(): void }> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, leave: () => void server.close() };
}

describe('a new server', () => {
  let home: string;
  let server: PostgresServer;
  beforeAll(async () => {
    const folder = await makeReachable('dev-', user, [testServers().directory]);
    home = join(folder, 'ledger');
    server = await startPostgres({ name: 'ledger', directory: folder, binaries, user, durable: false });
  });
  afterAll(() => server.stop());

  test('listens on loopback alone and wants a password of every login', async () => {
    expect(server).toMatchObject({ adopted: false, host: '127.0.0.1' });
    expect(await ask(server, 'SHOW listen_addresses')).toEqual(['127.0.0.1']);
    expect(await ask(server, 'SHOW unix_socket_directories')).toEqual(['']);
    expect(await ask(server, 'SELECT DISTINCT auth_method FROM pg_hba_file_rules')).toEqual(['scram-sha-256']);
    const wrong = new URL(server.url.reveal());
    wrong.password = 'wrong';
    await expect(new pg.Client({ connectionString: wrong.href }).connect()).rejects.toMatchObject({ code: '28P01' });
  });

  test('shows its password to nobody', async () => {
    const password = new URL(server.url.reveal()).password;
    expect((await readdir(home)).sort()).toEqual(['data', 'log', 'password', 'port']);
    for (const name of ['password', 'log', 'port']) expect((await stat(join(home, name))).mode & 0o777).toBe(0o600);
    expect((await stat(join(home, 'data'))).mode & 0o777).toBe(0o700);
    for (const file of [`/proc/${server.pid}/cmdline`, `/proc/${server.pid}/environ`, join(home, 'log')]) {
      expect(await readFile(file, 'utf8')).not.toContain(password);
    }
    expect(String(server.url) + JSON.stringify(server)).not.toContain(password);
  });

  test('runs as no superuser of the system, in a process group of its own, with nothing of our environment', async () => {
    expect((await stat(`/proc/${server.pid}`)).uid).toBe(user?.uid ?? process.getuid?.());
    const fields = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    expect(Number(fields[2])).toBe(server.pid);
    const names = (await readFile(`/proc/${server.pid}/environ`, 'utf8'))
      .split('\0')
      .map((entry) => entry.split('=')[0]);
    expect(names.filter((name) => name && !/^(LC_|TZ$|PG)/.test(name))).toEqual([]);
  });

  test.each([
    { durable: true, fsync: 'on' },
    { durable: false, fsync: 'off' },
  ])('durable $durable: fsync $fsync, and commits are on in any case', async ({ durable, fsync }) => {
    const server = await start({ durable, settings: { max_connections: '17' } });
    expect(await ask(server, 'SHOW fsync')).toEqual([fsync]);
    expect(await ask(server, 'SHOW synchronous_commit')).toEqual(['on']);
    expect(await ask(server, 'SHOW max_connections')).toEqual(['17']);
  });
});

describe('the next start', () => {
  test('finds what was there, on the same port', async () => {
    const first = await start();
    await ask(first, 'CREATE TABLE t AS SELECT 1 AS x');
    await first.stop();
    await first.stop(); // harmless
    const second = await start();
    expect(second).toMatchObject({ adopted: false, port: first.port });
    expect(second.url.reveal()).toBe(first.url.reveal());
    expect(await ask(second, 'SELECT x FROM t')).toEqual([1]);
  });

  test('adopts the server of a process that was killed, on whichever port it is', async () => {
    const killed = startElsewhere();
    const { pid, port } = await killed.said;
    await killed.kill();
    const server = await start({ port: 1 });
    expect(server).toMatchObject({ adopted: true, pid, port });
    await server.stop();
    await expect(ask(server, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('recovers a server that was killed itself', async () => {
    const first = await start({ durable: true });
    await ask(first, 'CREATE TABLE t AS SELECT 1 AS x');
    first.kill('SIGKILL');
    const second = await start({ durable: true });
    expect(second.adopted).toBe(false);
    expect(second.pid).not.toBe(first.pid);
    expect(await ask(second, 'SELECT x FROM t')).toEqual([1]);
  });

  test('does not adopt a process that merely has the number of a dead server', async () => {
    const first = await start();
    const file = join(data, 'postmaster.pid');
    const lines = (await readFile(file, 'utf8')).split('\n');
    await first.stop();
    // A process of the servers' own account, which PostgreSQL itself would take for the server.
    const bystander = await start({ name: 'target' });
    await writeFile(file, [bystander.pid, ...lines.slice(1)].join('\n'));
    await giveTo(file, user);
    const second = await start();
    expect(second.adopted).toBe(false);
    expect([first.pid, bystander.pid]).not.toContain(second.pid);
    expect(await ask(bystander, 'SELECT 1')).toEqual([1]);
  });

  test('replaces a server that runs from other binaries', async () => {
    const before = join(directory, 'before');
    await cp(join(binaries.postgres, '../..'), before, { recursive: true, verbatimSymlinks: true });
    const elsewhere = startElsewhere({
      binaries: { initdb: join(before, 'bin/initdb'), postgres: join(before, 'bin/postgres') },
    });
    const { pid } = await elsewhere.said;
    await expect(start()).rejects.toMatchObject({ code: 'in_use' }); // and it goes on
    await elsewhere.kill();
    const server = await start();
    expect(server.adopted).toBe(false);
    expect(server.pid).not.toBe(pid);
  });

  test('takes another port when that of last time is taken', async () => {
    const first = await start();
    await first.stop();
    const other = await occupy(first.port);
    const second = await start();
    other.leave();
    expect(second.port).not.toBe(first.port);
    expect(await ask(second, 'SELECT 1')).toEqual([1]);
  });
});

describe('a start that cannot be', () => {
  test('a given port that is taken', async () => {
    const other = await occupy(0);
    await expect(start({ port: other.port })).rejects.toMatchObject({ code: 'did_not_start' });
    other.leave();
    await start();
  });

  test('a setting that does not exist', async () => {
    const starting = start({ settings: { no_such_setting: 'on' } });
    await expect(starting).rejects.toMatchObject({ code: 'did_not_start' });
    await expect(starting).rejects.toThrow(/no_such_setting/);
  });

  test('a server that another living process uses', async () => {
    const elsewhere = startElsewhere();
    const { pid, url = '' } = await elsewhere.said;
    await expect(start()).rejects.toMatchObject({ code: 'in_use' });
    expect(await ask({ url: new Secret(url) }, 'SELECT 1')).toEqual([1]);
    await elsewhere.kill();
    expect(await start()).toMatchObject({ adopted: true, pid });
  });
});

describe('two processes', () => {
  test('that start a new server at once: one has it, one is told so, and nothing is broken', async () => {
    const said = await Promise.all([startElsewhere().said, startElsewhere().said]);
    expect(said.map(({ code }) => code ?? 'started').sort()).toEqual(['in_use', 'started']);
    expect(await readdir(directory)).not.toContainEqual(expect.stringMatching(/^draft-/));
    await Promise.all(processes.splice(0).map((one) => one.kill()));
    const server = await start();
    expect(server.adopted).toBe(true);
    expect(await ask(server, 'SELECT 1')).toEqual([1]);
  });

  test('that start in turn after kills, again and again', async () => {
    const pids = new Set<number | undefined>();
    for (let round = 0; round < 3; round++) {
      const one = startElsewhere();
      const { pid, code } = await one.said;
      expect(code).toBeUndefined();
      pids.add(pid);
      await one.kill();
    }
    expect(pids.size).toBe(1);
    await start();
  });
});

describe('a process that was killed while it made the server', () => {
  test('leaves nothing that is taken for one', async () => {
    const one = startElsewhere();
    while (!(await readdir(directory)).some((name) => name.startsWith('draft-ledger-'))) await sleep(5);
    await one.kill();
    const drafts = (await readdir(directory)).filter((name) => name.startsWith('draft-ledger-'));
    expect(drafts).toHaveLength(1); // the kill came in time
    expect(await ask(await start(), 'SELECT 1')).toEqual([1]);
    expect(await readdir(directory)).toEqual(expect.arrayContaining(drafts)); // it might be at work still
  });

  test('is cleaned up after when it is surely dead', async () => {
    const [dead, atWork] = [join(directory, 'draft-ledger-dead'), join(directory, 'draft-ledger-new')];
    await mkdir(dead);
    await mkdir(atWork);
    await utimes(dead, new Date(), new Date(Date.now() - 3_600_000));
    await start();
    expect(await readdir(directory)).toContain('draft-ledger-new');
    expect(await readdir(directory)).not.toContain('draft-ledger-dead');
  });
});

test('an ordinary user runs a server as itself', async () => {
  const as = user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const own = join(directory, 'own');
  await mkdir(own, { mode: 0o700 });
  await giveTo(own, user);
  const { pid, code, url = '' } = await startElsewhere({ directory: own, as }).said;
  expect(code).toBeUndefined();
  expect((await stat(`/proc/${pid}`)).uid).toBe(as.uid);
  expect((await stat(join(own, 'ledger'))).uid).toBe(as.uid);
  expect(await ask({ url: new Secret(url) }, 'SELECT 1')).toEqual([1]);
});
