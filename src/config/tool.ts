import { z } from 'zod';
import { isJsonObject } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Problem } from '../domain/problem.ts';
import { EFFECTS } from '../domain/profile.ts';
import { MAPPED_TYPES, TOOL_NAME } from '../domain/tool.ts';
import type { Tool } from '../domain/tool.ts';
import { check, phrase, showValue } from './check.ts';
import type { Report } from './check.ts';
import { label, name, text } from './fields.ts';
import { patternFault } from './pattern.ts';
import { readYaml } from './yaml.ts';
import type { Path } from './yaml.ts';

/** What only the language of policies understands of a tool: its schema, its expressions. */
export type ToolFaults = (
  tool: Tool,
  patternFault: (pattern: string) => string | undefined,
) => readonly { readonly path: Path; readonly message: string }[];

const MAPPING_NAME = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, '{value} is not a name of a mapping: a-z, 0-9 and _, beginning with a letter');

const toolName = z
  .string()
  .regex(
    TOOL_NAME,
    '{value} is not the name of a tool: letters, digits and . _ : / -, and * for any characters; at most 128',
  );

const expression = z.string().min(1).max(2_000);
const pointer = z
  .string()
  .regex(/^(?:\/(?:[^~/]|~[01])*)+$/, '{value} is not a JSON pointer such as /card/number; * stands for every member');

const recording = z
  .strictObject({
    arguments: z.enum(['none', 'redacted', 'all']).default('none'),
    redact: z.array(pointer).default([]),
  })
  .superRefine(({ arguments: kept, redact }, context) => {
    const fault = (message: string) => context.addIssue({ code: 'custom', path: ['redact'], message });
    if (kept === 'all' && redact.length > 0) fault('is for arguments that are redacted or not kept');
    if (kept === 'redacted' && redact.length === 0) fault('is required where arguments are redacted');
  });

/** What every tool has. The schema of its arguments is held against JSON Schema elsewhere. */
export const toolMembers = z.strictObject({
  name: toolName,
  owner: label,
  environment: label,
  effect: z.enum(EFFECTS),
  audience: text.exactOptional(),
  profiles: z.array(name).min(1).exactOptional(),
  arguments: z.custom<JsonObject>((value) => isJsonObject(value as JsonObject), 'must be a JSON Schema'),
  mapping: z
    .record(
      MAPPING_NAME,
      z.strictObject({ type: z.enum(MAPPED_TYPES), cel: expression, when: expression.exactOptional() }),
    )
    .default({}),
  limits: z
    .record(MAPPING_NAME, z.strictObject({ max: z.int(), above: z.enum(['deny', 'approval']).default('deny') }))
    .default({}),
  record: recording.prefault({}),
  report: z.boolean().default(false),
});

/** One tool, and where its members stand. */
export interface ReadTool {
  readonly file: string;
  readonly tool: Tool;
  readonly lineOf: (path: Path) => number;
}

/** Reads one tool. Its problems are all that it has. */
export function readTool(
  file: string,
  written: string,
  faultsOf: ToolFaults,
): { readonly read?: ReadTool; readonly problems: readonly Problem[] } {
  const yaml = readYaml(file, written);
  const { value } = yaml;
  if (value === undefined) return { problems: yaml.problems };
  const problems: Problem[] = [];
  const report: Report = (path, message) => {
    problems.push({ file, line: yaml.lineOf(path), message: phrase(path, message, showValue(value, path)) });
  };
  const tool = check(toolMembers, value, [], report);
  for (const { path, message } of tool ? faultsOf(tool, patternFault) : []) report(path, message);
  return tool && problems.length === 0 ? { read: { file, tool, lineOf: yaml.lineOf }, problems } : { problems };
}
