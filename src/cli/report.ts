import { CommanderError } from 'commander';
import { WritError } from '../client/index.ts';
import { Fault, ProviderError, Refusal } from '../domain/errors.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { formatProblem, ProblemsError } from '../domain/problem.ts';
import { adviceFor } from './advice.ts';
import { CliError, EXIT } from './exit.ts';
import type { Output } from './output.ts';

/** An error as it is told: in one line to a person, as one JSON object to a program. */
export interface Report {
  readonly exit: number;
  readonly code: string;
  readonly sentence: string;
  readonly help?: string | undefined;
  /** Every fault of a request or a file, each on a line of its own before the sentence. */
  readonly lines?: readonly string[];
  readonly facts?: JsonObject;
  readonly status?: number;
  readonly requestId?: string | undefined;
}

/** Tells it on stderr, so that stdout holds results only, and answers the exit code. */
export async function report(out: Output, error: unknown, json: boolean): Promise<number> {
  const told = reportOf(error);
  if (!told) return EXIT.ok;
  if (told.code === 'output_closed' || told.code === 'help') return told.exit;
  if (json) {
    await out.note(JSON.stringify(toJson(told)));
    return told.exit;
  }
  for (const line of told.lines ?? []) await out.note(line);
  const facts = factsLine(told.facts);
  const help = told.help === undefined ? '' : `; ${told.help}`;
  await out.note(`writ: ${told.code}: ${told.sentence}${facts}${help}`);
  return told.exit;
}

/** `undefined` for commander's way of ending after `--help` and `--version`. */
function reportOf(error: unknown): Report | undefined {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return undefined;
    if (error.code === 'commander.help') return { exit: EXIT.usage, code: 'help', sentence: '' };
    const sentence = error.message.replace(/^error: /, '').replace(/\n/g, ' ');
    return { exit: EXIT.usage, code: 'usage', sentence, help: 'see --help' };
  }
  if (error instanceof CliError)
    return { exit: error.exit, code: error.code, sentence: error.message, help: error.help };
  if (error instanceof WritError) return ofClient(error);
  if (error instanceof ProblemsError) {
    const count = error.problems.length;
    const lines = error.problems.map(formatProblem);
    return {
      exit: EXIT.failed,
      code: 'problems',
      sentence: `${count} ${count === 1 ? 'problem' : 'problems'} found`,
      lines,
    };
  }
  if (error instanceof Refusal) return { exit: EXIT.failed, ...told(error.code), facts: error.facts };
  if (error instanceof ProviderError) return { exit: EXIT.unavailable, ...told(error.code), facts: error.facts };
  if (error instanceof Fault) return { exit: EXIT.unavailable, ...told(error.code) };
  return { exit: EXIT.failed, code: 'internal', sentence: error instanceof Error ? error.message : String(error) };
}

function told(code: string): { code: string; sentence: string; help: string | undefined } {
  return { code, sentence: code.replace(/_/g, ' '), help: adviceFor(code) };
}

const SETTINGS: ReadonlySet<string> = new Set(['identity_token_missing', 'operator_token_missing', 'token_malformed']);

function ofClient(error: WritError): Report {
  const unavailable = error.code === 'unreachable' || error.status >= 500;
  const faults = error.errors?.map((fault) => (fault.path === '' ? fault.problem : `${fault.path}: ${fault.problem}`));
  const { problems, ...facts } = error.facts;
  const lines = [...(faults ?? []), ...problemLines(problems)];
  return {
    exit: SETTINGS.has(error.code) ? EXIT.usage : unavailable ? EXIT.unavailable : EXIT.failed,
    code: error.code,
    sentence: error.title,
    help: error.detail ?? adviceFor(error.code),
    facts: error.status === 0 || error.code === 'unexpected_answer' ? {} : facts,
    ...(lines.length > 0 && { lines }),
    ...(error.status > 0 && { status: error.status }),
    requestId: error.requestId,
  };
}

/** The `problems` of a set of rules that does not check. */
function problemLines(problems: Json | undefined): string[] {
  if (!Array.isArray(problems)) return [];
  return (problems as readonly Json[]).map((each) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return JSON.stringify(each);
    const { file = '', line, message = '' } = each as JsonObject;
    if (typeof file !== 'string' || typeof message !== 'string') return JSON.stringify(each);
    return formatProblem({ file, line: typeof line === 'number' ? line : 0, message });
  });
}

/** Facts that fit a line: ` (minimum 60, roles security, decision d0...)`. */
function factsLine(facts: JsonObject | undefined): string {
  const shown = Object.entries(facts ?? {}).flatMap(([name, value]) => {
    const text = factText(value);
    return text === undefined ? [] : [`${name} ${text}`];
  });
  return shown.length === 0 ? '' : ` (${shown.join(', ')})`;
}

/** Of an object its id, which is what people hand on. */
function factText(value: Json | undefined): string | undefined {
  if (Array.isArray(value)) {
    const parts = (value as readonly Json[]).map(factText).filter((part) => part !== undefined);
    return parts.length > 0 ? parts.join(' ') : undefined;
  }
  if (typeof value === 'object' && value !== null) return factText((value as JsonObject)['id']);
  return value === undefined || value === null ? undefined : String(value);
}

function toJson(told: Report): object {
  return {
    code: told.code,
    message: told.sentence,
    ...(told.status !== undefined && { status: told.status }),
    ...(told.lines && { problems: told.lines }),
    ...(told.facts && Object.keys(told.facts).length > 0 && { facts: told.facts }),
    ...(told.help !== undefined && { help: told.help }),
    ...(told.requestId !== undefined && { request_id: told.requestId }),
    exit: told.exit,
  };
}
