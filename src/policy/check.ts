import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { DetailedError } from '@cedar-policy/cedar-wasm/nodejs';
import type { Problem } from '../domain/problem.ts';
import { readAnnotations } from './annotations.ts';
import type { Annotated } from './annotations.ts';
import { resourceOf } from './slices.ts';
import { lineOfAnnotation, lineOfByte, splitPolicies } from './split.ts';
import type { PolicyText } from './split.ts';

/** A policy that is right by itself. */
export interface CheckedPolicy extends Annotated {
  readonly file: string;
  readonly source: PolicyText;
  /** The only resource that its scope lets it apply to; absent: it may apply to any. */
  readonly resource?: string;
}

export interface CheckedFile {
  readonly policies: readonly CheckedPolicy[];
  readonly problems: readonly Problem[];
}

/** Parses one file's policies and their annotations. Templates are refused: nothing links them. */
export function checkFile(file: string, text: string): CheckedFile {
  const policies: CheckedPolicy[] = [];
  const problems: Problem[] = [];
  for (const source of splitPolicies(text)) {
    const parsed = cedar.policyToJson(source.text);
    if (parsed.type === 'failure') {
      problems.push(...parsed.errors.map((error) => ({ file, ...describe(error, source) })));
      continue;
    }
    const read = readAnnotations(parsed.json);
    if ('id' in read) {
      const resource = resourceOf(parsed.json);
      policies.push({ ...read, file, source, ...(resource !== undefined && { resource }) });
    } else {
      for (const { annotation, message } of read) {
        problems.push({ file, line: lineOfAnnotation(source, annotation), message });
      }
    }
  }
  return { policies, problems };
}

/** Ids are one for the whole set: decisions name them. */
export function duplicateIds(policies: readonly CheckedPolicy[]): Problem[] {
  const first = new Map<string, CheckedPolicy>();
  return policies.flatMap((policy) => {
    const { id, file, source } = policy;
    const other = first.get(id);
    if (!other) {
      first.set(id, policy);
      return [];
    }
    const message = `@id "${id}" is taken by ${other.file}:${lineOfAnnotation(other.source, 'id')}`;
    return [{ file, line: lineOfAnnotation(source, 'id'), message }];
  });
}

/**
 * Holds the policies against the schema, strictly. Warnings count as errors: a policy that can never apply looks like one
 * that does, and text that only seems to be what it is (confusable or right-to-left characters) is no mistake to let by.
 */
export function validate(policies: readonly CheckedPolicy[], schema: string, schemaFile: string): Problem[] {
  const staticPolicies = Object.fromEntries(policies.map(({ source }, index) => [String(index), source.text]));
  const answer = cedar.validate({ schema, policies: { staticPolicies }, validationSettings: { mode: 'strict' } });
  if (answer.type === 'failure') {
    const source = { text: schema, bare: schema, line: 1 };
    return answer.errors.map((error) => ({ file: schemaFile, ...describe(error, source) }));
  }
  const found = new Map<string, Problem>();
  const failed = new Set(answer.validationErrors.map(({ policyId }) => policyId));
  const warnings = answer.validationWarnings.filter(({ policyId }) => !failed.has(policyId));
  for (const { policyId, error } of [...answer.validationErrors, ...warnings]) {
    const policy = policies[Number(policyId)];
    if (!policy) continue;
    const { line, message } = describe(error, policy.source);
    // A warning is placed at the policy's beginning, which is where the comments before it begin.
    const problem = { file: policy.file, line: Math.max(line, lineOfAnnotation(policy.source)), message };
    found.set(JSON.stringify([problem.file, problem.line, problem.message]), problem);
  }
  return [...found.values()];
}

function describe(error: DetailedError, source: PolicyText): { readonly line: number; readonly message: string } {
  const place = error.sourceLocations?.[0];
  const said = error.message
    .replace(/^for policy `[^`]*`, /, '')
    .replace(/^failed to parse (policy|schema) from string: /, '');
  const hints = [place?.label, error.help].filter((hint) => typeof hint === 'string');
  const message = hints.length === 0 ? said : `${said} (${hints.join('; ')})`;
  return { line: lineOfByte(source, place?.start ?? 0), message };
}
