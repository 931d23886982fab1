import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serverUser } from '../../src/dev/server-user.ts';
import { makeReachable } from '../../src/dev/state-directory.ts';
import { testServers } from './servers.ts';

const LOADER = fileURLToPath(new URL('../../.config/ts-loader.js', import.meta.url));

test('a file in TypeScript runs as it is, imports others, and its errors name the place in it', async () => {
  const directory = await makeReachable('loader-', await serverUser(), [testServers().directory]);
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  await writeFile(join(directory, 'other.ts'), 'interface A { x: number }\nexport const a: A = { x: 42 };\n');
  await writeFile(
    join(directory, 'main.ts'),
    `import { a } from './other.ts';\n\ntype X = string;\n\nconsole.log(a.x, new Error('here').stack?.split('\\n')[1]);\n`,
  );
  const args = ['--enable-source-maps', '--import', LOADER, join(directory, 'main.ts')];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toMatch(/^42 .*main\.ts:5:18\)?\n$/);
});
