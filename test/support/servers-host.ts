/**
 * The process that owns the test run's PostgreSQL servers. It prints what they are as one line of JSON, and ends them when
 * its standard input ends: when the run is over, and also when the run is killed, since the kernel then closes the pipe.
 * What a host that was itself killed left behind, the next one removes.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareBinaries } from '../../src/dev/postgres-binaries.ts';
import { startPostgres } from '../../src/dev/postgres-server.ts';
import { serverUser } from '../../src/dev/server-user.ts';
import { makeReachable, temporaryDirectories } from '../../src/dev/state-directory.ts';
import { HOST_FILE, removeDeadRuns, removeRun, RUN_PREFIX } from './runs.ts';
import type { TestServers } from './servers.ts';
import { closeToPublic } from './target.ts';
import { makeTemplate } from './template.ts';

process.stdin.resume();
const over = new Promise((resolve) => process.stdin.once('close', resolve));

await removeDeadRuns(Date.now());
const user = await serverUser();
const directory = await makeReachable(RUN_PREFIX, user, temporaryDirectories());
try {
  await writeFile(join(directory, HOST_FILE), String(process.pid), { mode: 0o600 });
  const binaries = await prepareBinaries(directory, user);
  const start = (name: string) =>
    startPostgres({ name, directory, binaries, user, durable: false, settings: { max_connections: '300' } });
  const [ledger, target] = await Promise.all([start('ledger'), start('target')]);
  const [broker] = await Promise.all([makeTemplate(ledger.url.reveal()), closeToPublic(target.url.reveal())]);
  const servers: TestServers = { directory, ledger: ledger.url.reveal(), broker, target: target.url.reveal() };
  process.stdout.write(`${JSON.stringify(servers)}\n`);
  await over;
} finally {
  await removeRun(directory);
}
process.exit();
