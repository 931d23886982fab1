import { readFile } from 'node:fs/promises';
import { EXIT } from '../../src/cli/exit.ts';
import { openStation } from './harness.ts';
import type { Station } from './harness.ts';

/** docs/cli.md says what the program does: every command, option and exit code, and none besides. */
let page: string;
let station: Station;
beforeEach(async () => {
  page = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  station = openStation();
});
afterEach(() => station.close());

async function helpOf(command: readonly string[]): Promise<{ commands: string[]; options: string[] }> {
  const { stdout } = await station.run([...command, '--help']);
  const commands = /\nCommands:\n([\s\S]*?)\n\n/.exec(`${stdout}\n\n`)?.[1] ?? '';
  const own = [...commands.matchAll(/^ {2}([a-z]+)/gm)]
    .map((match) => String(match[1]))
    .filter((name) => name !== 'help');
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => String(match[1]));
  return { commands: own, options };
}

test('every command and option', async () => {
  const { commands } = await helpOf([]);
  expect(commands.length).toBeGreaterThan(10);
  const known = new Set(['--help', '--version']);
  for (const name of commands) {
    const { commands: inner, options } = await helpOf([name]);
    const all = [...options];
    for (const each of inner) {
      const below = await helpOf([name, each]);
      all.push(...below.options);
      for (const last of below.commands) all.push(...(await helpOf([name, each, last])).options);
    }
    for (const words of inner.length > 0 ? inner.map((each) => `writ ${name} ${each}`) : [`writ ${name}`]) {
      expect(page).toContain(words);
    }
    for (const option of all) known.add(option);
  }
  for (const option of known) if (!['--help', '--version'].includes(option)) expect(page).toContain(option);
  const written = [...page.matchAll(/`[^`\n]*?(--[a-z][a-z-]*)/g)].map((match) => String(match[1]));
  expect(written.filter((option) => !known.has(option))).toEqual([]);
});

test('every exit code', () => {
  const table = page.slice(page.indexOf('| exit code'), page.indexOf('| the command'));
  const written = [...table.matchAll(/^\| (\d[\d, ]*) +\|/gm)].flatMap((match) =>
    String(match[1]).split(',').map(Number),
  );
  expect(new Set(written)).toEqual(new Set(Object.values(EXIT)));
});
