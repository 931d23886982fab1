import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EXPECTED, SHOWN } from '../domain/controls.ts';
import type { Framework } from '../domain/controls.ts';
import { ProblemsError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { check } from './check.ts';
import { readTextFile } from './text-file.ts';
import { readYaml } from './yaml.ts';

const MAX_BYTES = 1024 * 1024;
const line = z.string().min(1).max(1_000);
const eventType = z
  .string()
  .regex(/^[a-z]+\.(\*|[a-z_]+)$/, '{value} is no type of event, such as grant.activated or grant.*');

export const controlEntry = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._()/-]{0,99}$/, '{value} is not an identifier that @control can name'),
  aliases: z.array(z.string().min(1).max(100)).default([]),
  about: line,
  events: z.array(eventType).default([]),
  shows: z.array(z.enum(SHOWN)).default([]),
  expects: z.array(z.enum(EXPECTED)).default([]),
  cannot: line.exactOptional(),
});

/** A file of `controls/`. */
export const frameworkFile = z
  .strictObject({
    framework: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, '{value} is not a name: a-z, 0-9, dots and -'),
    title: line,
    version: line,
    prefix: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, '{value} is not how @control can begin'),
    source: z.url(),
    cannot: z.array(line).default([]),
    controls: z.array(controlEntry).min(1),
  })
  .superRefine(({ controls }, context) => {
    for (const [n, { id }] of controls.entries()) {
      if (controls.findIndex((other) => other.id === id) < n)
        context.addIssue({ code: 'custom', path: ['controls', n, 'id'], message: '{value} is there twice' });
    }
  });

/** The names of the frameworks that directories hold a file of, sorted. A directory that is not there holds none. */
export async function listFrameworks(directories: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(directories.map((directory) => readdir(directory).catch(() => [])));
  const names = lists.flat().filter((name) => /^[a-z0-9][a-z0-9.-]*\.yaml$/.test(name));
  return [...new Set(names.map((name) => name.replace(/\.yaml$/, '')))].sort();
}

/**
 * Reads the mapping of a framework from the first directory that has it. @throws ProblemsError with all that is wrong with it, or
 * with the names that there are.
 */
export async function readFramework(name: string, directories: readonly string[]): Promise<Framework> {
  const known = await listFrameworks(directories);
  if (!known.includes(name))
    throw new ProblemsError([{ file: name, line: 0, message: `is no framework here; known are ${known.join(', ')}` }]);
  for (const directory of directories) {
    if (!(await listFrameworks([directory])).includes(name)) continue;
    const file = join(directory, `${name}.yaml`);
    const read = await readTextFile(file, MAX_BYTES);
    if (!read.ok) throw new ProblemsError([{ file, line: read.line, message: read.message }]);
    return parseFramework(file, name, read.text);
  }
  throw new Error('listed, and not found');
}

function parseFramework(file: string, name: string, text: string): Framework {
  const yaml = readYaml(file, text);
  const problems: Problem[] = [...yaml.problems];
  const report = (path: readonly (string | number)[], message: string) =>
    void problems.push(yaml.problem(path, message.replaceAll('{value}', 'this')));
  const found = yaml.value === undefined ? undefined : check(frameworkFile, yaml.value, [], report);
  if (found && found.framework !== name) report(['framework'], `must be ${name}, as the file is called`);
  if (problems.length > 0 || !found) throw new ProblemsError(problems);
  return found;
}
