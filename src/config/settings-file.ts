import { join } from 'node:path';
import { ProblemsError } from '../domain/problem.ts';
import { readTextFile } from './text-file.ts';
import { readYaml } from './yaml.ts';
import type { YamlFile } from './yaml.ts';

const MAX_BYTES = 1024 * 1024;

/** `writ.yaml` of a directory as YAML, which may have problems. @throws ProblemsError when it is no text at all. */
export async function readSettingsYaml(directory: string): Promise<YamlFile> {
  const file = join(directory, 'writ.yaml');
  const read = await readTextFile(file, MAX_BYTES);
  if (!read.ok) throw new ProblemsError([{ file, line: read.line, message: read.message }]);
  return readYaml(file, read.text);
}
