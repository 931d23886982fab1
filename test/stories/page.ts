import type { RuleFiles } from '../../src/config/index.ts';
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
