import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What `npm run build` made; a test of another build names it. */
const MAIN = process.env['WRIT_TEST_MAIN'] ?? fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A child that outlives its test run would go on reaping: it ends when the pipe to its standard input does. */
const END_WITH_PARENT =
  `data:text/javascript,import{isMainThread}from"node:worker_threads";` +
  `if(isMainThread)process.stdin.on("close",()=>process.exit(99)).resume().unref()`;

export interface WritProcess {
  readonly pid: number;
  /** What it has said so far, a line each, both outputs. */
  readonly lines: readonly string[];
  /** SIGSTOP and SIGCONT included. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves once a line fits; rejects if the process ends before. */
  said(what: RegExp): Promise<RegExpExecArray>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface BrokerProcess extends WritProcess {
  readonly url: string;
}

/** `writ ARGUMENTS`, as a process of its own with nothing in its environment but `env`. */
export function startWrit(args: readonly string[], env: Readonly<Record<string, string>>, cwd?: string): WritProcess {
  const child = spawn(process.execPath, ['--import', END_WITH_PARENT, MAIN, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const wake = () => waiting.forEach((look) => look());
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      wake();
    });
  }
  let ended = false;
  const exited = once(child, 'close').then(([code, signal]: unknown[]) => {
    ended = true;
    wake();
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  return {
    pid: child.pid ?? 0,
    lines,
    kill: (signal) => void child.kill(signal),
    exited,
    said: (what) =>
      new Promise((resolve, reject) => {
        let from = 0;
        const look = () => {
          for (; from < lines.length; from++) {
            const found = what.exec(lines[from] ?? '');
            if (!found) continue;
            waiting.delete(look);
            resolve(found);
            return;
          }
          if (ended) reject(new Error(`the process has ended and did not say ${what.source}:\n${lines.join('\n')}`));
        };
        waiting.add(look);
        look();
      }),
  };
}

/** `writ serve`, once it listens. */
export async function startServe(config: string, env: Readonly<Record<string, string>>): Promise<BrokerProcess> {
  const broker = startWrit(['serve', '--config', config], env);
  const listening = await broker.said(/"url":"([^"]+)","msg":"listening"/);
  return Object.assign(broker, { url: listening[1] ?? '' });
}

/** Runs a command to its end. @throws Error with its output when it exits with anything but 0. */
export async function runWrit(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string[]> {
  const command = startWrit(args, env);
  const { code } = await command.exited;
  if (code !== 0) throw new Error(`writ ${args.join(' ')} exited with ${String(code)}:\n${command.lines.join('\n')}`);
  return [...command.lines];
}
