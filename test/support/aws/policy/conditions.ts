import { malformedPolicy, Unsupported } from '../errors.ts';
import { isMultiple, type Context } from './context.ts';
import { isObject, textsOf } from './json.ts';
import { operator } from './operators.ts';

export type Condition = (context: Context) => boolean;

/** Every operator and every key must hold; of a key's values, one (of a negated operator's, none). */
export function conditions(block: unknown, variables: boolean): Condition {
  if (block === undefined) return () => true;
  if (!isObject(block)) throw malformedPolicy('Syntax errors in policy: Condition is not an object.');
  const all = Object.entries(block).flatMap(([name, keys]) => {
    if (!isObject(keys)) throw malformedPolicy(`Syntax errors in policy: Condition ${name} is not an object.`);
    return Object.entries(keys).map(([key, values]) => condition(name, key, textsOf(values, key), variables));
  });
  return (context) => all.every((holds) => holds(context));
}

function condition(name: string, key: string, values: readonly string[], variables: boolean): Condition {
  const [, set, base = '', ifExists] = /^(ForAllValues:|ForAnyValue:)?(.*?)(IfExists)?$/u.exec(name) ?? [];
  const multiple = isMultiple(key);
  if (base === 'Null') {
    if (set !== undefined || ifExists !== undefined) throw malformedPolicy(`Invalid Condition type : ${name}.`);
    const absent = nullOf(values);
    return (context) => (context(key) === undefined) === absent;
  }
  const { negated, matcher } = operator(base);
  if (multiple && set === undefined) {
    throw new Unsupported(`${key} has several values: ${name} without ForAllValues or ForAnyValue is not defined`);
  }
  const matchers = values.map((value) => matcher(value, variables));
  const missing = set === 'ForAllValues:' || ifExists !== undefined || (negated && set === undefined);
  return (context) => {
    const found = context(key);
    if (found === undefined) return missing;
    const holds = (value: string) => matchers.some((matches) => matches(value, context)) !== negated;
    return set === 'ForAnyValue:' ? found.some(holds) : found.every(holds);
  };
}

function nullOf(values: readonly string[]): boolean {
  const [value, ...more] = values;
  if (more.length > 0 || (value !== 'true' && value !== 'false')) {
    throw malformedPolicy('A Null condition takes true or false');
  }
  return value === 'true';
}
