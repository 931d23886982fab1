import { isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import { policyFiles } from './rule-files.ts';
import type { RuleFiles } from './rule-files.ts';
import { formatPath, readYaml } from './yaml.ts';
import type { Path } from './yaml.ts';

/** What one generation changes of another: plain data, kept with the event that activates it. */
export type RulesDiff = {
  /** Paths of files. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** One line for each member of a profile or a tool and each policy, for people. */
  readonly summary: readonly string[];
};

/** The text of each policy of a file by its id, as far as it can be read; the language is another room's. */
export type PoliciesOf = (text: string) => ReadonlyMap<string, string>;

const MAX_LINES = 200;
const MAX_VALUE_CHARS = 120;

/** What changes from `before` (none: everything is new) to `after`. */
export function diffRules(before: RuleFiles | undefined, after: RuleFiles, policiesOf: PoliciesOf): RulesDiff {
  const old: RuleFiles = before ?? {};
  const paths = [...new Set([...Object.keys(old), ...Object.keys(after)])].sort();
  const lines = [...offerLines(old, after, paths), ...policyLines(old, after, policiesOf)];
  const more = lines.length - MAX_LINES;
  return {
    added: paths.filter((path) => !Object.hasOwn(old, path)),
    removed: paths.filter((path) => !Object.hasOwn(after, path)),
    changed: paths.filter(
      (path) => Object.hasOwn(old, path) && Object.hasOwn(after, path) && old[path] !== after[path],
    ),
    summary: more > 0 ? [...lines.slice(0, MAX_LINES), `and ${more} more`] : lines,
  };
}

function offerLines(old: RuleFiles, after: RuleFiles, paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const [, folder = '', name] = /^(profiles|tools)\/(.*)\.yaml$/.exec(path) ?? [];
    if (name === undefined || old[path] === after[path]) return [];
    const what = `${folder === 'tools' ? 'tool' : 'profile'} ${name}`;
    if (!Object.hasOwn(old, path)) return [`${what}: new`];
    if (!Object.hasOwn(after, path)) return [`${what}: removed`];
    const [was, is] = [leaves(old[path] ?? ''), leaves(after[path] ?? '')];
    const changes = [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((member) => {
      const [from, to] = [was.get(member), is.get(member)];
      if (from === to) return [];
      return [`${what}: ${member} ${from === undefined ? 'set to' : `${short(from)} ->`} ${short(to ?? 'nothing')}`];
    });
    return changes.length > 0 ? changes : [`${what}: comments or layout`];
  });
}

const short = (text: string) => (text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}...` : text);

/** Each value of a document by its path, as JSON. */
function leaves(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const walk = (node: Json, path: Path): void => {
    if (isJsonObject(node) && Object.keys(node).length > 0) {
      for (const [name, item] of Object.entries(node)) walk(item, [...path, name]);
    } else {
      found.set(formatPath(path), JSON.stringify(node));
    }
  };
  walk(readYaml('', text).value ?? null, []);
  return found;
}

function policyLines(old: RuleFiles, after: RuleFiles, policiesOf: PoliciesOf): string[] {
  const [was, is] = [allPolicies(old, policiesOf), allPolicies(after, policiesOf)];
  return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((id) => {
    const [from, to] = [was.get(id), is.get(id)];
    if (from === to) return [];
    return [`policy ${id}: ${from === undefined ? 'new' : to === undefined ? 'removed' : 'changed'}`];
  });
}

function allPolicies(files: RuleFiles, policiesOf: PoliciesOf): ReadonlyMap<string, string> {
  return new Map(policyFiles(files).flatMap(([, text]) => [...policiesOf(text)]));
}
