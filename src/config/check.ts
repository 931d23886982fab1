import type { z } from 'zod';
import { isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import { formatPath } from './yaml.ts';
import type { Path } from './yaml.ts';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/** Takes what is wrong with the value at a path. `{value}` in a message stands for the value, where it may be shown. */
export type Report = (path: Path, message: string) => void;

/**
 * Holds a value against a schema and reports every fault, each at its own path below `base`, as what would be right.
 * Undefined when there was one. Nothing that zod says repeats a value.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, base: Path, report: Report): T | undefined {
  const result = safely(() => schema.safeParse(value, { error: describe }));
  if (!result) report(base, 'could not be checked');
  else if (result.success) return result.data;
  else for (const issue of result.error.issues) reportIssue(issue, base, report);
  return undefined;
}

/** A schema's own refinement may throw on what it did not expect. */
function safely<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

function reportIssue(issue: Issue, base: Path, report: Report): void {
  const path = [...base, ...issue.path.filter((step) => typeof step !== 'symbol')];
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) report([...path, key], issue.message);
  } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const [nearest = []] = [...issue.errors].sort((a, b) => distance(a) - distance(b));
    for (const inner of nearest) reportIssue(inner, path, report);
  } else if (issue.code === 'invalid_key') {
    for (const inner of issue.issues) report(path, inner.message.replaceAll('{value}', '{name}'));
  } else {
    report(path, issue.message);
  }
}

/** How far a value is from one form of a union: one of another type altogether is not meant. */
function distance(issues: readonly Issue[]): number {
  const another = issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0);
  return another ? Number.POSITIVE_INFINITY : issues.length;
}

/** What would be right; used where a schema has no message of its own. */
function describe(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.input === undefined ? 'is required' : `must be ${issue.values.map(String).join(' or ')}`;
    case 'unrecognized_keys':
      return `is not known here${known(issue.inst)}`;
    case 'too_small':
      return `needs at least ${amount(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `takes at most ${amount(issue.maximum, issue.origin)}`;
    case 'invalid_format':
      return `must be ${issue.format === 'url' ? 'a URL' : `of the form ${issue.format}`}`;
    case 'invalid_union':
      return Array.isArray(issue.options)
        ? `must be ${issue.options.map(String).join(' or ')}`
        : 'has no form that is known';
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'not_multiple_of':
      return undefined;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of members',
  record: 'a map of members',
};

function amount(limit: number | bigint, origin: string): string {
  if (origin === 'string') return `${String(limit)} characters`;
  return origin === 'array' || origin === 'set' ? `${String(limit)} items` : String(limit);
}

function known(inst: unknown): string {
  if (typeof inst !== 'object' || inst === null || !('shape' in inst)) return '';
  const { shape } = inst;
  const members = typeof shape === 'object' && shape !== null ? Object.keys(shape) : [];
  return members.length === 0 ? '' : `; known are ${members.join(', ')}`;
}

/** The value at a path of parsed data, as a message shows it. */
export function showValue(value: Json, path: Path): string {
  const found = path.reduce<Json | undefined>((around, step) => {
    if (Array.isArray(around)) return (around as readonly Json[])[Number(step)];
    return isJsonObject(around) ? around[String(step)] : undefined;
  }, value);
  const written = JSON.stringify(found ?? null);
  return written.length > MAX_SHOWN ? `${written.slice(0, MAX_SHOWN)}...` : written;
}

const MAX_SHOWN = 80;

/** The message of a problem: where, and what would be right, with the value filled in where it may be shown. */
export function phrase(path: Path, message: string, shown: string): string {
  const name = String(path.at(-1) ?? '');
  return `${formatPath(path)} ${message.replaceAll('{value}', shown).replaceAll('{name}', JSON.stringify(name))}`.trim();
}
