import { formatDuration } from '../domain/duration.ts';
import type { Problem } from '../domain/problem.ts';
import type { PolicyCase } from '../domain/question.ts';
import { explain } from './explain.ts';
import type { ExplainedRules, Explanation } from './explain.ts';

/** One case of `writ policy test`, held against what the rules answer. */
export interface CaseResult {
  readonly case: PolicyCase;
  readonly passed: boolean;
  /** What differed, a sentence each. */
  readonly differences: readonly string[];
  readonly explanation: Explanation;
}

/** Runs each case. `now` counts in those that name no time. */
export function testPolicies(rules: ExplainedRules, cases: readonly PolicyCase[], now: Date): CaseResult[] {
  return cases.map((one) => {
    const explanation = explain(rules, one.question, now);
    const differences = differencesOf(one.want, explanation);
    return { case: one, passed: differences.length === 0, differences, explanation };
  });
}

/** What failed, as problems of the files that the cases stand in. */
export function caseProblems(results: readonly CaseResult[]): Problem[] {
  return results.flatMap(({ case: { file, line, name }, differences }) =>
    differences.map((difference) => ({ file, line, message: `${name}: ${difference}` })),
  );
}

function differencesOf(want: PolicyCase['want'], { outcome, code, answer }: Explanation): string[] {
  const found: string[] = [];
  const reason = code === undefined ? '' : ` (${code})`;
  if (outcome !== want.outcome) found.push(`the outcome is ${outcome}${reason}, not ${want.outcome}`);
  if (want.code !== undefined && want.code !== code) found.push(`the code is ${code ?? 'none'}, not ${want.code}`);
  const errors = answer?.errors ?? [];
  for (const { policy, message } of errors) found.push(`${policy === '' ? 'deciding' : policy} failed: ${message}`);

  const policies = answer?.policies ?? [];
  const wanted = want.policies && [...want.policies].sort();
  if (wanted && wanted.join() !== policies.join()) {
    found.push(`decided by ${listed(policies)}, not by ${listed(wanted)}`);
  }
  if (want.maxTtlSeconds !== undefined && want.maxTtlSeconds !== answer?.maxTtl?.seconds) {
    const cap = answer?.maxTtl;
    const said = cap ? `${formatDuration(cap.seconds)} (${cap.policy})` : 'no cap';
    found.push(`the policies' max_ttl is ${said}, not ${formatDuration(want.maxTtlSeconds)}`);
  }
  return found;
}

const listed = (names: readonly string[]) => (names.length === 0 ? 'no policy' : names.join(', '));
