import { parse } from 'yaml';
import { blocksOf, readPage } from '../docs/pages.ts';

/** What a page of docs/stories shows: what its test runs is that, and nothing else. */
export interface StoryPage {
  /** Its blocks that begin with the name of a file of the rules. */
  readonly rules: Readonly<Record<string, string>>;
  /** The providers of its `writ.yaml`, an entry each, as `StorySetUp` takes them. */
  readonly providers: readonly string[];
  /** Its blocks of SQL, in order. */
  readonly sql: readonly string[];
}

const RULES_FILE = /^(?:#|\/\/) ((?:profiles|tools|policies)\/[\w.-]+)\n/;

export async function readStory(name: string): Promise<StoryPage> {
  const blocks = blocksOf(await readPage(`docs/stories/${name}.md`));
  const rules = blocks.flatMap(({ text }) => {
    const file = RULES_FILE.exec(text)?.[1];
    return file === undefined ? [] : [[file, text] as const];
  });
  const settings = blocks.filter(({ text }) => text.startsWith('# writ.yaml\n')).map(({ text }) => text);
  return {
    rules: Object.fromEntries(rules),
    providers: settings.flatMap(providersOf),
    sql: blocks.filter(({ language }) => language === 'sql').map(({ text }) => text),
  };
}

function providersOf(settings: string): string[] {
  const { providers = {} } = parse(settings) as { readonly providers?: Readonly<Record<string, object>> };
  return Object.entries(providers).map(([name, entry]) => `${name}: ${JSON.stringify(entry)}`);
}
