/**
 * A process that starts a server, says so in one line of JSON, and stays until its standard input ends; it is what tests
 * kill. `as`: the account that it becomes when all code is loaded, since that account may not be able to read it.
 */
import type { Binaries } from '../../src/dev/postgres-binaries.ts';
import { startPostgres } from '../../src/dev/postgres-server.ts';
import { serverUser } from '../../src/dev/server-user.ts';

export interface Task {
  readonly directory: string;
  readonly name: string;
  readonly binaries: Binaries;
  readonly as?: { readonly uid: number; readonly gid: number };
}

const { directory, name, as, binaries } = JSON.parse(process.argv[2] ?? '') as Task;
if (as && process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(as.gid);
  process.setuid?.(as.uid);
}
try {
  const server = await startPostgres({ directory, name, binaries, user: await serverUser(), durable: false });
  const { pid, port, adopted } = server;
  process.stdout.write(`${JSON.stringify({ pid, port, adopted, url: server.url.reveal() })}\n`);
} catch (error) {
  const code = error instanceof Error && 'code' in error ? error.code : String(error);
  process.stdout.write(`${JSON.stringify({ code })}\n`);
}
process.stdin.resume().once('close', () => process.exit());
