import { EventEmitter } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context, LocalCommands, TextStream } from '../../src/cli/index.ts';
import { run, thisProcess } from '../../src/cli/index.ts';
import type { Credential } from '../../src/client/index.ts';
import { FAKE_NOW } from '../support/fake-broker.ts';

export const SECRET = 'p4ss-w0rd-that-must-not-show';

/** One credential of each shape of CONTRACT, each with `SECRET` inside. */
export const CREDENTIALS = {
  postgres: {
    type: 'postgres',
    host: 'db.example',
    port: 5432,
    database: 'orders',
    username: 'writ_1',
    password: SECRET,
    url: `postgresql://writ_1:${SECRET}@db.example:5432/orders`,
  },
  jwt: { type: 'jwt', token: `header.${SECRET}.signature`, audience: 'https://tools.example' },
  aws: {
    type: 'aws',
    access_key_id: 'ASIAEXAMPLE',
    secret_access_key: SECRET,
    session_token: `session-${SECRET}`,
    region: 'eu-west-1',
    expiration: '2026-11-23T12:15:00Z',
  },
  vault_token: { type: 'vault_token', address: 'https://vault.example', namespace: 'team', token: SECRET },
  vault_secret: { type: 'vault_secret', data: { username: 'u', password: SECRET, 'api-key': SECRET, port: 5 } },
} as const satisfies Readonly<Record<string, Credential>>;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Station {
  /** An empty working directory. */
  readonly cwd: string;
  /** Its time, which stands still but for what it sleeps, and for `pass`. */
  now(): Date;
  pass(seconds: number): void;
  /** Sends a signal to the command line, not to this process. */
  readonly signals: EventEmitter;
  /** What the local commands were called with. */
  readonly local: { readonly command: string; readonly options: unknown }[];
  /** What has been written so far. */
  stdout(): string;
  stderr(): string;
  run(argv: readonly string[], env?: Record<string, string>, over?: Partial<Context>): Promise<Ran>;
  write(path: string, text: string): void;
  close(): void;
}

/** A place to run the command line in: real descriptors, so that children write there too, and time that sleeping moves. */
export function openStation(): Station {
  const cwd = mkdtempSync(join(tmpdir(), 'writ-cli-'));
  const files = { stdout: join(cwd, 'stdout.txt'), stderr: join(cwd, 'stderr.txt') };
  const signals = new EventEmitter();
  const local: { command: string; options: unknown }[] = [];
  const streams = {
    stdin: openSync('/dev/null', 'r'),
    stdout: openSync(files.stdout, 'a'),
    stderr: openSync(files.stderr, 'a'),
  };
  const read = (file: string) => readFileSync(file, 'utf8');
  let now = FAKE_NOW.getTime();

  return {
    cwd,
    now: () => new Date(now),
    pass: (seconds) => void (now += seconds * 1000),
    signals,
    local,
    stdout: () => read(files.stdout),
    stderr: () => read(files.stderr),
    write: (path, text) => {
      mkdirSync(join(cwd, path, '..'), { recursive: true });
      writeFileSync(join(cwd, path), text);
    },
    async run(argv, env = {}, over = {}) {
      const before = [read(files.stdout).length, read(files.stderr).length] as const;
      const code = await run(argv, {
        version: '1.2.3',
        env,
        cwd,
        stdin: { fd: streams.stdin },
        stdout: streamOf(streams.stdout),
        stderr: streamOf(streams.stderr),
        signals,
        self: thisProcess(),
        now: () => new Date(now),
        sleep: async (ms) => {
          now += ms;
        },
        local: recording(local),
        ...over,
      });
      return { code, stdout: read(files.stdout).slice(before[0]), stderr: read(files.stderr).slice(before[1]) };
    },
    close: () => {
      for (const fd of Object.values(streams)) closeSync(fd);
      rmSync(cwd, { recursive: true });
    },
  };
}

export function streamOf(fd: number, isTTY = false): TextStream {
  return {
    fd,
    isTTY,
    write: (text, done) => {
      writeSync(fd, text);
      done();
      return true;
    },
    on: () => undefined,
  };
}

/** Local commands that only say that they were called; each answers 0. */
function recording(calls: { command: string; options: unknown }[]): LocalCommands {
  const note = (command: string) => async (options: unknown) => {
    calls.push({ command, options });
    return 0;
  };
  return {
    serve: note('serve'),
    dev: note('dev'),
    migrate: note('migrate'),
    check: note('check'),
    identity: note('identity'),
    policyTest: note('policyTest'),
    policyExplain: note('policyExplain'),
    replay: async (options) => {
      calls.push({ command: 'replay', options });
      return () => ({ kind: 'same', now: { outcome: 'allow', code: null, policies: [] } });
    },
    readRules: async (options) => {
      calls.push({ command: 'readRules', options });
      return { files: { 'profiles/orders.yaml': 'name: orders' } };
    },
  };
}
