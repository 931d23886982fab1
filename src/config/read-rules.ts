import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { ProblemsError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { MAX_FILES, MAX_FILE_BYTES, checkRuleFiles, inDirectory } from './rule-files.ts';
import type { RuleFiles } from './rule-files.ts';
import { errorCode, readTextFile } from './text-file.ts';

const DIRECTORIES = ['profiles', 'policies', 'tools'] as const;

/**
 * What editors and mounts leave beside files: hidden (`.orders.yaml.swp`, `.#orders.yaml`, a ConfigMap's `..data`), backups
 * (`orders.yaml~`), autosaves (`#orders.yaml#`). They are passed over, because apply-on-save would otherwise fail whenever
 * an editor is open, and none of them can be meant as a rule. Every other name that is not known is an error: a profile
 * called `.yml` must not vanish silently.
 */
export const LEFT_BY_TOOLS = /^\.|~$|^#.*#$/;

/** Reads the rules of a directory. @throws ProblemsError with every problem; files are named below `directory`. */
export async function readRules(directory: string): Promise<RuleFiles> {
  const { files, problems } = await scanRules(directory);
  const found = [...problems, ...checkRuleFiles(files)];
  if (found.length > 0) throw new ProblemsError(inDirectory(found, directory));
  return files;
}

/**
 * The rules of a directory as far as they can be read, and why the rest cannot: for whoever reports everything, together
 * with what `compileRules` finds. Problems name files as the rules do.
 */
export async function scanRules(directory: string): Promise<{ files: RuleFiles; problems: readonly Problem[] }> {
  const { root, paths, problems } = await listRules(directory);
  const files: [string, string][] = [];
  for (const path of paths.slice(0, MAX_FILES + 1)) {
    const read = await readRule(root, path);
    if (read.ok) files.push([path, read.text]);
    else problems.push({ file: path, line: read.line, message: read.message });
  }
  return { files: Object.fromEntries(files), problems };
}

/** Paths below the rules directory, sorted, without what tools leave behind. */
export async function listRules(directory: string): Promise<{ root: string; paths: string[]; problems: Problem[] }> {
  const problems: Problem[] = [];
  const unreadable = (file: string, code: string) => {
    problems.push({ file, line: 0, message: `cannot be read (${code})` });
    return [];
  };
  const root = await realpath(directory).catch((error: unknown) => {
    unreadable('.', errorCode(error));
    return undefined;
  });
  if (root === undefined) return { root: directory, paths: [], problems };
  const lists = await Promise.all(
    DIRECTORIES.map(async (name) => {
      // A folder that is not there holds nothing; one that cannot be read might hold anything.
      const entries = await readdir(join(root, name)).catch((error: unknown) =>
        errorCode(error) === 'ENOENT' ? [] : unreadable(name, errorCode(error)),
      );
      return entries.filter((entry) => !LEFT_BY_TOOLS.test(entry)).map((entry) => `${name}/${entry}`);
    }),
  );
  return { root, paths: lists.flat().sort(), problems };
}

/** A file of the rules, or a link to one that stays below the directory. */
async function readRule(root: string, path: string) {
  const fault = (message: string) => ({ ok: false, line: 0, message }) as const;
  const real = await realpath(join(root, path)).catch(() => undefined);
  if (real === undefined) return fault('cannot be read');
  if (!real.startsWith(root + sep)) return fault('is a link to a place outside the rules directory');
  const about = await stat(real).catch(() => undefined);
  if (!about?.isFile()) return fault('is not a file');
  return readTextFile(real, MAX_FILE_BYTES);
}
