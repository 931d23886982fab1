import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const project = fileURLToPath(new URL('../..', import.meta.url));

/** How much of some functions' bytecode is there after they were not called for a while. */
async function kept(...args: string[]): Promise<number> {
  const options = ['--no-warnings', '--import', './.config/ts-loader.js', 'test/http/compiled-code-process.ts'];
  const { stdout } = await promisify(execFile)(process.execPath, [...options, ...args], { cwd: project });
  return (JSON.parse(stdout) as { kept: number }).kept;
}

test('a process in which a broker was started keeps what it has compiled; any other lets go of what is not called', async () => {
  expect(await kept('broker')).toBeGreaterThan(0.8);
  expect(await kept()).toBeLessThan(0.2);
});
