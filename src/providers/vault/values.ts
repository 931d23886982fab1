/**
 * What goes into paths and policies. Vault's paths have no escape: `/` begins a segment, `*` and `+` stand for any, `..` leads
 * out, and in a policy's text a quote ends the path. So a value is of few characters, or it is refused.
 */
const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9_.:@=,~-]*$/;
const MAX_SEGMENT = 256;

/** One segment of a path, and nothing else. */
export function isSegment(value: string): boolean {
  return value.length <= MAX_SEGMENT && SEGMENT.test(value) && !value.includes('..');
}

/** Segments with one slash between two of them. */
export function isPath(value: string): boolean {
  return value.split('/').every(isSegment);
}

declare const brand: unique symbol;
/** Below `/v1/`; made by `at` and `atPath` alone, so that nothing else reaches a URL. */
export type VaultPath = string & { readonly [brand]: 'path' };

/** A path of our own words and of ids, each of which stays one segment. @throws TypeError for an id that would not. */
export function at(words: TemplateStringsArray, ...ids: readonly string[]): VaultPath {
  if (!ids.every(isSegment)) throw new TypeError('an id that is no segment of a path');
  return String.raw({ raw: words }, ...ids) as VaultPath;
}

/** A path that others wrote. @throws TypeError for what could mean another. */
export function atPath(written: string): VaultPath {
  if (!isPath(written)) throw new TypeError('a path with other characters than names have');
  return written as VaultPath;
}

/** What is named after a mint: its identity entity, the entity's alias, its own policy. Known without any record. */
export function nameOf(mint: string): string {
  return `${NAME_PREFIX}${mint}`;
}
export const NAME_PREFIX = 'writ-';
/** Of those names, as token roles and the broker's policy allow them. */
export const NAMES = 'writ-m*';
