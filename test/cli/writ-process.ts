// The command line as a process of its own, for tests that need one: what src/main.ts does, without the local commands.
import { setTimeout } from 'node:timers/promises';
import { run, thisProcess } from '../../src/cli/index.ts';
import type { LocalCommands } from '../../src/cli/index.ts';

const absent = async (): Promise<never> => {
  throw new Error('not in this process');
};
const local: LocalCommands = {
  serve: absent,
  dev: absent,
  migrate: absent,
  check: absent,
  identity: absent,
  policyTest: absent,
  policyExplain: absent,
  replay: absent,
  readRules: absent,
};

process.exitCode = await run(process.argv.slice(2), {
  version: '1.2.3',
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signals: process,
  self: thisProcess(),
  now: () => new Date(),
  sleep: setTimeout,
  local,
});
