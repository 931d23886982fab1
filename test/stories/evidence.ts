import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { until } from '../support/waiting.ts';
import type { Story } from './world.ts';

/** Each control's text names it: the framework whose words fit all stories. */
const FRAMEWORK = 'nist-csf-2.0';
const MOST = `select task_id as task from events where task_id is not null group by 1 order by count(*) desc, 1 limit 1`;
const WAITING = `select (select count(*) from events where leaf is null)::int + (select size from log_head)::int
  - (select coalesce(max(size), 0) from log_checkpoints)::int as n`;

/**
 * What an auditor is given of a story, made by the command line: the evidence for a framework, and the timeline of the task that most happened
 * on. Only where WRIT_EVIDENCE names a directory: `WRIT_EVIDENCE=docs/evidence npm test -- test/stories` makes the example.
 */
export async function keepEvidence(story: Pick<Story, 'select' | 'writ'>): Promise<void> {
  const directory = process.env['WRIT_EVIDENCE'];
  if (directory === undefined) return;
  const name = basename(expect.getState().testPath ?? 'story').replace(/\.test\.ts$/, '');
  const at = resolve(directory, name);
  // the first of a file's stories; the others are variations of it
  if ((await mkdir(at, { recursive: true })) === undefined) return;
  const [found] = await story.select<{ task: string }>(MOST);
  if (!found) return;
  await until(async () => (await story.select<{ n: number }>(WAITING))[0]?.n === 0);
  const keep = async (file: string, argv: readonly string[]) => {
    const lines = await story.writ([...argv, '--json', '--html', join(at, `${file}.html`)], 'auditor');
    const json: unknown = JSON.parse(lines.find((line) => line.startsWith('{')) ?? 'null');
    await writeFile(join(at, `${file}.json`), `${JSON.stringify(json, null, 2)}\n`);
  };
  await keep('timeline', ['audit', 'timeline', found.task]);
  await keep(FRAMEWORK, ['audit', 'evidence', '--framework', FRAMEWORK]);
}
