import { Refusal } from '../domain/errors.ts';
import { LIVE_STATES, readRevocability } from '../domain/grant.ts';
import type { ApprovalId, DecisionId, GrantId, TaskId } from '../domain/ids.ts';
import type { ApprovalState, RepeatedRequest } from '../ledger/index.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { ClaimRequest } from './claim.ts';
import type { Issued, IssueParts, IssueRequest, Pending } from './issue.ts';
import { watched } from './after-revocation.ts';
import { isOver, mintAgain, ownGrant, refuseOver } from './renew.ts';
import type { SettleGrant } from './revoke.ts';

/**
 * Issuance under an idempotency key. A credential is never stored, so a repeat cannot be answered from memory: it ends the
 * earlier mint, waits until that is confirmed, and mints again for the same grant and no longer than it.
 * @throws Refusal `idempotency_key_reused` for another request; `request_in_progress` for a concurrent one, or while the earlier
 * credential's end is not confirmed.
 */
export function makeIssueOnce(
  context: ExchangeContext,
  issue: (caller: Caller, request: IssueRequest) => Promise<Issued | Pending>,
  replace: Replace,
) {
  return async function issueOnce(caller: Caller, request: IssueRequest): Promise<Issued | Pending> {
    const earlier = await earlierRequest(context, caller, request.idempotency);
    if (!earlier) return issue(caller, request);
    if (earlier.state === 'active' && earlier.in_time) return replace(caller, earlier.grant_id);
    if (earlier.state === 'pending_approval') {
      const pending = await stillPending(context, caller, earlier.grant_id);
      if (pending) return pending;
    }
    mustBeOver(earlier);
    return issue(caller, request);
  };
}

/** The same for a claim, which is made once: a repeat is for an answer that was lost, and ends what was lost with it. */
export function makeClaimOnce(
  context: ExchangeContext,
  claim: (caller: Caller, request: ClaimRequest) => Promise<Issued>,
  replace: Replace,
) {
  return async function claimOnce(caller: Caller, request: ClaimRequest): Promise<Issued> {
    const earlier = await earlierRequest(context, caller, request.idempotency);
    if (!earlier) return claim(caller, request);
    if (earlier.state === 'active' && earlier.in_time) return replace(caller, earlier.grant_id);
    mustBeOver(earlier);
    return claim(caller, request);
  };
}

/** Ends the earlier mint of a grant, and mints again. */
export type Replace = (caller: Caller, grant: GrantId) => Promise<Issued>;

export function makeReplace(context: ExchangeContext, parts: IssueParts, settleGrant: SettleGrant): Replace {
  const { ledger } = context;

  return (caller, grant) => watched(context, 'issue', caller, { grant }, () => replacement(caller, grant));

  async function replacement(caller: Caller, grant: GrantId): Promise<Issued> {
    const { trust, id } = caller.identity;
    const open = await ledger.issuing.retireMints(grant, { trust, id }, caller.origin).catch(async (error: unknown) => {
      if (isOver(error)) return refuseOver(context, caller, 'issue', await ownGrant(context, caller, grant));
      throw error;
    });
    if (open > 0) await settleGrant(grant);
    const view = await ownGrant(context, caller, grant);
    if (view.mints.some((mint) => mint.state !== 'ended')) throw new Refusal('request_in_progress', { grant });
    return mintAgain(context, parts, caller, view, {
      action: 'issue',
      kind: () => 'replacement',
    });
  }
}

async function earlierRequest(
  { ledger }: Pick<ExchangeContext, 'ledger'>,
  { identity: { trust, id } }: Caller,
  idempotency: IssueRequest['idempotency'],
): Promise<RepeatedRequest | undefined> {
  if (!idempotency) return undefined;
  const earlier = await ledger.grants.repeated(trust, id, idempotency.key);
  if (!earlier) return undefined;
  if (earlier.request_hash !== idempotency.requestHash || earlier.grant_id === null)
    throw new Refusal('idempotency_key_reused');
  return earlier;
}

function mustBeOver({ state, grant_id }: RepeatedRequest): void {
  if ((LIVE_STATES as readonly string[]).includes(state)) throw new Refusal('request_in_progress', { grant: grant_id });
}

/** The answer that the first request got, as it stands now; undefined where it has been claimed or closed meanwhile. */
async function stillPending(
  context: Pick<ExchangeContext, 'ledger'>,
  caller: Caller,
  grant: GrantId,
): Promise<Pending | undefined> {
  const view = await ownGrant(context, caller, grant);
  const approval = await context.ledger.approvals.ofGrant(grant);
  if (view.state !== 'pending_approval' || !approval) return undefined;
  const { id, generation, policies } = view.decision;
  return {
    grant,
    task: view.taskId as TaskId,
    profile: view.profile,
    provider: view.provider,
    subject: view.subject,
    ttl: { seconds: view.ttlSeconds, decidedBy: view.ttlDecidedBy },
    revocability: readRevocability(view.revocability),
    decision: { id: id as DecisionId, generation: Number(generation), policies },
    approval: {
      id: approval.id as ApprovalId,
      state: approval.state as ApprovalState,
      expiresAt: approval.expiresAt,
    },
  };
}
