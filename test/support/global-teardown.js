// Lets the servers' process go, and waits until nothing of the run is left.
import { once } from 'node:events';

export default async function tearDown() {
  const host = globalThis.writTestServersHost;
  if (host.exitCode !== null) return;
  host.stdin.end();
  await once(host, 'exit');
}
