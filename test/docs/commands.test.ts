import { openStation } from '../cli/harness.ts';
import type { Station } from '../cli/harness.ts';
import { allPages, blocksOf, codesOf, proseOf, readPage } from './pages.ts';

/** Every `writ` command of every page exists, with the options that are given to it. docs/cli.md has all of them. */
let station: Station;
let commands: ReadonlyMap<string, ReadonlySet<string>>;
beforeAll(async () => {
  station = openStation();
  commands = await allCommands();
});
afterAll(() => station.close());

async function help(words: readonly string[]): Promise<{ commands: string[]; options: string[] }> {
  const { stdout } = await station.run([...words, '--help']);
  const inner = /\nCommands:\n([\s\S]*?)\n\n/.exec(`${stdout}\n\n`)?.[1] ?? '';
  const names = [...inner.matchAll(/^ {2}([a-z]+)/gm)].map((match) => match[1] ?? '');
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1] ?? '');
  return { commands: names.filter((name) => name !== 'help'), options };
}

/** The words of each command to its options; what only groups others is there too, without options. */
async function allCommands(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>([['', new Set((await help([])).options)]]);
  for (const name of (await help([])).commands) {
    const { commands: inner, options } = await help([name]);
    found.set(name, new Set(options));
    for (const each of inner) found.set(`${name} ${each}`, new Set((await help([name, each])).options));
  }
  return found;
}

interface Use {
  readonly page: string;
  readonly line: string;
}

/** Lines of code that begin with a call of `writ`, in blocks and in the text. */
async function uses(): Promise<Use[]> {
  const found: Use[] = [];
  for (const page of await allPages()) {
    const text = await readPage(page);
    const lines = blocksOf(text)
      .filter(({ language }) => language === 'sh' || language === '')
      .flatMap((block) => block.text.replaceAll('\\\n', ' ').split('\n'));
    for (const line of [...lines, ...codesOf(proseOf(text))]) {
      for (const match of line.matchAll(/(?:^|[ (])(?:npx )?writ ((?:[a-z]|-)[^|)]*)/g)) {
        found.push({ page, line: match[1] ?? '' });
      }
    }
  }
  return found;
}

test('every command, with its options', async () => {
  const all = await uses();
  expect(all.length).toBeGreaterThan(40);
  expect(all.flatMap(({ page, line }) => faultsOf(line).map((fault) => `${page}: writ ${line}: ${fault}`))).toEqual([]);
});

function faultsOf(line: string): string[] {
  const [before = ''] = line.split(/ -- | # /);
  const words = before.replaceAll(/"[^"]*"|'[^']*'/g, 'TEXT').split(/\s+/);
  const [first = '', second = ''] = words;
  const command =
    [`${first} ${second}`, first].find((name) => commands.has(name)) ?? (first.startsWith('-') ? '' : undefined);
  if (command === undefined) return ['no such command'];
  const options = words.filter((word) => word.startsWith('--') && word !== '--help' && word !== '--');
  return options.filter((option) => !commands.get(command)?.has(option.replace(/=.*/, '').replace(/[.,;]$/, '')));
}
