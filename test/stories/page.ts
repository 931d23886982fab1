import { parse } from 'yaml';
import type { RuleFiles } from '../../src/config/index.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { blocksOf, readPage } from '../docs/pages.ts';

/**
 * The rules of a story as its page shows them, so that what is read there is what runs here: every block of YAML that begins with its
 * file's name, and all blocks of Cedar as one file.
 * @param name - of `docs/stories/<name>.md`. @throws Error where the page shows no policies.
 */
export async function rulesOnPage(name: string): Promise<RuleFiles> {
  const blocks = blocksOf(await readPage(`docs/stories/${name}.md`));
  const policies = blocks.filter(({ language }) => language === 'cedar').map(({ text }) => text);
  if (policies.length === 0) throw new Error(`docs/stories/${name}.md shows no policies`);
  const files = blocks.flatMap(({ language, text }): [string, string][] => {
    const file = /^# ((?:profiles|tools)\/[\w.-]+\.yaml)\n/.exec(text)?.[1];
    return language === 'yaml' && file !== undefined ? [[file, text]] : [];
  });
  return { ...Object.fromEntries(files), 'policies/story.cedar': policies.join('\n') };
}

/** The providers of its `writ.yaml`, as `startStory` takes them. */
export async function providersOnPage(name: string): Promise<JsonObject> {
  const blocks = blocksOf(await readPage(`docs/stories/${name}.md`));
  const settings = blocks.filter(({ text }) => text.startsWith('# writ.yaml\n'));
  return Object.assign(
    {},
    ...settings.map(({ text }) => (parse(text) as { providers?: object }).providers),
  ) as JsonObject;
}

/** Its blocks of SQL, in order. */
export async function sqlOnPage(name: string): Promise<string[]> {
  const blocks = blocksOf(await readPage(`docs/stories/${name}.md`));
  return blocks.filter(({ language }) => language === 'sql').map(({ text }) => text);
}
