/** Cedar: policies are compiled and checked here, asked, explained and tested. */
export { caseProblems, testPolicies } from './cases.ts';
export type { CaseResult } from './cases.ts';
export { makeCedarCompiler, policyTexts } from './compile.ts';
export type { CedarCompiler } from './compile.ts';
export { explain, explanationJson } from './explain.ts';
export type { ExplainedRules, Explanation } from './explain.ts';
export { summarisePolicies } from './summary.ts';
export type { PolicySummary } from './summary.ts';
export { callRequest } from './call-request.ts';
export { judgeCall } from './judge-call.ts';
export { codeOfAnswer, judgeProfile } from './judge-profile.ts';
export type { CallVerdict } from './judge-call.ts';
export type {
  ApprovalNeeds,
  CallRequest,
  PolicyAnswer,
  PolicyRequest,
  DecidingMany,
  PolicySet,
  ProfileRequest,
  TaskFacts,
  TaskRequest,
} from './policy.ts';
export { replay } from './replay.ts';
export type { RecordedDecision, Redecided, Replayed } from './replay.ts';
export { makeDecisionPool } from './pool.ts';
export type { DecisionPool } from './pool.ts';
export { generateSchema } from './schema.ts';
export { makeToolSet } from './tools/tool-set.ts';
export type { CompiledTool, PreparedCall, ToolSet } from './tools/tool-set.ts';
