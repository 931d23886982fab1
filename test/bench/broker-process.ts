import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NODE_SETTINGS } from './helper-process.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** The broker as its users start it. Resolves once it listens. */
export async function startBrokerProcess(config: string) {
  const broker = spawn(process.execPath, [...NODE_SETTINGS, main, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WRIT_LOG_LEVEL: 'info', NODE_ENV: 'production' },
  });
  const url = await new Promise<string>((resolve, reject) => {
    const lines = createInterface({ input: broker.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { msg?: string; url?: string };
      if (said.msg !== 'listening' || said.url === undefined) return;
      // The load shares the machine's cores with what it measures: the log is taken off, and not read.
      lines.close();
      broker.stdout.resume();
      resolve(said.url);
    });
    broker.once('exit', () => {
      reject(new Error('the broker did not start'));
    });
  });
  return {
    url,
    pid: broker.pid ?? 0,
    async stop() {
      if (broker.exitCode !== null || broker.signalCode !== null) return;
      const gone = once(broker, 'exit');
      broker.kill('SIGTERM');
      await gone;
    },
  };
}
