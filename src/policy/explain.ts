import { readArguments } from '../domain/arguments.ts';
import { Refusal } from '../domain/errors.ts';
import type { RefusalCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { checkParameters } from '../domain/parameters.ts';
import type { ParameterFault } from '../domain/parameters.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { PolicyQuestion } from '../domain/question.ts';
import { capTtl } from '../domain/ttl.ts';
import type { Ttl } from '../domain/ttl.ts';
import { judgeCall } from './judge-call.ts';
import { codeOfAnswer, judgeProfile } from './judge-profile.ts';
import { callRequest } from './call-request.ts';
import type { PolicyAnswer, PolicyRequest, PolicySet, ProfileRequest, TaskFacts, TaskRequest } from './policy.ts';

/** The part of a generation that explaining needs. */
export interface ExplainedRules {
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly policies: PolicySet;
  /** Names of providers that are off. */
  readonly off: ReadonlySet<string>;
}

/** What would be decided, and why. What a provider would be asked follows from `granted`. */
export interface Explanation {
  readonly outcome: PolicyAnswer['outcome'];
  /** Why nothing would be given, in the broker's codes. */
  readonly code?: RefusalCode;
  readonly facts?: JsonObject;
  readonly faults?: readonly ParameterFault[];
  /** The question as policies see it, and their answer; absent where they would not be asked. */
  readonly request?: PolicyRequest;
  readonly answer?: PolicyAnswer;
  /** How long it would live as far as the rules decide: a task, identity or provider may shorten it further. */
  readonly ttl?: Ttl;
  readonly granted?: { readonly profile: Profile; readonly parameters: Parameters };
}

/** Decides a question as an issuance would, from the rules alone. `now` counts where the question has no time of its own. */
export function explain(rules: ExplainedRules, question: PolicyQuestion, now: Date): Explanation {
  const at = question.now === undefined ? now : new Date(question.now);
  if (question.action === 'create_task' || question.action === 'delegate')
    return decided(rules, taskRequest(question, question.action, at));
  if (question.action === 'call') return explainCall(rules, question, at);
  const profile = rules.profiles.get(question.profile ?? '');
  if (!profile) return { outcome: 'deny', code: 'unknown_profile' };
  if (rules.off.has(profile.provider)) return { outcome: 'deny', code: 'profile_off' };
  const checked = checkParameters(profile, question.parameters);
  if (!checked.ok) return { outcome: 'deny', code: 'invalid_request', faults: checked.faults };

  const { parameters } = checked;
  const request = profileRequest(question, question.action, profile, parameters, at);
  const answer = rules.policies.decide(request);
  const asked = { mode: request.context.task.mode, effect: profile.effect, approved: question.approval !== undefined };
  const { outcome, code, facts } = judgeProfile(asked, answer);
  const explanation = { outcome, request, answer, facts, ...(code === null ? {} : { code }) };
  if (outcome === 'deny') return explanation;
  try {
    const ttl = ttlOf(profile, question.ttlSeconds, answer.maxTtl, at);
    return { ...explanation, ttl, granted: { profile, parameters } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { ...explanation, outcome: 'deny', code: error.code, facts: error.facts };
  }
}

/** A call, as far as the rules decide: whether grant and task are live is not asked. */
function explainCall(rules: ExplainedRules, question: PolicyQuestion, at: Date): Explanation {
  const found = rules.policies.tools.find(question.tool ?? '');
  if (!found) return { outcome: 'deny', code: 'unknown_tool' };
  const { tool } = found;
  const profile = rules.profiles.get(question.profile ?? '');
  if (question.profile !== undefined && !profile) return { outcome: 'deny', code: 'unknown_profile' };
  if (tool.profiles && !profile) return { outcome: 'deny', code: 'grant_required' };
  if (tool.profiles && !tool.profiles.includes(profile?.name ?? '')) {
    return { outcome: 'deny', code: 'profile_may_not_call' };
  }
  const given = readArguments(question.arguments ?? {});
  if (!given.ok) return { outcome: 'deny', code: 'invalid_arguments', facts: { ...given.fault } };
  const prepared = found.prepare(question.arguments ?? {});
  if (!prepared.ok) {
    const facts = prepared.code === 'mapping_failed' ? { argument: prepared.argument } : { ...prepared.fault };
    return { outcome: 'deny', code: prepared.code, facts };
  }
  const request = callRequest({
    principal: question.principal,
    name: question.tool ?? '',
    tool,
    mapped: prepared.mapped,
    facts: factsOf(question, tool.environment),
    now: at,
    approval: question.approval,
    grant: profile && { profile: profile.name, parameters: question.parameters },
  });
  const answer = rules.policies.decide(request);
  const { outcome, code, facts } = judgeCall(tool, request, answer);
  return { outcome, request, answer, facts, ...(code === null ? {} : { code }) };
}

function decided(rules: ExplainedRules, request: PolicyRequest): Explanation {
  const answer = rules.policies.decide(request);
  const code = codeOfAnswer(answer);
  return { outcome: answer.outcome, ...(code === null ? {} : { code }), request, answer };
}

function ttlOf(profile: Profile, asked: number | undefined, policy: PolicyAnswer['maxTtl'], now: Date): Ttl {
  return capTtl({
    now,
    startedAt: now,
    askedSeconds: asked,
    rule: profile.ttl,
    policy: policy && { id: policy.policy, seconds: policy.seconds },
    vouchedUntil: FAR,
  });
}

/** The latest instant there is: nobody's identity is in question here. */
const FAR = new Date(8.64e15);

function profileRequest(
  question: PolicyQuestion,
  action: ProfileRequest['action'],
  profile: Profile,
  parameters: Parameters,
  at: Date,
): PolicyRequest {
  const { name, provider, owner, environment, effect, ttl } = profile;
  const shared = requestOf(question, environment, parameters, question.ttlSeconds ?? ttl.default, at);
  return { ...shared, action, resource: { profile: name, provider, owner, environment, effect } };
}

function taskRequest(question: PolicyQuestion, action: TaskRequest['action'], at: Date): PolicyRequest {
  return { ...requestOf(question, '', {}, question.ttlSeconds ?? 0, at), action };
}

/** What a question says of its task; `environment` where it says nothing of one. */
function factsOf(
  { purpose, task, delegation, onBehalfOf, onBehalfOfVerified }: PolicyQuestion,
  environment: string,
): TaskFacts {
  return {
    task: { ...task, purpose, environment: task.environment ?? environment },
    ...(delegation && { delegation }),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    ...(onBehalfOfVerified && { onBehalfOfVerified }),
  };
}

function requestOf(
  question: PolicyQuestion,
  environment: string,
  parameters: Parameters,
  requestedTtl: number,
  at: Date,
) {
  const { principal, approval } = question;
  return {
    principal,
    context: {
      ...factsOf(question, environment),
      parameters,
      requestedTtl,
      now: `${at.toISOString().slice(0, 19)}Z`,
      ...(approval === undefined ? {} : { approval }),
    },
  };
}

/** The explanation as `--json` prints it. */
export function explanationJson({ outcome, code, facts, faults, answer, ttl }: Explanation): JsonObject {
  const cap = answer?.maxTtl;
  return {
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(facts === undefined || Object.keys(facts).length === 0 ? {} : { facts }),
    ...(faults === undefined ? {} : { parameters: faults.map((fault) => ({ ...fault })) }),
    policies: answer?.policies ?? [],
    controls: answer?.controls ?? [],
    errors: (answer?.errors ?? []).map(({ policy, message }) => ({ policy, message })),
    ...(cap && { max_ttl: { policy: cap.policy, seconds: cap.seconds } }),
    ...(ttl && { ttl: { seconds: ttl.seconds, decided_by: ttl.decidedBy } }),
  };
}
