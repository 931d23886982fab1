#!/usr/bin/env node
import { setTimeout as sleep } from 'node:timers/promises';
import { run, thisProcess } from './cli/index.ts';
import { makeLocalCommands } from './local-commands.ts';
import { version } from './version.ts';

process.exitCode = await run(process.argv.slice(2), {
  version,
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signals: process,
  self: thisProcess(),
  now: () => new Date(),
  sleep: (ms) => sleep(ms),
  local: makeLocalCommands({
    env: process.env,
    print: (line) => void process.stdout.write(`${line}\n`),
    printError: (line) => void process.stderr.write(`${line}\n`),
  }),
});
