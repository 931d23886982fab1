import type { Json } from './json.ts';
import type { Parameters, Profile } from './profile.ts';

/** A parameter's value has at most so many UTF-16 code units: what bounds the time that matching a pattern can take. */
export const MAX_PARAMETER_CHARS = 256;

/** One thing wrong with the parameters of a request. The value itself is not repeated. */
export interface ParameterFault {
  readonly parameter: string;
  readonly problem: 'unknown' | 'missing' | 'not_a_string' | 'too_long' | 'does_not_match';
  /** What would match, with `does_not_match`. */
  readonly pattern?: string;
}

export type CheckedParameters =
  | { readonly ok: true; readonly parameters: Parameters }
  | { readonly ok: false; readonly faults: readonly ParameterFault[] };

/** Holds what a request gave against what the profile declares, and answers every fault at once, sorted by name. */
export function checkParameters(profile: Profile, given: Readonly<Record<string, Json>>): CheckedParameters {
  const rules = profile.parameters;
  const names = [...new Set([...Object.keys(rules), ...Object.keys(given)])].sort();
  const faults = names.flatMap((name) => fault(profile, given, name) ?? []);
  if (faults.length > 0) return { ok: false, faults };
  return { ok: true, parameters: Object.fromEntries(names.flatMap((name) => entry(given, name))) };
}

function fault(profile: Profile, given: Readonly<Record<string, Json>>, name: string): ParameterFault | undefined {
  const rule = Object.hasOwn(profile.parameters, name) ? profile.parameters[name] : undefined;
  if (!rule) return { parameter: name, problem: 'unknown' };
  if (!Object.hasOwn(given, name)) return rule.optional ? undefined : { parameter: name, problem: 'missing' };
  const value = given[name];
  if (typeof value !== 'string') return { parameter: name, problem: 'not_a_string' };
  if (value.length > MAX_PARAMETER_CHARS) return { parameter: name, problem: 'too_long' };
  if (anchored(rule.pattern).test(value)) return undefined;
  return { parameter: name, problem: 'does_not_match', pattern: rule.pattern };
}

function entry(given: Readonly<Record<string, Json>>, name: string): [string, string][] {
  const value = given[name];
  return typeof value === 'string' ? [[name, value]] : [];
}

/** How a pattern is meant: against the whole value, by code points. @throws SyntaxError when it is none. */
export function anchored(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`, 'u');
}
