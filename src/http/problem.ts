import { Fault, ProviderError, Refusal } from '../domain/errors.ts';
import type { FaultCode, ProviderErrorCode, RefusalCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { ProblemsError } from '../domain/problem.ts';

/** RFC 9457, with a stable `code`, and what would help. */
export interface ProblemBody {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly help?: string;
  readonly facts: JsonObject;
  /** Seconds, for `Retry-After`. */
  readonly retryAfter?: number;
}

type Entry = readonly [status: number, title: string, help?: string];

const REFUSALS: Readonly<Record<RefusalCode, Entry>> = {
  evidence_missing: [
    401,
    'No evidence of identity was given',
    'Send the workload’s attested token as Authorization: Bearer.',
  ],
  evidence_malformed: [401, 'The evidence cannot be read'],
  evidence_untrusted: [401, 'Nothing here vouches for this evidence'],
  evidence_invalid: [401, 'The evidence does not hold'],
  evidence_expired: [401, 'The evidence has ended', 'Fetch a fresh token from the workload’s identity provider.'],
  evidence_not_yet_valid: [401, 'The evidence does not count yet'],
  invalid_request: [400, 'The request is wrong in what `errors` lists'],
  invalid_denial_binding: [
    400,
    'This is not the denial that was given to you, or not what was denied',
    'Send `denial` as it came with the decision, and the request as it was.',
  ],
  not_an_operator: [403, 'This is for operators', 'Use an operator’s token, made out to the operators’ audience.'],
  not_a_workload: [403, 'This is for workloads', 'Use the workload’s own evidence.'],
  role_missing: [403, 'None of your roles allows this'],
  role_limited: [403, 'Your role is limited, and this lies outside of it'],
  not_a_client: [403, 'Only registered clients may ask this', 'Register the caller under `clients:` of writ.yaml.'],
  policy_denied: [403, 'No policy permits this', 'Ask the owner of the profile, or see `writ policy explain`.'],
  principal_refused: [
    403,
    'The principal is neither verified nor permitted',
    'Show a token of theirs, or ask for a policy that lets this workload name them.',
  ],
  approval_required: [
    403,
    'A person has to approve this first',
    'Ask for it again; what was approved, if anything, does not count for this.',
  ],
  ttl_below_minimum: [
    403,
    'Less time is left than the profile’s minimum',
    'Ask for more, or renew what `decided_by` names.',
  ],
  unknown_profile: [403, 'No such profile is offered'],
  profile_off: [403, 'The provider of this profile is off here'],
  outside_task: [403, 'The request lies outside of its task', 'Ask for what the task covers, or for another task.'],
  task_observes: [403, 'The task only observes: the decision is on record, and nothing is issued'],
  task_token_invalid: [403, 'The task token does not hold, or not for this workload', 'Ask for a task of your own.'],
  wider_than_parent: [403, 'What is handed on must lie within what there is: see `wider`'],
  too_many_hops: [403, 'The task was handed on as often as it may be'],
  delegation_loop: [403, 'A workload on the chain is handed its own task again'],
  task_budget_spent: [403, 'The budget of the task, or of one above it, is spent'],
  unknown_tool: [403, 'No such tool is known here'],
  unknown_action: [403, 'Only calls of tools are decided here'],
  unknown_subject: [403, 'Nobody is known by this name here'],
  invalid_arguments: [403, 'The arguments do not fit the tool’s schema'],
  mapping_failed: [403, 'The arguments could not be mapped to what policies see'],
  over_limit: [403, 'An argument is above the tool’s limit'],
  grant_required: [403, 'This tool is called under a grant', 'Send the grant as `context.grant`.'],
  profile_may_not_call: [403, 'The profile of this grant may not call this tool'],
  not_found: [404, 'There is no such thing, or it is not yours'],
  under_order: [409, 'A revocation order stands in the way', 'Ask security; `order` names it.'],
  grant_not_active: [409, 'The grant is not active', 'Ask for a new one.'],
  request_in_progress: [409, 'The same request is under way', 'Wait for it, or try again in a moment.'],
  idempotency_key_reused: [
    409,
    'This idempotency key was used for another request',
    'Use a fresh key for each request.',
  ],
  lift_needs_another_operator: [409, 'Somebody else has to lift this order: it takes two'],
  already_lifted: [409, 'The order was lifted already'],
  task_not_found: [404, 'There is no such task, or it is not yours'],
  task_ended: [409, 'The task has ended', 'Ask for a new one.'],
  approval_pending: [409, 'Nobody has answered yet', 'Wait for the approval, then claim the grant.'],
  approval_closed: [409, 'The approval was answered, used or has lapsed already'],
  already_answered: [409, 'You have answered this already'],
  own_request: [403, 'Nobody answers what they have asked for themselves, or what is asked for in their name'],
  exception_closed: [409, 'The exception was answered, is over, or was reviewed already'],
  expired_denial: [410, 'The denial is too old to ask about', 'Ask for the decision again.'],
  already_reported: [409, 'How this call went was reported already'],
  superseded: [409, 'The grant ended before its credential was ready', 'Nothing was handed out; ask again.'],
  too_many_requests: [429, 'Too many requests at once'],
  too_many_refusals: [429, 'Too many refusals from this address'],
  too_many_approvals: [429, 'This workload waits for as many approvals as it may', 'Wait for answers.'],
  too_many_open_tasks: [429, 'This workload has as many open tasks as it may', 'End some, or let them end.'],
  too_many_live_grants: [429, 'This workload holds as many live grants as it may', 'End some, or let them expire.'],
};

const FAULTS: Readonly<Record<FaultCode, Entry>> = {
  ledger_unavailable: [503, 'The ledger cannot be reached; nothing was handed out'],
  no_generation: [503, 'No rules are active yet', 'Activate some with `writ apply`.'],
  generation_behind: [503, 'This replica has not loaded the active rules'],
  evidence_source_unavailable: [503, 'The keys that evidence is checked with cannot be had'],
  clock_skew: [503, 'This replica’s clock is off'],
  keys_unavailable: [503, 'The signing keys cannot be had'],
  shutting_down: [503, 'This replica is shutting down'],
};

const NOTHING = 'Nothing was handed out; the end of what may exist is under way.';
const PROVIDERS: Readonly<Record<ProviderErrorCode, Entry>> = {
  provider_unreachable: [502, 'The provider cannot be reached', NOTHING],
  provider_refused: [502, 'The provider refused', NOTHING],
  provider_answer_wrong: [502, 'The provider answered something else than was asked', NOTHING],
  provider_throttled: [503, 'The provider is at its limit', NOTHING],
  provider_limit: [
    403,
    'What was asked for is more than the provider takes',
    'Ask for less, or have the profile made smaller: `limit` and `actual` say by how much. Nothing was handed out.',
  ],
  provider_timeout: [504, 'The provider did not answer in time', NOTHING],
};

/** Where a standard has a type of its own for it. */
export const PROBLEM_TYPES: Readonly<Partial<Record<string, string>>> = {
  invalid_denial_binding: 'urn:openid:authzen:access-request:error:invalid_denial_binding',
  expired_denial: 'urn:openid:authzen:access-request:error:expired_denial',
};

/** Every error as its problem; what is not one of ours shows nothing of itself. */
export function problemOf(error: unknown): ProblemBody {
  if (error instanceof Refusal) return entry(error.code, REFUSALS[error.code], error.facts);
  if (error instanceof Fault) return faultEntry(error);
  if (error instanceof ProviderError) return entry(error.code, PROVIDERS[error.code], error.facts);
  if (error instanceof ProblemsError) {
    const problems = error.problems.map(({ file, line, message }) => ({ file, line, message }));
    return entry('rules_do_not_check', [400, 'The rules do not check; nothing was changed'], { problems });
  }
  const status = (error as { status?: unknown } | null)?.status;
  if (status === 413) return entry('body_too_large', [413, 'The request is too large'], {});
  if (status === 415) return entry('unsupported_media_type', [415, 'The body must be application/json'], {});
  if (status === 400)
    return entry('invalid_request', [400, 'The body cannot be read'], {
      errors: [{ path: '', problem: 'unreadable' }],
    });
  return entry('internal_error', [500, 'Something broke here; nothing was handed out'], {});
}

/** Of a batch of which a beginning is on record. */
const BEGUN =
  'None of them may be done. Those of `recorded` are on record all the same; asked again they are decided once more.';

function faultEntry({ code, facts }: Fault): ProblemBody {
  const known = FAULTS[code];
  return entry(code, 'recorded' in facts ? [known[0], known[1], BEGUN] : known, facts);
}

function entry(code: string, [status, title, help]: Entry, facts: JsonObject): ProblemBody {
  const retry = status === 429 || status === 503 ? { retryAfter: 1 } : {};
  return { status, code, title, ...(help === undefined ? {} : { help }), facts, ...retry };
}
