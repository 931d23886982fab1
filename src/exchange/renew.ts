import { Refusal } from '../domain/errors.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Parameters } from '../domain/profile.ts';
import type { TaskMode } from '../domain/task.ts';
import type { GrantView } from '../ledger/index.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { decide } from './decide.ts';
import { capped, fitting, mustAllow, offered } from './issue.ts';
import type { Issued, IssueParts } from './issue.ts';
import { MINT_DEADLINE_SECONDS } from './minting.ts';
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
    return mintAgain(context, parts, caller, view, 'renewal', request.ttlSeconds);
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

export function mintAgain(
  context: ExchangeContext,
  parts: IssueParts,
  caller: Caller,
  view: GrantView,
  kind: 'renewal' | 'replacement',
  ttlSeconds: number | undefined,
): Promise<Issued> {
  const { ledger, ids, clock } = context;
  return withRules(context.rules, async (rules) => {
    const action = kind === 'renewal' ? 'renew' : 'issue';
    const { profile, provider } = await offered(context, rules, caller, action, view.profile);
    const parameters = fitting(profile, view.parameters as Parameters);
    const now = clock.now();
    const task = await ledger.grants.task(view.taskId as TaskId);
    const requestedTtl = ttlSeconds ?? profile.ttl.default;
    const decided = decide(rules, ids, {
      action,
      ...caller,
      profile,
      parameters,
      task: {
        purpose: task.purpose,
        mode: task.mode as TaskMode,
        environment: task.environment,
        implicit: task.implicit,
      },
      requestedTtl,
      now,
    });
    await mustAllow(context, decided);
    const ttl = await capped(context, decided, {
      now,
      startedAt: view.openedAt,
      asked: ttlSeconds,
      profile,
      provider,
      caller,
    });
    const grant = view.id as GrantId;
    const subject = { trust: view.trust, id: view.subject };
    const plan = provider.plan(profile, parameters, {
      mint: ids.mint(),
      grant,
      task: view.taskId as TaskId,
      subject,
      now,
      endsAt: ttl.endsAt,
    });
    const opened = await ledger.issuing.openMint({
      grant,
      kind,
      decision: decided.record,
      ttl: { ends_at: ttl.endsAt.toISOString(), seconds: ttl.seconds, decided_by: ttl.decidedBy },
      mint: { id: plan.mint, request: plan.request, deadline_seconds: MINT_DEADLINE_SECONDS },
      origin: caller.origin,
    });
    const handover = await parts.mintAndActivate(provider, plan, opened.epoch, caller.origin, false);
    return {
      ...handover,
      grant,
      task: view.taskId as TaskId,
      profile: profile.name,
      provider: provider.name,
      subject: subject.id,
      ttl: { seconds: ttl.seconds, decidedBy: ttl.decidedBy },
      decision: decided.record,
    };
  });
}
