import { isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import type { ParameterRule } from '../domain/profile.ts';
import type { Report } from './check.ts';
import type { Path } from './yaml.ts';

const REFERENCE = /\{\{(.*?)\}\}|\{\{/gs;
const PARAMETER = /^parameters\.([a-z][a-z0-9_]*)$/;

/**
 * Every `{{...}}` of a section must be `{{parameters.NAME}}` of a parameter that always has a value: what is left in a
 * template unfilled would mean something else to the provider.
 */
export function checkTemplates(
  section: Json,
  base: Path,
  parameters: Readonly<Record<string, ParameterRule>>,
  report: Report,
): void {
  const walk = (node: Json, path: Path): void => {
    if (typeof node === 'string') {
      for (const [, inside] of node.matchAll(REFERENCE)) {
        const fault = referenceFault(inside, parameters);
        if (fault !== undefined) report(path, fault);
      }
    } else if (Array.isArray(node)) {
      node.forEach((item: Json, index) => walk(item, [...path, index]));
    } else if (isJsonObject(node)) {
      for (const [name, item] of Object.entries(node)) {
        if (name.includes('{{')) report([...path, name], 'is a template: values are filled in, names are not');
        walk(item, [...path, name]);
      }
    }
  };
  walk(section, base);
}

function referenceFault(inside: string | undefined, parameters: Readonly<Record<string, ParameterRule>>) {
  if (inside === undefined) return 'has a {{ without its }}';
  const name = PARAMETER.exec(inside)?.[1];
  if (name === undefined) return `has {{${inside}}}, which is not of the form {{parameters.NAME}}`;
  const rule = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  if (!rule) return `has {{${inside}}}, but the profile declares no parameter ${name}`;
  return rule.optional ? `has {{${inside}}}, which is optional and may have no value` : undefined;
}
