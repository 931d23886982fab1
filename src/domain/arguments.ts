import { canonicalJson, isJsonObject, isText } from './json.ts';
import type { Json, JsonObject } from './json.ts';

/** Bounds of a call's arguments, before any schema is asked: what bounds the work that they can cause. */
export const MAX_ARGUMENTS_CHARS = 32_768;
export const MAX_ARGUMENTS_DEPTH = 16;

/** Where something is wrong with arguments, as a JSON pointer, and what: a keyword of JSON Schema, or one of `SHAPE_PROBLEMS`. */
export interface ArgumentFault {
  readonly path: string;
  readonly problem: string;
}

export const SHAPE_PROBLEMS = ['too_large', 'too_deep', 'number_not_exact', 'text_not_kept'] as const;

/**
 * What no schema sees: a number that another reader would read otherwise (`1e400` is infinite here, and whole numbers beyond 2^53
 * are not what was written), text that the record cannot keep, and sheer size.
 */
function shapeFault(given: JsonObject): ArgumentFault | undefined {
  const open: [Json, string, number][] = [[given, '', 0]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, path, depth] = next;
    const problem = leafProblem(node);
    if (problem !== undefined) return { path, problem };
    if (typeof node !== 'object' || node === null) continue;
    if (depth === MAX_ARGUMENTS_DEPTH) return { path, problem: 'too_deep' };
    for (const [name, member] of Object.entries(node)) {
      if (!isText(name)) return { path, problem: 'text_not_kept' };
      open.push([member, `${path}/${escaped(name)}`, depth + 1]);
    }
  }
  return undefined;
}

function leafProblem(node: Json): (typeof SHAPE_PROBLEMS)[number] | undefined {
  if (typeof node === 'string' && !isText(node)) return 'text_not_kept';
  if (typeof node !== 'number') return undefined;
  return Number.isFinite(node) && (!Number.isInteger(node) || Number.isSafeInteger(node))
    ? undefined
    : 'number_not_exact';
}

/** A member's name as a step of a JSON pointer, and no longer than a message should be. */
const escaped = (name: string) => name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1');

export const REDACTED = '[redacted]';

/** A copy in which what the pointers lead to is blanked out; `*` stands for every member or item. */
export function redact(given: JsonObject, pointers: readonly string[]): JsonObject {
  const paths = pointers.map((pointer) => pointer.split('/').slice(1).map(unescaped));
  const walk = (node: Json, open: readonly (readonly string[])[]): Json => {
    if (open.length === 0) return node;
    if (open.some((path) => path.length === 0)) return REDACTED;
    const below = (name: string) => open.filter(([step]) => step === name || step === '*').map((path) => path.slice(1));
    if (Array.isArray(node)) return node.map((item: Json, index) => walk(item, below(String(index))));
    if (!isJsonObject(node)) return node;
    return Object.fromEntries(Object.entries(node).map(([name, member]) => [name, walk(member, below(name))]));
  };
  return walk(given, paths) as JsonObject;
}

const unescaped = (step: string) => step.replaceAll('~1', '/').replaceAll('~0', '~');

export type ReadArguments =
  | { readonly ok: true; /** Canonical: what their hash is over. */ readonly text: string }
  | { readonly ok: false; readonly fault: ArgumentFault };

/** Arguments within the bounds that hold for every tool. */
export function readArguments(given: JsonObject): ReadArguments {
  const fault = shapeFault(given);
  if (fault) return { ok: false, fault };
  const text = canonicalJson(given);
  return text.length > MAX_ARGUMENTS_CHARS
    ? { ok: false, fault: { path: '', problem: 'too_large' } }
    : { ok: true, text };
}
