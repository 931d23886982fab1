import type { Problem } from '../domain/problem.ts';
import { overlap } from '../domain/tool.ts';
import type { Tool } from '../domain/tool.ts';
import type { RuleFiles } from './rule-files.ts';
import { readTool } from './tool.ts';
import type { ReadTool, ToolFaults } from './tool.ts';
import { formatPath } from './yaml.ts';
import type { Path } from './yaml.ts';

/**
 * Every tool of a set of rules. Between them: no two are called the same or have patterns that cover the same name, a mapped name has
 * one type (it is one member of `context.arguments`), and the profiles that they name are there.
 */
export function readTools(
  files: RuleFiles,
  faultsOf: ToolFaults,
  profiles: ReadonlySet<string> | undefined,
): { tools: Tool[]; problems: Problem[] } {
  const read: ReadTool[] = [];
  const problems: Problem[] = [];
  for (const [file, text] of Object.entries(files)) {
    if (!file.startsWith('tools/')) continue;
    const one = readTool(file, text, faultsOf);
    problems.push(...one.problems);
    if (one.read) read.push(one.read);
  }
  read.forEach((one, index) => {
    const fault = (path: Path, message: string) =>
      problems.push({ file: one.file, line: one.lineOf(path), message: `${formatPath(path)} ${message}` });
    const others = read.slice(0, index);
    const taken = others.find((other) => clash(one.tool.name, other.tool.name));
    if (taken) fault(['name'], `"${one.tool.name}" covers what "${taken.tool.name}" of ${taken.file} covers`);
    for (const [name, { type }] of Object.entries(one.tool.mapping)) {
      const other = others.find(({ tool }) => typeIn(tool, name) !== undefined && typeIn(tool, name) !== type);
      if (other) fault(['mapping', name, 'type'], `is ${typeIn(other.tool, name)} in ${other.file}, not ${type}`);
    }
    for (const [at, name] of (profiles ? (one.tool.profiles ?? []) : []).entries()) {
      if (!profiles?.has(name)) fault(['profiles', at], `"${name}" is not a profile of these rules`);
    }
  });
  return { tools: read.map(({ tool }) => tool), problems };
}

/** An exact name may stand beside a pattern that covers it, and is then the one that counts. */
function clash(one: string, other: string): boolean {
  return one.includes('*') === other.includes('*') && overlap(one, other);
}

const typeIn = ({ mapping }: Tool, name: string) => (Object.hasOwn(mapping, name) ? mapping[name]?.type : undefined);
