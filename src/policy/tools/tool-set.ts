import type { ArgumentFault } from '../../domain/arguments.ts';
import { canonicalJson } from '../../domain/json.ts';
import type { JsonObject } from '../../domain/json.ts';
import { covers } from '../../domain/tool.ts';
import type { Mapped, MappedValue, Tool } from '../../domain/tool.ts';
import { sha256Hex } from '../../domain/sha256.ts';
import { compileMapping, toCel } from './mapping.ts';
import type { CelArguments, CompiledMapping } from './mapping.ts';
import { compileSchema } from './schema.ts';

/** What is wrong with a tool's file, at a place in it. */
export interface ToolFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type PreparedCall =
  | { readonly ok: true; readonly mapped: Mapped }
  | { readonly ok: false; readonly code: 'invalid_arguments'; readonly fault: ArgumentFault }
  /** `argument`: the name of the mapping. */
  | { readonly ok: false; readonly code: 'mapping_failed'; readonly argument: string };

export interface CompiledTool {
  readonly tool: Tool;
  /** SHA-256 over its canonical text, in hex. */
  readonly hash: string;
  /**
   * Holds arguments, which are within the bounds of all (`readArguments`), against the schema and maps them. Never throws: whatever
   * goes wrong is a refusal that names the place.
   */
  prepare(given: JsonObject): PreparedCall;
}

export interface ToolSet {
  readonly tools: readonly Tool[];
  /** The tool of that very name, else the one whose pattern covers it; of patterns no two cover the same name. */
  find(name: string): CompiledTool | undefined;
}

type PatternFault = (pattern: string) => string | undefined;

/** Everything that is wrong with what only this room understands of a tool. */
export function toolFaults(tool: Tool, patternFault: PatternFault): ToolFault[] {
  const compiled = compileTool(tool, patternFault);
  return 'faults' in compiled ? [...compiled.faults] : [];
}

/** @throws Error for a tool that has faults: they are looked for before. */
export function makeToolSet(tools: readonly Tool[]): ToolSet {
  const exact = new Map<string, CompiledTool>();
  const patterns: CompiledTool[] = [];
  for (const tool of tools) {
    const compiled = compileTool(tool, () => undefined);
    if ('faults' in compiled) throw new Error(`the tool ${tool.name} has faults`);
    if (tool.name.includes('*')) patterns.push(compiled);
    else exact.set(tool.name, compiled);
  }
  return {
    tools,
    find: (name) =>
      name.includes('*') ? undefined : (exact.get(name) ?? patterns.find(({ tool }) => covers(tool.name, name))),
  };
}

function compileTool(tool: Tool, patternFault: PatternFault): CompiledTool | { readonly faults: readonly ToolFault[] } {
  const faults: ToolFault[] = [];
  const schema = compileSchema(tool.arguments, patternFault);
  if (typeof schema !== 'function') {
    faults.push(...schema.map(({ path, message }) => ({ path: ['arguments', ...path], message })));
  }
  const mappings: [string, CompiledMapping][] = [];
  for (const [name, mapping] of Object.entries(tool.mapping)) {
    const compiled = compileMapping(mapping, tool.arguments);
    if (typeof compiled === 'function') mappings.push([name, compiled]);
    else faults.push(...compiled.map(({ member, message }) => ({ path: ['mapping', name, member], message })));
  }
  for (const name of Object.keys(tool.limits)) {
    const type = Object.hasOwn(tool.mapping, name) ? tool.mapping[name]?.type : undefined;
    if (type === 'Long') continue;
    const message = type === undefined ? 'is not the name of a mapping' : `is a ${type}: only a Long has a limit`;
    faults.push({ path: ['limits', name], message });
  }
  if (typeof schema !== 'function' || faults.length > 0) return { faults };
  return {
    tool,
    hash: hashOf(tool),
    prepare(given) {
      const fault = schema(given);
      if (fault) return { ok: false, code: 'invalid_arguments', fault };
      return mapAll(mappings, toCel(given, tool.arguments) as CelArguments);
    },
  };
}

function mapAll(mappings: readonly [string, CompiledMapping][], given: CelArguments): PreparedCall {
  const mapped: [string, MappedValue][] = [];
  for (const [name, mapping] of mappings) {
    try {
      const value = mapping(given);
      if (value !== undefined) mapped.push([name, value]);
    } catch {
      return { ok: false, code: 'mapping_failed', argument: name };
    }
  }
  return { ok: true, mapped: Object.fromEntries(mapped) };
}

function hashOf(tool: Tool): string {
  const text = canonicalJson(JSON.parse(JSON.stringify(tool)) as JsonObject);
  return sha256Hex(text);
}
