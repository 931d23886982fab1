/** Cedar: policies are compiled and checked here, asked, explained and tested. */
export { caseProblems, testPolicies } from './cases.ts';
export type { CaseResult } from './cases.ts';
export { makeCedarCompiler, policyTexts } from './compile.ts';
export type { CedarCompiler } from './compile.ts';
export { explain, explanationJson } from './explain.ts';
export type { ExplainedRules, Explanation } from './explain.ts';
export type { PolicyAnswer, PolicyRequest, PolicySet, ProfileRequest, TaskRequest } from './policy.ts';
export { summarisePolicies } from './summary.ts';
export type { PolicySummary } from './summary.ts';
export { generateSchema } from './schema.ts';
