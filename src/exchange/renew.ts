import { Refusal } from '../domain/errors.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Parameters } from '../domain/profile.ts';
import type { GrantView } from '../ledger/index.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Issued, IssueParts } from './issue.ts';
import { judge } from './judge.ts';
import { MINT_DEADLINE_SECONDS } from './minting.ts';
import { fitting, offered } from './offer.ts';
import { withRules } from './rules.ts';

export interface RenewRequest {
  readonly grant: GrantId;
  readonly ttlSeconds?: number | undefined;
}

/**
 * A new mint of the same grant: decided again, under the rules of now, and never past the maximum, which counts from the grant's
 * beginning. Earlier credentials keep their own ends, so that a caller can change over.
 * @throws Refusal `not_found` for a grant that is not the caller's own; and all that `issue` throws.
 */
export function makeRenew(context: ExchangeContext, parts: IssueParts) {
  return async function renew(caller: Caller, request: RenewRequest): Promise<Issued> {
    const view = await ownGrant(context, caller, request.grant);
    return mintAgain(context, parts, caller, view, 'renewal', () => request.ttlSeconds);
  };
}

export async function ownGrant(
  { ledger }: Pick<ExchangeContext, 'ledger'>,
  caller: Caller,
  id: GrantId,
): Promise<GrantView> {
  const view = await ledger.grants.find(id);
  if (view?.trust !== caller.identity.trust || view.subject !== caller.identity.id) throw new Refusal('not_found');
  return view;
}

/** @param asked - for how many seconds, counted from the instant that the decision is made at. */
export function mintAgain(
  context: ExchangeContext,
  parts: IssueParts,
  caller: Caller,
  view: GrantView,
  kind: 'renewal' | 'replacement',
  asked: (now: Date) => number | undefined,
): Promise<Issued> {
  const { ledger, ids, clock } = context;
  return withRules(context.rules, async (rules) => {
    const action = kind === 'renewal' ? 'renew' : 'issue';
    const { profile, provider } = await offered(context, rules, caller, action, view.profile);
    const parameters = fitting(profile, view.parameters as Parameters);
    const names = { mint: ids.mint(), grant: view.id as GrantId, task: view.taskId as TaskId };
    const task = await ledger.grants.task(names.task);
    const now = clock.now();
    const about = { profile, provider, parameters, task, now, startedAt: view.openedAt, askedSeconds: asked(now) };
    const { record, ttl } = await judge(context, rules, { action, ...caller, ...about });

    const subject = { trust: view.trust, id: view.subject };
    const plan = provider.plan(profile, parameters, { ...names, subject, now, endsAt: ttl.endsAt });
    const { epoch } = await ledger.issuing.openMint({
      grant: names.grant,
      kind,
      decision: record,
      ttl: { ends_at: ttl.endsAt.toISOString(), seconds: ttl.seconds, decided_by: ttl.decidedBy },
      mint: { id: plan.mint, request: plan.request, deadline_seconds: MINT_DEADLINE_SECONDS },
      origin: caller.origin,
    });
    const handover = await parts.mintAndActivate(provider, plan, epoch, caller.origin, false);
    return {
      ...handover,
      ...names,
      profile: profile.name,
      provider: provider.name,
      subject: subject.id,
      ttl,
      decision: record,
    };
  });
}
