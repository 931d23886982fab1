import { malformedPolicy } from '../errors.ts';

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One text or a list of texts, as policies take either; booleans and numbers count as their text. */
export function textsOf(value: unknown, where: string): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item === 'string') return item;
    if (typeof item === 'boolean' || typeof item === 'number') return String(item);
    throw malformedPolicy(`Syntax errors in policy: ${where} is neither a text nor a list of texts.`);
  });
}
