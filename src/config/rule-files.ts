import { join } from 'node:path';
import { canonicalJson, isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import { ProblemsError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { sha256Hex } from '../domain/sha256.ts';
import { controlCharacter } from './text-file.ts';

/** The rules as text: path below the rules directory, with `/`, to content; sorted by path. */
export type RuleFiles = Readonly<Record<string, string>>;

export const SCHEMA_FILE = 'policies/schema.cedarschema';

const KNOWN = [
  { path: /^profiles\/[^/]+\.yaml$/, what: 'profiles/*.yaml' },
  { path: /^policies\/[^/]+\.cedar$/, what: 'policies/*.cedar' },
  { path: /^policies\/schema\.cedarschema$/, what: SCHEMA_FILE },
  { path: /^tools\/[^/]+\.yaml$/, what: 'tools/*.yaml' },
];
/** A file's name; also keeps it from meaning anything to a shell or a terminal. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export const MAX_FILE_BYTES = 256 * 1024;
export const MAX_TOTAL_BYTES = 2 * 1024 * 1024;
export const MAX_FILES = 2_000;

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
  if (!KNOWN.some((known) => known.path.test(path))) {
    return `is not known to this version of Writ; known are ${KNOWN.map(({ what }) => what).join(', ')}`;
  }
  const name = path.slice(path.indexOf('/') + 1);
  return FILE_NAME.test(name) ? undefined : 'has a name with more than letters, digits, dots, - and _';
}

/** Those that hold policies, with their paths. */
export function policyFiles(files: RuleFiles): (readonly [path: string, text: string])[] {
  return Object.entries(files).filter(([path]) => path.endsWith('.cedar'));
}

/** The one text of a generation, which its hash is over, and which the ledger keeps. */
export function rulesText(files: RuleFiles): string {
  return canonicalJson({ files });
}

/** SHA-256 of a generation's text, in hex. */
export const rulesHash = (text: string): string => sha256Hex(text);

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
