import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Problem } from '../domain/problem.ts';
import { phrase, showValue } from './check.ts';
import type { Report } from './check.ts';
import { pathKey, resolveEnvironment } from './environment.ts';
import type { Environment, Resolved } from './environment.ts';
import type { Overlay } from './settings.ts';
import type { Path, YamlFile } from './yaml.ts';

/** A document whose variables are filled in, and where its problems are gathered. */
export interface Form {
  readonly value: Json;
  /** Names of the providers whose `when` came out empty. */
  readonly off: ReadonlySet<string>;
  readonly report: Report;
  /** In line order, each once. */
  readonly problems: () => Problem[];
}

/** What a variable said is cut from messages from this length on; shorter, it says nothing and hits too much. */
const TELLING = 4;

/**
 * Fills in the environment, then adds what the overlay has, which is taken as it is. What came from the environment is
 * never shown in a message, also where a kind's own schema would.
 */
export function openForm(yaml: YamlFile, env: Environment, overlay: Overlay): Form {
  const variables = { ...env, ...overlay.env };
  const off = providersOff(yaml.value ?? null, variables);
  const resolved = resolveEnvironment(yaml.value ?? null, variables, ([section, name, member]) => {
    return section === 'providers' && off.has(String(name)) && member !== undefined && member !== 'when';
  });
  const value = withOverlay(resolved.value, overlay);
  const found = new Map<string, Problem>();
  const settled = new Set(resolved.faults.map(({ path }) => pathKey(path)));

  const add = (path: Path, message: string) => {
    const problem = yaml.problem([], discreet(phrase(path, message, shown(path, value, resolved)), resolved));
    const placed = { ...problem, line: yaml.lineOf(path) };
    found.set(JSON.stringify([placed.line, placed.message]), placed);
  };
  for (const { path, message } of resolved.faults) add(path, message);
  return {
    value,
    off,
    report: (path, message) => {
      if (!settled.has(pathKey(path))) add(path, message);
    },
    problems: () => [...found.values()].sort((a, b) => a.line - b.line),
  };
}

/** Names of the providers whose `when` comes out empty: the rest of such an entry need not resolve. */
export function providersOff(value: Json, env: Environment): ReadonlySet<string> {
  const off = Object.entries(mapOf(value, 'providers')).filter(([, entry]) => {
    const when = isJsonObject(entry) ? entry['when'] : undefined;
    if (typeof when !== 'string') return false;
    const { value: said, faults } = resolveEnvironment([when], env, () => false);
    return faults.length === 0 && (!Array.isArray(said) || said.length === 0 || String(said[0]).trim() === '');
  });
  return new Set(off.map(([name]) => name));
}

/** A section, where it is a map; else an empty one. */
export function mapOf(value: Json, section: string): JsonObject {
  const found = isJsonObject(value) ? value[section] : undefined;
  return isJsonObject(found) ? found : {};
}

/** A list of a section, where it is one; else an empty one. */
export function listOf(value: Json, section: string, list: string): readonly Json[] {
  const found = mapOf(value, section)[list];
  return Array.isArray(found) ? (found as readonly Json[]) : [];
}

function withOverlay(value: Json, { trust = [], operators = [], outboundAllow = [] }: Overlay): Json {
  const added = append(value, 'identity', 'trust', trust);
  return append(append(added, 'operators', 'trust', operators), 'outbound', 'allow', outboundAllow);
}

/** With items added to a list of a section, either of which may not be there. A wrong shape is left for the schema. */
function append(value: Json, section: string, list: string, items: readonly Json[]): Json {
  if (items.length === 0) return value;
  const whole: JsonObject = isJsonObject(value) ? value : {};
  const old = whole[section] ?? {};
  if (!isJsonObject(old)) return value;
  const present = old[list] ?? [];
  if (!Array.isArray(present)) return value;
  return { ...whole, [section]: { ...old, [list]: [...(present as readonly Json[]), ...items] } };
}

function shown(path: Path, value: Json, { origins }: Resolved): string {
  const names = origins.get(pathKey(path));
  if (names) return `the value of ${names.join(' and ')}`;
  return showValue(value, path);
}

function discreet(message: string, { taken }: Resolved): string {
  const values = [...taken].filter((value) => value.length >= TELLING).sort((a, b) => b.length - a.length);
  return values.reduce((cut, value) => cut.replaceAll(value, '[from the environment]'), message);
}
