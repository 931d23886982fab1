// Starts the process that owns the run's PostgreSQL servers (servers-host.ts), and tells the tests where they are.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const inProject = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export default async function setUp() {
  const host = spawn(
    process.execPath,
    ['--no-warnings', '--import', inProject('.config/ts-loader.js'), inProject('test/support/servers-host.ts')],
    { cwd: inProject('.'), stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  globalThis.writTestServersHost = host;
  const { value: servers, done } = await createInterface({ input: host.stdout })[Symbol.asyncIterator]().next();
  if (done) throw new Error('the test servers did not start');
  process.env['WRIT_TEST_SERVERS'] = servers;
}
