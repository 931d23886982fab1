import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import type { Ttl } from '../domain/ttl.ts';
import type { DecisionRecord } from '../ledger/index.ts';
import type { Plan } from '../providers/provider.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { judge } from './judge.ts';
import { mintIntent } from './minting.ts';
import type { Handover, makeMinting } from './minting.ts';
import { fitting, offered } from './offer.ts';
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
export function makeIssue(context: ExchangeContext, { mintAndActivate, liveLimit }: IssueParts) {
  const { ledger, ids, clock } = context;

  return function issue(caller: Caller, request: IssueRequest): Promise<Issued> {
    return withRules(context.rules, async (rules) => {
      const { trust, id } = caller.identity;
      const { profile, provider } = await offered(context, rules, caller, 'issue', request.profile);
      const parameters = fitting(profile, request.parameters);
      const task = implicitTask(ids.task(), profile, request.purpose);
      const now = clock.now();
      const about = { profile, provider, parameters, task, now, startedAt: now, askedSeconds: request.ttlSeconds };
      const { record, ttl } = await judge(context, rules, { action: 'issue', ...caller, ...about });

      const names = { mint: ids.mint(), grant: ids.grant(), task: task.id };
      const plan = provider.plan(profile, parameters, { ...names, subject: { trust, id }, now, endsAt: ttl.endsAt });
      const { epoch } = await liveLimit.within(trust, id, () =>
        ledger.issuing.openGrant({
          decision: record,
          task: {
            id: task.id,
            purpose: task.purpose,
            mode: task.mode,
            environment: task.environment,
            on_behalf_of: null,
          },
          grant: grantRecord(names.grant, profile, parameters, ttl, plan),
          mint: mintIntent(plan),
          origin: caller.origin,
          idempotency: request.idempotency
            ? { key: request.idempotency.key, request_hash: request.idempotency.requestHash }
            : null,
        }),
      );
      const handover = await mintAndActivate(provider, plan, epoch, caller.origin, true);
      return {
        ...handover,
        ...names,
        profile: profile.name,
        provider: provider.name,
        subject: id,
        ttl,
        decision: record,
      };
    });
  };
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
