import { Environment } from '@marcbachmann/cel-js';
import type { ASTNode, ParseResult } from '@marcbachmann/cel-js';
import type { Json, JsonObject } from '../../domain/json.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { MappedType, MappedValue, Mapping } from '../../domain/tool.ts';
import { minorUnits } from './minor.ts';

/** A mapping that is ready to be asked. @throws Error, of whatever kind, when it has no value of its type for these arguments. */
export type CompiledMapping = (given: CelArguments) => MappedValue | undefined;

/** Arguments as CEL reads them: whole numbers are bigints. */
export type CelArguments = Readonly<Record<string, unknown>>;

export interface MappingFault {
  readonly member: 'cel' | 'when';
  readonly message: string;
}

const LIMITS = { maxAstNodes: 400, maxDepth: 24, maxListElements: 64, maxMapEntries: 16, maxCallArguments: 8 };
const MAX_TEXT_CHARS = 2_048;
const MAX_SET_ITEMS = 256;

/** One for all expressions of a process: nothing is kept in it, and parsing does not change it. */
const environment = new Environment({ unlistedVariablesAreDyn: false, limits: LIMITS })
  .registerVariable('arguments', 'map')
  .registerFunction('minor(double, int): int', minorUnits)
  .registerFunction('minor(int, int): int', minorUnits)
  .registerFunction('minor(string, int): int', minorUnits);

/**
 * Compiles one mapped argument. What no expression may do is work without bounds or beside the schema: iterations do not nest, text
 * is not matched against patterns (that is the schema's part), and only members that the schema knows are read.
 */
export function compileMapping(
  { type, cel, when }: Mapping,
  schema: JsonObject,
): CompiledMapping | readonly MappingFault[] {
  const value = parse(cel, 'cel', schema, TYPES[type]);
  const condition = when === undefined ? undefined : parse(when, 'when', schema, ['bool']);
  if ('message' in value) return [value, ...(condition && 'message' in condition ? [condition] : [])];
  if (condition && 'message' in condition) return [condition];
  return (given) => {
    const context = { arguments: given };
    if (condition && condition(context) !== true) return undefined;
    return toCedar(type, value(context) as unknown);
  };
}

const TYPES: Readonly<Record<MappedType, readonly string[]>> = {
  String: ['string'],
  Long: ['int'],
  Bool: ['bool'],
  SetOfString: ['list<string>', 'list<dyn>', 'list'],
};

function parse(
  text: string,
  member: MappingFault['member'],
  schema: JsonObject,
  types: readonly string[],
): ParseResult | MappingFault {
  try {
    const parsed = environment.parse(text);
    const { valid, type, error } = parsed.check();
    if (!valid) return { member, message: said(error) };
    const odd = oddity(parsed.ast, schema, false);
    if (odd !== undefined) return { member, message: odd };
    if (type === 'dyn' || types.includes(type ?? '')) return parsed;
    const hint = type === 'double' ? ': minor(..., 2) makes cents of an amount, exactly' : '';
    return { member, message: `gives ${type}, not ${types[0]}${hint}` };
  } catch (error) {
    return { member, message: said(error) };
  }
}

/** The first line: what follows draws the expression. */
function said(error: unknown): string {
  const message = error instanceof Error ? error.message.split('\n')[0] : undefined;
  return message === undefined || message === '' ? 'cannot be read' : `cannot be read: ${message}`;
}

const ITERATIONS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

function oddity(node: unknown, schema: JsonObject, inside: boolean): string | undefined {
  if (Array.isArray(node)) return first(node, (item) => oddity(item, schema, inside));
  if (!isNode(node)) return undefined;
  const method = node.op === 'rcall' || node.op === 'call' ? node.args[0] : '';
  if (method === 'matches') return 'must not use matches: say it with pattern, in the schema';
  if (method === 'bind') return 'must not use cel.bind';
  const iterates = node.op === 'rcall' && ITERATIONS.has(node.args[0]);
  if (iterates && inside) return 'must not iterate inside an iteration';
  const name = memberOfArguments(node);
  if (name !== undefined && !isKnown(name, schema)) return `reads arguments.${name}, which the schema does not know`;
  return oddity(node.args, schema, inside || iterates);
}

function first<T>(items: readonly T[], find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

const isNode = (value: unknown): value is ASTNode =>
  typeof value === 'object' && value !== null && 'op' in value && 'args' in value;

/** `arguments.name` and `arguments["name"]`. */
function memberOfArguments(node: ASTNode): string | undefined {
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [of, name] = node.args;
  if (of.op !== 'id' || of.args !== 'arguments') return undefined;
  if (typeof name === 'string') return name;
  return name.op === 'value' && typeof name.args === 'string' ? name.args : undefined;
}

function isKnown(name: string, schema: JsonObject): boolean {
  const properties = schema['properties'];
  if (isJsonObject(properties) && Object.hasOwn(properties, name)) return true;
  return schema['additionalProperties'] !== undefined && schema['additionalProperties'] !== false;
}

function toCedar(type: MappedType, value: unknown): MappedValue {
  switch (type) {
    case 'String':
      if (typeof value === 'string' && value.length <= MAX_TEXT_CHARS) return value;
      break;
    case 'Bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'Long':
      if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value);
      break;
    case 'SetOfString':
      if (isTexts(value)) return [...new Set(value)].sort();
      break;
  }
  throw new TypeError(`not a ${type}`);
}

function isTexts(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > MAX_SET_ITEMS) return false;
  return value.every((item) => typeof item === 'string' && item.length <= MAX_TEXT_CHARS);
}

/**
 * A number is a double where the schema says `number`, and an int where it says `integer`; where it says neither, an int if it is
 * whole. So the same expression has the same type for 5 and for 5.5.
 */
export function toCel(value: Json, schema: Json | undefined): unknown {
  const says = isJsonObject(schema) ? schema : {};
  if (typeof value === 'number') {
    const kinds = numberKinds(says);
    return Number.isInteger(value) && !kinds.has('number') ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map((item: Json) => toCel(item, says['items']));
  if (!isJsonObject(value)) return value;
  const properties = isJsonObject(says['properties']) ? says['properties'] : {};
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      toCel(member, Object.hasOwn(properties, name) ? properties[name] : says['additionalProperties']),
    ]),
  );
}

function numberKinds(schema: JsonObject): Set<Json> {
  const types = [schema['type'] ?? []].flat();
  const branches = [schema['anyOf'] ?? [], schema['oneOf'] ?? []].flat();
  return new Set([...types, ...branches.flatMap((branch) => (isJsonObject(branch) ? [...numberKinds(branch)] : []))]);
}
