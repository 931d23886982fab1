import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { REFUSAL_CODES } from '../domain/errors.ts';
import { ProblemsError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { POLICY_ACTIONS } from '../domain/question.ts';
import type { PolicyCase, PolicyQuestion } from '../domain/question.ts';
import { TASK_MODES } from '../domain/task.ts';
import { check, phrase, showValue } from './check.ts';
import type { Report } from './check.ts';
import { duration, integer, text } from './fields.ts';
import { LEFT_BY_TOOLS } from './read-rules.ts';
import { MAX_FILE_BYTES } from './rule-files.ts';
import { errorCode, readTextFile } from './text-file.ts';
import { readYaml } from './yaml.ts';

const MAX_TTL_SECONDS = 2_592_000;
const strings = z.record(z.string(), z.string());

const question = z
  .strictObject({
    principal: z.strictObject({
      trust: text,
      id: text,
      groups: z.array(z.string()).default([]),
      attributes: strings.default({}),
    }),
    action: z.enum(POLICY_ACTIONS).default('issue'),
    profile: text.exactOptional(),
    parameters: strings.default({}),
    tool: text.exactOptional(),
    arguments: z.custom<JsonObject>((value) => isJsonObject(value as Json), 'must be a map of members').exactOptional(),
    ttl_seconds: integer(1, MAX_TTL_SECONDS).exactOptional(),
    purpose: z.string().default(''),
    task: z
      .strictObject({
        mode: z.enum(TASK_MODES).default('autonomous'),
        environment: text.exactOptional(),
        implicit: z.boolean().default(true),
      })
      .prefault({}),
    on_behalf_of: text.exactOptional(),
    approval: z.strictObject({ id: text, by: z.array(text).default([]) }).exactOptional(),
    now: z.iso.datetime({ message: 'must be a time such as 2026-01-31T12:00:00Z' }).exactOptional(),
  })
  .superRefine(({ action, profile, tool, arguments: given }, context) => {
    const fault = (member: string, message: string) => context.addIssue({ code: 'custom', path: [member], message });
    const calls = action === 'call';
    if (action === 'create_task' && profile !== undefined) fault('profile', 'is not asked for with create_task');
    if (!calls && action !== 'create_task' && profile === undefined) fault('profile', `is required with ${action}`);
    if (calls && tool === undefined) fault('tool', 'is required with call');
    if (!calls && tool !== undefined) fault('tool', `is not asked for with ${action}`);
    if (!calls && given !== undefined) fault('arguments', `is not asked for with ${action}`);
  });

const want = z.strictObject({
  outcome: z.enum(['allow', 'deny', 'approval']),
  code: z.enum(REFUSAL_CODES).exactOptional(),
  policies: z.array(text).exactOptional(),
  max_ttl: duration.exactOptional(),
});

/** One case, as its file has it. */
export const caseEntry = z.strictObject({ name: text, request: question, want });
const caseFile = z.strictObject({ cases: z.array(z.unknown()).min(1) });

/** A question from parsed JSON, such as `writ policy explain` reads. @throws ProblemsError; `file` is what to call it. */
export function parseQuestion(value: Json, file: string): PolicyQuestion {
  const problems: Problem[] = [];
  const parsed = check(question, value, [], (path, message) => {
    problems.push({ file, line: 0, message: phrase(path, message, showValue(value, path)) });
  });
  if (!parsed) throw new ProblemsError(problems);
  return toQuestion(parsed);
}

/** Every case of a directory's `*.yaml`, in order. @throws ProblemsError with every problem of every file. */
export async function readCases(directory: string): Promise<PolicyCase[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw new ProblemsError([{ file: directory, line: 0, message: `cannot be read (${errorCode(error)})` }]);
  });
  const problems: Problem[] = [];
  const cases: PolicyCase[] = [];
  for (const name of names.filter((entry) => !LEFT_BY_TOOLS.test(entry)).sort()) {
    const file = join(directory, name);
    if (!name.endsWith('.yaml')) {
      problems.push({ file, line: 0, message: 'is not a file of cases: those are called *.yaml' });
      continue;
    }
    const read = await readTextFile(file, MAX_FILE_BYTES);
    if (read.ok) cases.push(...parseCases(file, read.text, problems));
    else problems.push({ file, line: read.line, message: read.message });
  }
  if (problems.length > 0) throw new ProblemsError(problems);
  return cases;
}

function parseCases(file: string, written: string, problems: Problem[]): PolicyCase[] {
  const yaml = readYaml(file, written);
  problems.push(...yaml.problems);
  const { value } = yaml;
  if (value === undefined) return [];
  const report: Report = (path, message) => {
    problems.push({ file, line: yaml.lineOf(path), message: phrase(path, message, showValue(value, path)) });
  };
  const seen = new Set<string>();
  return (check(caseFile, value, [], report)?.cases ?? []).flatMap((entry, index) => {
    const path = ['cases', index];
    const parsed = check(caseEntry, entry, path, report);
    if (!parsed) return [];
    if (seen.has(parsed.name)) report([...path, 'name'], '{value} is there twice');
    seen.add(parsed.name);
    const { max_ttl, ...wanted } = parsed.want;
    return {
      file,
      line: yaml.lineOf(path),
      name: parsed.name,
      question: toQuestion(parsed.request),
      want: { ...wanted, ...(max_ttl === undefined ? {} : { maxTtlSeconds: max_ttl }) },
    };
  });
}

function toQuestion({ ttl_seconds, on_behalf_of, ...same }: z.infer<typeof question>): PolicyQuestion {
  return {
    ...same,
    ...(ttl_seconds === undefined ? {} : { ttlSeconds: ttl_seconds }),
    ...(on_behalf_of === undefined ? {} : { onBehalfOf: on_behalf_of }),
  };
}
