import { Refusal } from '../domain/errors.ts';
import { LIVE_STATES } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Issued, IssueParts, IssueRequest, Pending } from './issue.ts';
import { mintAgain, ownGrant, secondsLeft } from './renew.ts';
import type { SettleGrant } from './revoke.ts';

/**
 * Issuance under an idempotency key. A credential is never stored, so a repeat cannot be answered from memory: it ends the
 * earlier mint, waits until that is confirmed, and mints again for the same grant and no longer than it.
 * @throws Refusal `idempotency_key_reused` for another request; `request_in_progress` for a concurrent one, or while the earlier
 * credential's end is not confirmed.
 */
export function makeIssueOnce(
  context: ExchangeContext,
  parts: IssueParts,
  issue: (caller: Caller, request: IssueRequest) => Promise<Issued | Pending>,
  settleGrant: SettleGrant,
) {
  const { ledger } = context;

  async function replace(caller: Caller, grant: GrantId): Promise<Issued> {
    const { trust, id } = caller.identity;
    const open = await ledger.issuing.retireMints(grant, { trust, id }, caller.origin);
    if (open > 0) await settleGrant(grant);
    const view = await ownGrant(context, caller, grant);
    if (view.mints.some((mint) => mint.state !== 'ended')) throw new Refusal('request_in_progress', { grant });
    return mintAgain(context, parts, caller, view, {
      action: 'issue',
      kind: () => 'replacement',
      askedSeconds: (now) => secondsLeft(view, now),
    });
  }

  return async function issueOnce(caller: Caller, request: IssueRequest): Promise<Issued | Pending> {
    if (!request.idempotency) return issue(caller, request);
    const { trust, id } = caller.identity;
    const earlier = await ledger.grants.repeated(trust, id, request.idempotency.key);
    if (!earlier) return issue(caller, request);
    if (earlier.request_hash !== request.idempotency.requestHash) throw new Refusal('idempotency_key_reused');
    if (earlier.state === 'active' && earlier.in_time) return replace(caller, earlier.grant_id);
    const open = (LIVE_STATES as readonly string[]).includes(earlier.state);
    if (open) throw new Refusal('request_in_progress', { grant: earlier.grant_id });
    return issue(caller, request);
  };
}
