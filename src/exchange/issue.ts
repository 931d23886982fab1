import { Refusal } from '../domain/errors.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';
import { checkParameters } from '../domain/parameters.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import { capTtl } from '../domain/ttl.ts';
import type { Ttl } from '../domain/ttl.ts';
import type { DecisionRecord } from '../ledger/index.ts';
import type { Plan, Provider } from '../providers/provider.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { decide, refuse, refusedDecision } from './decide.ts';
import type { Decided } from './decide.ts';
import { MINT_DEADLINE_SECONDS } from './minting.ts';
import type { Handover, makeMinting } from './minting.ts';
import type { ActiveRules } from './rules.ts';
import { withRules } from './rules.ts';

export interface IssueRequest {
  readonly profile: string;
  readonly parameters: Readonly<Record<string, Json>>;
  readonly ttlSeconds?: number | undefined;
  readonly purpose?: string | undefined;
  readonly idempotency?: { readonly key: string; readonly requestHash: string } | undefined;
}

/** Everything the caller is told, the credential included. */
export interface Issued extends Handover {
  readonly grant: GrantId;
  readonly task: TaskId;
  readonly profile: string;
  readonly provider: string;
  readonly subject: string;
  readonly ttl: Pick<Ttl, 'seconds' | 'decidedBy'>;
  readonly decision: DecisionRecord;
}

export interface IssueParts {
  readonly mintAndActivate: ReturnType<typeof makeMinting>;
  readonly liveLimit: { within<T>(trust: string, id: string, open: () => Promise<T>): Promise<T> };
}

/** One issuance, as DESIGN draws it: decide, record the intent, mint, record the issuance, hand over. */
export function makeIssue(context: ExchangeContext, parts: IssueParts) {
  const { ledger, ids, clock } = context;

  return function issue(caller: Caller, request: IssueRequest): Promise<Issued> {
    return withRules(context.rules, async (rules) => {
      const { profile, provider } = await offered(context, rules, caller, 'issue', request.profile);
      const parameters = fitting(profile, request.parameters);
      const task = implicitTask(ids.task(), profile, request.purpose);
      const now = clock.now();
      const requestedTtl = request.ttlSeconds ?? profile.ttl.default;
      const decided = decide(rules, ids, { action: 'issue', ...caller, profile, parameters, task, requestedTtl, now });
      await mustAllow(context, decided);
      const ttl = await capped(context, decided, {
        now,
        startedAt: now,
        asked: request.ttlSeconds,
        profile,
        provider,
        caller,
      });
      const grant = ids.grant();
      const subject = { trust: caller.identity.trust, id: caller.identity.id };
      const plan = provider.plan(profile, parameters, {
        mint: ids.mint(),
        grant,
        task: task.id,
        subject,
        now,
        endsAt: ttl.endsAt,
      });

      const opened = await parts.liveLimit.within(subject.trust, subject.id, () =>
        ledger.issuing.openGrant({
          decision: decided.record,
          task: {
            id: task.id,
            purpose: task.purpose,
            mode: task.mode,
            environment: task.environment,
            on_behalf_of: null,
          },
          grant: grantRecord(grant, profile, parameters, ttl, plan),
          mint: { id: plan.mint, request: plan.request, deadline_seconds: MINT_DEADLINE_SECONDS },
          origin: caller.origin,
          idempotency: request.idempotency
            ? { key: request.idempotency.key, request_hash: request.idempotency.requestHash }
            : null,
        }),
      );
      const handover = await parts.mintAndActivate(provider, plan, opened.epoch, caller.origin, true);
      const { seconds, decidedBy } = ttl;
      return {
        ...handover,
        grant,
        task: task.id,
        profile: profile.name,
        provider: provider.name,
        subject: subject.id,
        ttl: { seconds, decidedBy },
        decision: decided.record,
      };
    });
  };
}

/** The profile and its provider. @throws Refusal `unknown_profile`, `profile_off`, on record. */
export async function offered(
  { ledger, ids, providers }: ExchangeContext,
  rules: ActiveRules,
  caller: Caller,
  action: 'issue' | 'renew',
  name: string,
): Promise<{ profile: Profile; provider: Provider }> {
  const profile = rules.profiles.get(name);
  const provider = profile && providers.get(profile.provider);
  if (profile && provider) return { profile, provider };
  const code = profile ? 'profile_off' : 'unknown_profile';
  return refuse(ledger, refusedDecision(rules, ids, caller, { action, resource: name, code }), code, { profile: name });
}

/** The parameters as the profile declares them. @throws Refusal `invalid_request` with every fault at once. */
export function fitting(profile: Profile, given: Readonly<Record<string, Json>>): Parameters {
  const checked = checkParameters(profile, given);
  if (checked.ok) return checked.parameters;
  const errors = checked.faults.map(({ parameter, problem, pattern }) => ({
    path: `parameters.${parameter}`,
    problem,
    ...(pattern === undefined ? {} : { pattern }),
  }));
  throw new Refusal('invalid_request', { errors });
}

/** @throws Refusal `policy_denied`, `approval_required`, on record, with what would help. */
export async function mustAllow({ ledger }: ExchangeContext, { answer, record }: Decided): Promise<void> {
  if (answer.outcome === 'deny') await refuse(ledger, record, 'policy_denied', {});
  if (answer.outcome === 'approval') await refuse(ledger, record, 'approval_required', {});
}

/** @throws Refusal `ttl_below_minimum`, on record. */
export async function capped(
  { ledger }: ExchangeContext,
  { answer, record }: Decided,
  about: {
    readonly now: Date;
    readonly startedAt: Date;
    readonly asked: number | undefined;
    readonly profile: Profile;
    readonly provider: Provider;
    readonly caller: Caller;
  },
): Promise<Ttl> {
  try {
    return capTtl({
      now: about.now,
      startedAt: about.startedAt,
      askedSeconds: about.asked,
      rule: about.profile.ttl,
      policy: answer.maxTtl && { id: answer.maxTtl.policy, seconds: answer.maxTtl.seconds },
      vouchedUntil: about.caller.identity.vouchedUntil,
      providerMaxSeconds: about.provider.maxTtlSeconds,
    });
  } catch (error) {
    if (error instanceof Refusal) return refuse(ledger, record, error.code, error.facts);
    throw error;
  }
}

/** The task that a single call makes for itself: policy alone decides, and the environment is the profile's. */
function implicitTask(id: TaskId, profile: Profile, purpose: string | undefined): Task {
  return { id, purpose: purpose ?? '', mode: 'autonomous', environment: profile.environment, implicit: true };
}

function grantRecord(id: GrantId, profile: Profile, parameters: Parameters, ttl: Ttl, plan: Plan) {
  return {
    id,
    profile: profile.name,
    provider: profile.provider,
    owner: profile.owner,
    environment: profile.environment,
    effect: profile.effect,
    parameters,
    ttl_seconds: ttl.seconds,
    ttl_decided_by: ttl.decidedBy,
    expires_at: ttl.endsAt.toISOString(),
    revocability: plan.revocability,
  };
}
