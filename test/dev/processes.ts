import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Task } from './server-process.ts';

const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What `server-process.ts` says: a server, or the code of the error. */
export interface Started {
  readonly pid?: number;
  readonly port?: number;
  readonly adopted?: boolean;
  readonly url?: string;
  readonly code?: string;
}

export interface ServerProcess {
  readonly said: Promise<Started>;
  /** SIGKILL, and nothing cleans up. */
  kill(): Promise<void>;
}

/** Another process that starts a server as `startPostgres` does. */
export function startServerProcess(task: Task): ServerProcess {
  const args = [
    '--no-warnings',
    '--import',
    inProject('.config/ts-loader.js'),
    inProject('test/dev/server-process.ts'),
  ];
  const child: ChildProcess = spawn(process.execPath, [...args, JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdout } = child;
  if (!stdout) throw new Error('no output to read');
  const ended = once(child, 'close');
  return {
    said: once(createInterface({ input: stdout }), 'line').then(([line]) => JSON.parse(String(line)) as Started),
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
