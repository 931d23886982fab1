import type { RefusalCode } from '../domain/errors.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { ExplainedRules } from './explain.ts';
import { judgeCall } from './judge-call.ts';
import { codeOfAnswer, judgeProfile } from './judge-profile.ts';
import type { PolicyAnswer, PolicyRequest } from './policy.ts';

/** A decision on record, as far as it can be made again. */
export interface RecordedDecision {
  readonly id: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly policies: readonly string[];
  /** What the policies saw; empty where they were not asked. */
  readonly inputs: JsonObject;
}

/** How a decision comes out under other rules. */
export type Replayed =
  /** The policies were not asked then, so there is nothing to ask them now. */
  { readonly kind: 'not_asked' } | { readonly kind: 'same' | 'differs'; readonly now: Redecided };

export interface Redecided {
  readonly outcome: PolicyAnswer['outcome'];
  readonly code: RefusalCode | null;
  readonly policies: readonly string[];
}

/** Codes of decisions that can follow from the rules and the inputs alone; every other one came from the state of that moment. */
const OF_RULES: ReadonlySet<string | null> = new Set([
  null,
  'policy_denied',
  'principal_refused',
  'approval_required',
  'over_limit',
  'task_observes',
]);

/**
 * Makes a decision again from its recorded inputs, which are what the policies saw then: also what they saw of the profile or tool. What came
 * from the state of that moment (an order, a grant that had ended) is not made again: of such a decision only the policies are compared.
 */
export function replay(rules: Pick<ExplainedRules, 'profiles' | 'policies'>, recorded: RecordedDecision): Replayed {
  const request = requestOf(recorded.inputs);
  if (!request) return { kind: 'not_asked' };
  const now = redecide(rules, request);
  const samePolicies = [...now.policies].sort().join() === [...recorded.policies].sort().join();
  const sameOutcome = now.outcome === recorded.outcome && now.code === recorded.code;
  const same = samePolicies && (sameOutcome || !isOfRules(recorded));
  return { kind: same ? 'same' : 'differs', now };
}

/** That an approval is wanted is no denial of the rules: one is on record where the approval that was shown did not hold any more. */
function isOfRules({ outcome, code }: RecordedDecision): boolean {
  return OF_RULES.has(code) && !(outcome === 'deny' && code === 'approval_required');
}

function redecide(rules: Pick<ExplainedRules, 'profiles' | 'policies'>, request: PolicyRequest): Redecided {
  if (request.action === 'call') {
    const tool = rules.policies.tools.find(request.resource.tool);
    if (!tool) return { outcome: 'deny', code: 'unknown_tool', policies: [] };
    const answer = rules.policies.decide(request);
    const { outcome, code } = judgeCall(tool.tool, request, answer);
    return { outcome, code, policies: answer.policies };
  }
  if ('resource' in request && !rules.profiles.has(request.resource.profile)) {
    return { outcome: 'deny', code: 'unknown_profile', policies: [] };
  }
  const answer = rules.policies.decide(request);
  const { policies } = answer;
  // Of what was denied there may be no question that could be read.
  if (!('resource' in request) || answer.outcome === 'deny')
    return { outcome: answer.outcome, code: codeOfAnswer(answer), policies };
  const { task, approval } = request.context;
  const asked = { mode: task.mode, effect: request.resource.effect, approved: approval !== undefined };
  const { outcome, code } = judgeProfile(asked, answer);
  return { outcome, code, policies };
}

/** What was recorded as a request; whatever of it is not one fails against the schema, and denies. */
function requestOf(inputs: JsonObject): PolicyRequest | undefined {
  const held: Json = inputs;
  const { action, principal, context } = inputs;
  if (typeof action !== 'string' || typeof principal !== 'object' || typeof context !== 'object') return undefined;
  return held as object as PolicyRequest;
}
