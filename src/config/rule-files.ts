import { createHash } from 'node:crypto';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { canonicalJson, isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import { ProblemsError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { controlCharacter, errorCode, readTextFile } from './text-file.ts';

/** The rules as text: path below the rules directory, with `/`, to content; sorted by path. */
export type RuleFiles = Readonly<Record<string, string>>;

export const SCHEMA_FILE = 'policies/schema.cedarschema';

const DIRECTORIES = ['profiles', 'policies', 'tools'] as const;
const KNOWN = [
  { path: /^profiles\/[^/]+\.yaml$/, what: 'profiles/*.yaml' },
  { path: /^policies\/[^/]+\.cedar$/, what: 'policies/*.cedar' },
  { path: /^policies\/schema\.cedarschema$/, what: SCHEMA_FILE },
];
/** A file's name; also keeps it from meaning anything to a shell or a terminal. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export const MAX_FILE_BYTES = 256 * 1024;
export const MAX_TOTAL_BYTES = 2 * 1024 * 1024;
export const MAX_FILES = 2_000;

/**
 * What editors and mounts leave beside files: hidden (`.orders.yaml.swp`, `.#orders.yaml`, a ConfigMap's `..data`), backups
 * (`orders.yaml~`), autosaves (`#orders.yaml#`). They are passed over, because apply-on-save would otherwise fail whenever
 * an editor is open, and none of them can be meant as a rule. Every other name that is not known is an error: a profile
 * called `.yml` must not vanish silently.
 */
export const LEFT_BY_TOOLS = /^\.|~$|^#.*#$/;

/** Reads the rules of a directory. @throws ProblemsError with every problem; files are named below `directory`. */
export async function readRules(directory: string): Promise<RuleFiles> {
  const problems: Problem[] = [];
  const files: [string, string][] = [];
  const root = await realpath(directory).catch((error: unknown) => {
    throw new ProblemsError([{ file: directory, line: 0, message: `cannot be read (${errorCode(error)})` }]);
  });

  for (const path of await listRules(root)) {
    const read = await readRule(root, path);
    if (read.ok) files.push([path, read.text]);
    else problems.push({ file: path, line: read.line, message: read.message });
    if (files.length + problems.length > MAX_FILES) break;
  }
  const rules = Object.fromEntries(files);
  const found = [...problems, ...checkRuleFiles(rules)];
  if (found.length > 0) throw new ProblemsError(inDirectory(found, directory));
  return rules;
}

/** Paths below the rules directory, sorted, without what tools leave behind; `a/b/` for a folder in a folder. */
export async function listRules(root: string): Promise<string[]> {
  const lists = await Promise.all(
    DIRECTORIES.map(async (name) => {
      const entries = await readdir(join(root, name)).catch((error: unknown) => missing(error, join(root, name)));
      return entries.filter((entry) => !LEFT_BY_TOOLS.test(entry)).map((entry) => `${name}/${entry}`);
    }),
  );
  return lists.flat().sort();
}

/** A folder that is not there holds nothing; one that cannot be read might hold anything. */
function missing(error: unknown, folder: string): string[] {
  if (errorCode(error) === 'ENOENT') return [];
  throw new ProblemsError([{ file: folder, line: 0, message: `cannot be read (${errorCode(error)})` }]);
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

/** What is wrong with a set of rule files before any is understood: also for sets that came over the network. */
export function checkRuleFiles(files: RuleFiles): Problem[] {
  const problems: Problem[] = [];
  let total = 0;
  for (const [file, text] of Object.entries(files)) {
    const bytes = Buffer.byteLength(text);
    total += bytes;
    const fault = nameFault(file) ?? (bytes > MAX_FILE_BYTES ? `is larger than ${MAX_FILE_BYTES} bytes` : undefined);
    if (fault !== undefined) problems.push({ file, line: 0, message: fault });
    const control = controlCharacter(text);
    if (control) problems.push({ file, ...control });
    if (/\p{Surrogate}/u.test(text)) problems.push({ file, line: 0, message: 'is not Unicode text' });
  }
  if (total > MAX_TOTAL_BYTES) problems.push(whole(`the rules are larger than ${MAX_TOTAL_BYTES} bytes together`));
  if (Object.keys(files).length > MAX_FILES) problems.push(whole(`there are more than ${MAX_FILES} files`));
  return problems;
}

const whole = (message: string): Problem => ({ file: '.', line: 0, message });

function nameFault(path: string): string | undefined {
  if (path.startsWith('tools/')) return 'is a tool, which this version of Writ does not know';
  if (!KNOWN.some((known) => known.path.test(path))) {
    return `is not known to this version of Writ; known are ${KNOWN.map(({ what }) => what).join(', ')}`;
  }
  const name = path.slice(path.indexOf('/') + 1);
  return FILE_NAME.test(name) ? undefined : 'has a name with more than letters, digits, dots, - and _';
}

/** The one text of a generation, which its hash is over, and which the ledger keeps. */
export function rulesText(files: RuleFiles): string {
  return canonicalJson({ files });
}

/** SHA-256 of a generation's text, in hex. */
export const rulesHash = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The files of a generation's text. @throws ProblemsError when it is not one, in canonical form. */
export function parseRulesText(text: string): RuleFiles {
  const files = filesOf(parseJson(text));
  if (!files || rulesText(files) !== text) throw new ProblemsError([whole('is not the text of a generation')]);
  return files;
}

/** Rule files from JSON that came over the network: a map of path to text; undefined when it is none. */
export function filesOf(value: Json | undefined): RuleFiles | undefined {
  const files = isJsonObject(value) ? value['files'] : undefined;
  if (!isJsonObject(files) || !isJsonObject(value) || Object.keys(value).length !== 1) return undefined;
  const entries = Object.entries(files).flatMap(([path, content]): [string, string][] =>
    typeof content === 'string' ? [[path, content]] : [],
  );
  if (entries.length !== Object.keys(files).length) return undefined;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** The same problems with their files named from where the caller stands. */
export function inDirectory(problems: readonly Problem[], directory: string): Problem[] {
  return problems.map((problem) => ({ ...problem, file: join(directory, problem.file) }));
}
