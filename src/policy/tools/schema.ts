import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject } from 'ajv/dist/2020.js';
import type { ArgumentFault } from '../../domain/arguments.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { Json, JsonObject } from '../../domain/json.ts';

export interface SchemaFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Undefined when the arguments fit; else the first thing that does not. No value is repeated. */
export type CompiledSchema = (given: JsonObject) => ArgumentFault | undefined;

/** Keywords that are taken, and what their value holds: schemas that are looked into, or anything else. */
const KEYWORDS: Readonly<Record<string, 'schema' | 'schemas' | 'named' | 'plain' | 'comment'>> = {
  type: 'plain',
  enum: 'plain',
  const: 'plain',
  properties: 'named',
  required: 'plain',
  additionalProperties: 'schema',
  minProperties: 'plain',
  maxProperties: 'plain',
  items: 'schema',
  minItems: 'plain',
  maxItems: 'plain',
  uniqueItems: 'plain',
  minimum: 'plain',
  maximum: 'plain',
  exclusiveMinimum: 'plain',
  exclusiveMaximum: 'plain',
  multipleOf: 'plain',
  minLength: 'plain',
  maxLength: 'plain',
  pattern: 'plain',
  anyOf: 'schemas',
  oneOf: 'schemas',
  $schema: 'comment',
  $comment: 'comment',
  title: 'comment',
  description: 'comment',
  default: 'comment',
  examples: 'comment',
};
/** What comparing every item with every other may cost. */
const MAX_UNIQUE_ITEMS = 256;
/** `pattern` is looked at only where the text cannot be longer, as with a profile's parameters. */
const MAX_PATTERN_TEXT = 256;

const OPTIONS = {
  strict: true,
  allowUnionTypes: true,
  validateFormats: false,
  ownProperties: true,
  multipleOfPrecision: 9,
  addUsedSchema: false,
  logger: false,
} as const;

/** Holds schemas against JSON Schema itself: to get ready for that takes a tenth of a second, and nothing of them stays in it. */
const jsonSchema = new Ajv2020(OPTIONS);

/**
 * Compiles the schema of a tool's arguments: JSON Schema 2020-12, of which only what can be checked in bounded time and without
 * fetching anything is taken. Members that it does not name are refused, unless it says otherwise (`additionalProperties`).
 * @param patternFault - why a pattern, as a whole, could take too long.
 */
export function compileSchema(
  schema: JsonObject,
  patternFault: (pattern: string) => string | undefined,
): CompiledSchema | readonly SchemaFault[] {
  const faults: SchemaFault[] = [];
  const closed = closeSchema(schema, [], faults, patternFault);
  if (schema['type'] !== 'object') faults.push({ path: ['type'], message: 'must be object: arguments are members' });
  if (faults.length > 0) return faults;
  try {
    if (jsonSchema.validateSchema(closed, true) !== true) throw new Error('it does not fit JSON Schema');
    // One for each: what is compiled stays in it.
    const validate = new Ajv2020({ ...OPTIONS, meta: false, validateSchema: false }).compile(closed);
    return (given) => (validate(given) ? undefined : faultOf(validate.errors?.[0]));
  } catch (error) {
    const message = error instanceof Error ? error.message.replace(/^strict mode: /, '') : 'cannot be compiled';
    return [{ path: [], message: `is not a JSON Schema: ${message}` }];
  }
}

/** The same schema without comments, with every object closed that does not say whether it is. */
function closeSchema(
  schema: Json,
  path: readonly (string | number)[],
  faults: SchemaFault[],
  patternFault: (pattern: string) => string | undefined,
): JsonObject {
  const fault = (name: string, message: string) => void faults.push({ path: [...path, name], message });
  if (!isJsonObject(schema)) {
    faults.push({ path, message: 'must be a map of members' });
    return {};
  }
  const close = (value: Json, ...steps: (string | number)[]) =>
    closeSchema(value, [...path, ...steps], faults, patternFault);
  const written = Object.entries(schema).flatMap(([keyword, value]): [string, Json][] => {
    const holds = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
    switch (holds) {
      case undefined:
        fault(keyword, keyword === 'format' ? 'is not checked here: say it with pattern' : NOT_TAKEN);
        return [];
      case 'comment':
        return [];
      case 'plain':
        return [[keyword, value]];
      case 'schema':
        return [[keyword, typeof value === 'boolean' ? value : close(value, keyword)]];
      case 'schemas':
        if (!Array.isArray(value)) return [[keyword, value]];
        return [[keyword, value.map((branch: Json, index) => close(branch, keyword, index))]];
      case 'named':
        if (!isJsonObject(value)) return [[keyword, value]];
        return [
          [
            keyword,
            Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, close(inner, keyword, name)])),
          ],
        ];
    }
  });
  for (const [keyword, message] of costs(schema, patternFault)) fault(keyword, message);
  const isObject = schema['type'] === 'object' || schema['properties'] !== undefined;
  return Object.fromEntries(
    isObject && schema['additionalProperties'] === undefined ? [...written, ['additionalProperties', false]] : written,
  );
}

const NOT_TAKEN = `is not taken here; known are ${Object.keys(KEYWORDS).join(', ')}`;

/** What could be made to take long by a hostile value. */
function costs(schema: JsonObject, patternFault: (pattern: string) => string | undefined): [string, string][] {
  const found: [string, string][] = [];
  const { pattern, maxLength, uniqueItems, maxItems } = schema;
  if (typeof pattern === 'string') {
    const inner = /^\^(.*)\$$/s.exec(pattern)?.[1];
    const message =
      inner === undefined
        ? 'must say what the whole text is: begin it with ^ and end it with $'
        : hasBareAlternatives(inner)
          ? 'says what only a part of the text is: put its alternatives into one group, as in ^(?:a|b)$'
          : patternFault(inner);
    if (message !== undefined) found.push(['pattern', message]);
    if (typeof maxLength !== 'number' || maxLength > MAX_PATTERN_TEXT) {
      found.push(['pattern', `needs a maxLength of at most ${MAX_PATTERN_TEXT} beside it`]);
    }
  }
  if (uniqueItems === true && (typeof maxItems !== 'number' || maxItems > MAX_UNIQUE_ITEMS)) {
    found.push(['uniqueItems', `needs a maxItems of at most ${MAX_UNIQUE_ITEMS} beside it`]);
  }
  return found;
}

/** Whether there is a `|` outside of every group and class: `^a|b$` is anchored at one end each. */
function hasBareAlternatives(pattern: string): boolean {
  let depth = 0;
  let inClass = false;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === '\\') at += 1;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') inClass = true;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === '|' && depth === 0) return true;
  }
  return false;
}

function faultOf(error: ErrorObject | undefined): ArgumentFault {
  const { instancePath = '', keyword = 'false', params = {} } = error ?? {};
  const { additionalProperty, missingProperty } = params as Readonly<Record<string, unknown>>;
  const name = additionalProperty ?? missingProperty;
  const step = typeof name === 'string' ? `/${name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}` : '';
  return { path: `${instancePath.slice(0, 300)}${step}`, problem: keyword };
}
