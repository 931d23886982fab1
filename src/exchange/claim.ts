import { Refusal } from '../domain/errors.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Parameters } from '../domain/profile.ts';
import type { ApprovalRow, GrantView } from '../ledger/index.ts';
import { watched } from './after-revocation.ts';
import { approvalFacts, untoldOf } from './approval.ts';
import { mustBeWhatWasAsked } from './as-approved.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuse } from './decide.ts';
import type { Idempotency, Issued, IssueParts } from './issue.ts';
import { toldOf } from './issue.ts';
import { judge } from './judge.ts';
import { mintIntent } from './minting.ts';
import { fitting, offered } from './offer.ts';
import { isOver, mustBeOn, ownGrant, refuseOver } from './renew.ts';
import { withRules } from './rules.ts';

export interface ClaimRequest {
  readonly grant: GrantId;
  /** Of the task token that was shown. */
  readonly task?: TaskId | undefined;
  /** Under it a claim whose answer was lost is repeated: `makeClaimOnce`. */
  readonly idempotency?: Idempotency | undefined;
}

/**
 * Turns an approved request into a credential, once: the workload is attested again, the rules of now decide again with the
 * approval in hand, and what was approved must be to the letter what would be asked for now.
 * @throws Refusal `not_found`, `approval_pending`, `approval_required` (denied, lapsed, used, about something else, or given by
 * fewer than the rules of now want), `grant_not_active`; and all that `issue` throws.
 */
export function makeClaim(context: ExchangeContext, { mintAndActivate }: IssueParts) {
  const { ledger, ids, clock } = context;

  return async function claim(caller: Caller, request: ClaimRequest): Promise<Issued> {
    const view = await ownGrant(context, caller, request.grant);
    mustBeOn(view, request.task);
    return watched(context, 'claim', caller, { grant: request.grant }, () => claimOf(caller, request, view));
  };

  async function claimOf(caller: Caller, { grant, idempotency }: ClaimRequest, view: GrantView): Promise<Issued> {
    const approval = await ledger.approvals.ofGrant(grant);
    if (view.state !== 'pending_approval' || !approval)
      return refuseOver(context, caller, 'issue', view, factsOf(view, approval));
    if (approval.state === 'pending' && approval.expiresAt > clock.now())
      throw new Refusal('approval_pending', factsOf(view, approval));

    return withRules(context.rules, async (rules) => {
      const task = await ledger.grants.task(view.taskId as TaskId);
      const { profile, provider } = await offered(context, rules, caller, 'issue', view.profile, { task, grant });
      const parameters = fitting(profile, view.parameters as Parameters);
      const names = { mint: ids.mint(), grant, task: task.id };
      const wanted = { caller, profile, provider, parameters, task, grant, ttlSeconds: view.ttlSeconds };
      await mustBeWhatWasAsked(context, rules, 'issue', wanted, approval);

      const now = clock.now();
      const about = { profile, provider, parameters, task, grant, now, startedAt: now, askedSeconds: view.ttlSeconds };
      const approved = { approval: approvalFacts(approval) };
      const { record, ttl, waits } = await judge(context, rules, { action: 'issue', ...caller, ...about, ...approved });
      if (waits) await refuse(ledger, record, 'approval_required', {});

      const { trust, id } = caller.identity;
      const plan = provider.plan(profile, parameters, { ...names, subject: { trust, id }, now, endsAt: ttl.endsAt });
      const claiming = ledger.issuing.claimGrant({
        grant,
        decision: record,
        approval: approved.approval.id,
        asked_hash: approval.askedHash,
        ttl: { ends_at: ttl.endsAt.toISOString(), seconds: ttl.seconds, decided_by: ttl.decidedBy },
        revocability: plan.revocability,
        mint: mintIntent(plan),
        origin: caller.origin,
        idempotency: idempotency ? { key: idempotency.key, request_hash: idempotency.requestHash } : null,
      });
      const opening = claiming.catch((error: unknown) => {
        // another claim came first: nothing of this one was committed
        if (isOver(error)) return refuse(ledger, record, error.code, { grant });
        throw error;
      });
      const intended = { provider, plan, record, opening, origin: caller.origin, endsGrant: true };
      return mintAndActivate(intended, toldOf(grant, task, profile, record, ttl));
    });
  }
}

/** How it stands, and whether anybody could be told: a channel that is down is the reason that nobody answers. */
function factsOf({ id, state }: GrantView, approval: ApprovalRow | null) {
  const untold = approval ? untoldOf(approval) : 0;
  return {
    grant: id,
    state,
    ...(approval ? { approval: { id: approval.id, state: approval.state } } : {}),
    ...(untold > 0 ? { untold } : {}),
  };
}
