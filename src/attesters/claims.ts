import { Refusal } from '../domain/errors.ts';

/** Claims, as a token or a part of one has them. */
export type Claims = Readonly<Record<string, unknown>>;

const MAX_TEXT = 1_024;
const MAX_GROUPS = 256;

/** Control, format, surrogate and unassigned characters: a record cannot hold some, and a reader cannot see the others. */
const INVISIBLE = /\p{C}/u;

/** Refused for what the claims say. The reason is private: it may name a claim, never its value. */
export function invalid(reason: string): Refusal {
  return new Refusal('evidence_invalid', {}, { cause: new Error(reason) });
}

/**
 * The claim at a path: a name, or a JSON pointer (RFC 6901) where it starts with `/`, such as
 * `/kubernetes.io/serviceaccount/name`. Names with dots are common, so a dot separates nothing.
 */
export function claimAt(claims: Claims, path: string): unknown {
  const names = path.startsWith('/') ? path.slice(1).split('/').map(unescape) : [path];
  let value: unknown = claims;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

function unescape(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}

/**
 * A claim as text; booleans and whole numbers are written out; `undefined` when there is none.
 * @throws Refusal `evidence_invalid` when it is there and cannot be text: leaving it out could loosen a policy.
 */
export function textAt(claims: Claims, path: string): string | undefined {
  const value = claimAt(claims, path);
  if (value === undefined) return undefined;
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value);
  if (typeof value !== 'string' || value.length > MAX_TEXT || INVISIBLE.test(value)) {
    throw invalid(`claim ${path} is not usable text`);
  }
  return value;
}

/** As `textAt`, of a claim that must be there and not be empty. */
export function requiredTextAt(claims: Claims, path: string): string {
  const text = textAt(claims, path);
  if (text === undefined || text === '') throw invalid(`claim ${path} is missing`);
  return text;
}

/** The claims that are there, under the names that policies use. */
export function textsAt(claims: Claims, paths: Readonly<Record<string, string>>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, path] of Object.entries(paths)) {
    const text = textAt(claims, path);
    if (text !== undefined) texts[name] = text;
  }
  return texts;
}

/** A claim with names of groups: a list of texts, or one text; no claim, no groups. @throws as `textAt`. */
export function groupsAt(claims: Claims, path: string): string[] {
  const value = claimAt(claims, path) ?? [];
  const groups: unknown[] = Array.isArray(value) ? value : [value];
  const usable = (group: unknown): group is string =>
    typeof group === 'string' && group !== '' && group.length <= MAX_TEXT && !INVISIBLE.test(group);
  if (groups.length > MAX_GROUPS || !groups.every(usable)) throw invalid(`claim ${path} is not a list of groups`);
  return [...new Set(groups)];
}
