import type { Json, JsonObject } from '../domain/json.ts';
import { isJsonObject } from '../domain/json.ts';

/**
 * `{{parameters.NAME}}` in a profile's section. Values go into parsed JSON, never into text that is parsed afterwards, and
 * what they bring along is not read as a template again.
 */
const REFERENCE = /\{\{(?:parameters\.([a-z][a-z0-9_]*)\}\})?/g;

/** The value of a parameter, in the form in which it may stand here. */
export type Fill = (name: string) => string;

/** @throws Error where something else than a parameter stands in the braces: the configuration lets none through. */
export function fillText(template: string, fill: Fill): string {
  return template.replace(REFERENCE, (_reference, name: string | undefined) => {
    if (name === undefined) throw new Error('a template with something else than a parameter');
    return fill(name);
  });
}

/** Fills every string; names of members are left as they are. */
export function fillJson(template: Json, fill: Fill): Json {
  if (typeof template === 'string') return fillText(template, fill);
  if (Array.isArray(template)) return (template as readonly Json[]).map((item) => fillJson(item, fill));
  return isJsonObject(template) ? fillObject(template, fill) : template;
}

export function fillObject(template: JsonObject, fill: Fill): JsonObject {
  return Object.fromEntries(Object.entries(template).map(([name, item]) => [name, fillJson(item, fill)]));
}
