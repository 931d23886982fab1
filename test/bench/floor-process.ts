import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FloorInput } from './floor.ts';
import type { Figures } from './measure.ts';

const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The floor in a process of its own, as the broker is: measured when asked, idle in between. */
export interface Floor {
  measure(callers: number, count: number): Promise<Figures>;
  stop(): Promise<void>;
}

export async function startFloor(input: FloorInput): Promise<Floor> {
  const args = [
    '--no-warnings',
    '--import',
    inProject('.config/ts-loader.js'),
    inProject('test/bench/floor.ts'),
    JSON.stringify(input),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await answers.next();
    if (done) throw new Error('the floor has ended');
    return value;
  };
  await next(); // it is ready
  return {
    async measure(callers, count) {
      child.stdin.write(`${JSON.stringify({ callers, count })}\n`);
      return JSON.parse(await next()) as Figures;
    },
    async stop() {
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  };
}
