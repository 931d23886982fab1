import type { JsonObject } from './json.ts';
import type { Effect } from './profile.ts';

/** What a mapped argument is to policies. Cedar has neither floats nor nulls: an amount is a Long of its smallest unit. */
export const MAPPED_TYPES = ['String', 'Long', 'Bool', 'SetOfString'] as const;
export type MappedType = (typeof MAPPED_TYPES)[number];

/** Never a float: a number is a whole one. */
export type MappedValue = string | number | boolean | readonly string[];

/** What policies see of a call's arguments; what a mapping leaves out is not there. */
export type Mapped = Readonly<Record<string, MappedValue>>;

/** Something that can be called, as its file says: who owns it, what it takes, and what of that policies see. */
export interface Tool {
  /** As enforcement points call it; a `*` stands for any characters. */
  readonly name: string;
  readonly owner: string;
  readonly environment: string;
  readonly effect: Effect;
  /** The audience for which a registered client may ask about others' calls; without one only the workload itself may ask. */
  readonly audience?: string;
  /** A call needs an active grant of one of these; without it, none. */
  readonly profiles?: readonly string[];
  /** JSON Schema, of the arguments as an object. */
  readonly arguments: JsonObject;
  readonly mapping: Readonly<Record<string, Mapping>>;
  /** By the name of a mapped Long. */
  readonly limits: Readonly<Record<string, Limit>>;
  readonly record: Recording;
  /** Whoever calls it is obliged to report how it went. */
  readonly report: boolean;
}

/** CEL over `arguments`. */
export interface Mapping {
  readonly type: MappedType;
  readonly cel: string;
  /** Only where this holds; otherwise there is no such member for this call. */
  readonly when?: string;
}

export interface Limit {
  readonly max: number;
  /** What is above it is denied, or waits for a person. */
  readonly above: 'deny' | 'approval';
}

/** What of a call's arguments is kept beside their hash, and what of them nobody is shown, as JSON pointers (RFC 6901; `*`: every one). */
export interface Recording {
  readonly arguments: 'none' | 'redacted' | 'all';
  readonly redact: readonly string[];
}

export const TOOL_NAME = /^[A-Za-z0-9*][A-Za-z0-9._:/*-]{0,127}$/;

/** Whether a name, exact or with `*`, covers the name of a call. */
export function covers(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name;
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > name.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether there is a name that both cover. */
export function overlap(one: string, other: string): boolean {
  const seen = new Map<string, boolean>();
  const meet = (i: number, j: number): boolean => {
    const key = `${i}:${j}`;
    const known = seen.get(key);
    if (known !== undefined) return known;
    const [a, b] = [one[i], other[j]];
    const met =
      a === undefined && b === undefined
        ? true
        : a === '*'
          ? meet(i + 1, j) || (b !== undefined && meet(i, j + 1))
          : b === '*'
            ? meet(i, j + 1) || (a !== undefined && meet(i + 1, j))
            : a === b && a !== undefined && meet(i + 1, j + 1);
    seen.set(key, met);
    return met;
  };
  return meet(0, 0);
}
