import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** As docs/operations.md has a broker started; its floor is given the same. */
export const NODE_SETTINGS = ['--max-semi-space-size=32'];
/** What a broker tells V8 by itself (compiled-code.ts): its floor is not to be held against it while it compiles. */
const BY_ITSELF = ['--no-flush-bytecode'];

/** A file of this folder in a process of its own, as the broker is: asked a line of JSON at a time, idle in between. */
export interface Helper {
  /** What it said first. */
  readonly ready: unknown;
  ask(question: object): Promise<unknown>;
  stop(): Promise<void>;
}

/** @param input - its one argument, as JSON. */
export async function startHelper(file: string, input: object): Promise<Helper> {
  const loader = ['--no-warnings', '--import', inProject('.config/ts-loader.js')];
  const child = spawn(
    process.execPath,
    [...NODE_SETTINGS, ...BY_ITSELF, ...loader, inProject(`test/bench/${file}`), JSON.stringify(input)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_ENV: 'production' },
    },
  );
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await answers.next();
    if (done) throw new Error(`${file} has ended`);
    return JSON.parse(value) as unknown;
  };
  return {
    ready: await next(),
    ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return next();
    },
    async stop() {
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  };
}

/** The other side: the argument that it was started with. */
export function inputOf(): unknown {
  return JSON.parse(process.argv[2] ?? '') as unknown;
}

/** Says that it is ready, and answers until nobody asks any more. */
export async function answerWith(ready: object, answer: (question: unknown) => Promise<object>): Promise<void> {
  const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) say(await answer(JSON.parse(line) as unknown));
}
