import { Refusal } from '../domain/errors.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Parameters } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import type { GrantView } from '../ledger/index.ts';
import { watched } from './after-revocation.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Issued, IssueParts } from './issue.ts';
import { toldOf } from './issue.ts';
import { refuse, refuseUnasked } from './decide.ts';
import { judge } from './judge.ts';
import { mintIntent } from './minting.ts';
import { fitting, offered } from './offer.ts';
import { approvedFor } from './as-approved.ts';
import { withRules } from './rules.ts';
import type { ActiveRules } from './rules.ts';

export interface RenewRequest {
  readonly grant: GrantId;
  readonly ttlSeconds?: number | undefined;
  /** The task whose token was shown with the request, if one was. */
  readonly task?: TaskId | undefined;
}

/**
 * A new mint of the same grant: decided again, under the rules of now, and never past the maximum, which counts from the grant's
 * beginning. Earlier credentials keep their own ends, so that a caller can change over. Where credentials are shorter than their
 * grant and no life is asked for, it is the next one, and the grant keeps its end.
 * @throws Refusal `not_found` for a grant that is not the caller's own; and all that `issue` throws.
 */
export function makeRenew(context: ExchangeContext, parts: IssueParts) {
  return async function renew(caller: Caller, request: RenewRequest): Promise<Issued> {
    const view = await ownGrant(context, caller, request.grant);
    mustBeOn(view, request.task);
    return watched(context, 'renew', caller, { grant: request.grant }, () =>
      mintAgain(context, parts, caller, view, {
        action: 'renew',
        kind: (short) => (short && request.ttlSeconds === undefined ? 'child' : 'renewal'),
        askedSeconds: request.ttlSeconds,
      }),
    );
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

/** A task token that is shown counts: it is that of the grant's task, or the request is not what it says. @throws Refusal. */
export function mustBeOn({ taskId }: GrantView, shown: TaskId | undefined): void {
  if (shown !== undefined && shown !== taskId) throw new Refusal('task_token_invalid', { task: taskId });
}

/** One more mint of a grant, and of which kind. */
export interface Again {
  readonly action: 'issue' | 'renew';
  /** @param short - credentials of this provider end before their grant. */
  readonly kind: (short: boolean) => 'renewal' | 'replacement' | 'child';
  /** Of a renewal; what else there is of a grant ends with it. */
  readonly askedSeconds?: number | undefined;
}

/**
 * Of a profile, what its grants are ended, ordered and listed by: a mint under others would be looked for where it is not, and orders would
 * pass it by. Where the rules of now say otherwise, another grant has to be asked for.
 */
const KEPT = ['provider', 'owner', 'environment'] as const;

export function mintAgain(
  context: ExchangeContext,
  parts: IssueParts,
  caller: Caller,
  view: GrantView,
  again: Again,
): Promise<Issued> {
  const { ledger, ids, clock } = context;
  return withRules(context.rules, async (rules) => {
    const task = await ledger.grants.task(view.taskId as TaskId);
    const { profile, provider } = await offered(context, rules, caller, again.action, view.profile, {
      task,
      grant: view.id as GrantId,
    });
    const over = (facts: JsonObject) => refuseGrant(context, rules, caller, again.action, view, task, facts);
    const changed = KEPT.filter((what) => view[what] !== profile[what]);
    if (changed.length > 0) await over({ changed });
    const parameters = fitting(profile, view.parameters as Parameters);
    const subject = { trust: view.trust, id: view.subject };
    const names = { mint: ids.mint(), grant: view.id as GrantId, task: task.id };
    const now = clock.now();
    const planned = (endsAt: Date) => provider.plan(profile, parameters, { ...names, subject, now, endsAt });

    const kind = again.kind(planned(view.expiresAt).short === true);
    const left = secondsLeft(view, now);
    if (kind !== 'renewal' && left < 1) await over({});
    const asked = {
      askedSeconds: kind === 'renewal' ? again.askedSeconds : left,
      ...(kind === 'child' && { minSeconds: 1 }),
    };
    // What was approved is the grant as it stands: not that it is made longer.
    const wanted = { caller, profile, provider, parameters, task, grant: names.grant };
    const approved = kind === 'renewal' ? {} : await approvedFor(context, rules, again.action, wanted);
    const { grant } = names;
    const about = { profile, provider, parameters, task, grant, now, startedAt: view.openedAt, ...asked, ...approved };
    const { record, ttl, waits } = await judge(context, rules, { action: again.action, ...caller, ...about });
    if (waits) await refuse(ledger, record, 'approval_required', {});

    // What the grant has left is not rounded down once more: its children end with it.
    const endsAt = kind === 'child' && ttl.seconds === left ? view.expiresAt : ttl.endsAt;
    const plan = planned(endsAt);
    const opening = ledger.issuing.openMint({
      grant: names.grant,
      kind,
      decision: record,
      ttl: { ends_at: endsAt.toISOString(), seconds: ttl.seconds, decided_by: ttl.decidedBy },
      mint: mintIntent(plan),
      origin: caller.origin,
    });
    const { origin } = caller;
    const told = kind === 'child' ? { seconds: view.ttlSeconds, decidedBy: view.ttlDecidedBy } : ttl;
    const intended = { provider, plan, record, opening, origin, endsGrant: false };
    return parts.mintAndActivate(intended, toldOf(grant, task, profile, record, told));
  });
}

export const isOver = (error: unknown): error is Refusal =>
  error instanceof Refusal && error.code === 'grant_not_active';

/** Puts on record that a grant is not what is asked of it any more, and refuses with it. @throws Refusal `grant_not_active`. */
export function refuseOver(
  context: ExchangeContext,
  caller: Caller,
  action: Again['action'],
  view: GrantView,
  facts: JsonObject = {},
): Promise<never> {
  return withRules(context.rules, async (rules) => {
    const task = await context.ledger.grants.task(view.taskId as TaskId);
    return refuseGrant(context, rules, caller, action, view, task, facts);
  });
}

function refuseGrant(
  context: Pick<ExchangeContext, 'ledger' | 'ids'>,
  rules: ActiveRules,
  caller: Caller,
  action: Again['action'],
  view: GrantView,
  task: Task,
  facts: JsonObject,
): Promise<never> {
  const about = { action, resource: view.profile, code: 'grant_not_active', task, grant: view.id as GrantId } as const;
  return refuseUnasked(context, rules, caller, about, { grant: view.id, ...facts });
}

function secondsLeft({ expiresAt }: GrantView, now: Date): number {
  return Math.floor((expiresAt.getTime() - now.getTime()) / 1000);
}
