import type { Json, JsonObject } from '../domain/json.ts';
import type { Path } from './yaml.ts';

/** `$${` is a literal `${`; then `${NAME}`, `${NAME:-default}`; the last branch is what looks like one and is none. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Resolved {
  readonly value: Json;
  /** For each value that holds something of the environment, by `pathKey`: the variables' names. */
  readonly origins: ReadonlyMap<string, readonly string[]>;
  /** What the variables said, so that no message repeats it. */
  readonly taken: ReadonlySet<string>;
  readonly faults: readonly { readonly path: Path; readonly message: string }[];
}

export const pathKey = (path: Path): string => JSON.stringify(path);

/**
 * Puts environment variables into the strings of parsed data. Text that was put in is never parsed again, so a variable
 * cannot bring structure along. A member that consists of variables and comes out empty counts as left out, as does an
 * item of a list. Values under a path that `except` names stay as they are written.
 */
export function resolveEnvironment(value: Json, env: Environment, except: (path: Path) => boolean): Resolved {
  const origins = new Map<string, readonly string[]>();
  const taken = new Set<string>();
  const faults: { path: Path; message: string }[] = [];
  const fault = (path: Path, message: string) => void faults.push({ path, message });

  const text = (raw: string, path: Path): string | undefined => {
    const names: string[] = [];
    const result = raw.replace(REFERENCE, (match, name?: string, otherwise?: string) => {
      if (match === '$${') return '${';
      if (name === undefined) {
        fault(path, 'has a ${ that is neither ${NAME} nor ${NAME:-default}; $${ stands for a plain ${');
        return '';
      }
      names.push(name);
      const found = Object.hasOwn(env, name) ? env[name] : undefined;
      if (found === undefined && otherwise === undefined) {
        fault(path, `needs the environment variable ${name}, which is not set`);
      }
      if (found === undefined || (found === '' && otherwise !== undefined)) return otherwise ?? '';
      taken.add(found);
      return found;
    });
    if (names.length === 0) return result;
    origins.set(pathKey(path), names);
    return result === '' ? undefined : result;
  };

  const walk = (node: Json, path: Path): Json | undefined => {
    if (except(path)) return node;
    if (typeof node === 'string') return text(node, path);
    if (Array.isArray(node)) return node.flatMap((item: Json, index) => present(walk(item, [...path, index])));
    if (typeof node !== 'object' || node === null) return node;
    const entries = Object.entries(node as JsonObject).map(
      ([name, item]) => [name, walk(item, [...path, name])] as const,
    );
    return Object.fromEntries(entries.flatMap(([name, item]) => (item === undefined ? [] : [[name, item]])));
  };

  return { value: walk(value, []) ?? null, origins, taken, faults };
}

const present = (item: Json | undefined): Json[] => (item === undefined ? [] : [item]);
