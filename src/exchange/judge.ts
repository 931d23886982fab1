import { Refusal } from '../domain/errors.ts';
import { outsideTask } from '../domain/task.ts';
import { capTtl } from '../domain/ttl.ts';
import type { Ttl } from '../domain/ttl.ts';
import type { DecisionRecord, ExceptionAbout } from '../ledger/index.ts';
import { judgeProfile } from '../policy/index.ts';
import type { ApprovalNeeds } from '../policy/policy.ts';
import type { Provider } from '../providers/provider.ts';
import type { ExchangeContext } from './context.ts';
import { decide, refuse } from './decide.ts';
import type { Decided, Question } from './decide.ts';
import { underException } from './exceptions.ts';
import type { ActiveRules } from './rules.ts';

export interface Asked extends Question {
  /** When the grant began: maxima count from there. */
  readonly startedAt: Date;
  readonly provider: Provider;
  /** Instead of the profile's minimum: the last piece of a grant may be shorter than any grant. */
  readonly minSeconds?: number;
}

/** A yes, or a yes once somebody has approved: its record, to be committed with the intent, and for how long. */
export interface Judged {
  readonly record: DecisionRecord;
  readonly ttl: Ttl;
  /** A person has to answer first, and who that is. */
  readonly waits?: ApprovalNeeds;
}

/**
 * Asks the policy set, holds its answer against the task's mode and bounds, and takes the minimum of all that can shorten the grant.
 * @throws Refusal `policy_denied`, `principal_refused`, `outside_task`, `task_ended`, `task_observes`, `ttl_below_minimum`; each is on record by then.
 */
export async function judge(context: ExchangeContext, rules: ActiveRules, asked: Asked): Promise<Judged> {
  const { ledger, ids } = context;
  const { profile, askedSeconds, identity, provider, now, startedAt, task } = asked;
  const first: Decided & { readonly until?: Date } = await decide(rules, ids, asked);
  const { answer, record, until } = await underException(context, aboutOf(asked), first, async (exception, endsAt) => ({
    ...(await decide(rules, ids, { ...asked, exception })),
    until: endsAt,
  }));
  const {
    code,
    facts,
    needs: waits,
  } = judgeProfile({ mode: task.mode, effect: profile.effect, approved: asked.approval !== undefined }, answer);
  if (answer.outcome === 'deny') await refuse(ledger, record, code ?? 'policy_denied', facts);
  const outside = task.implicit ? [] : outsideTask(task, profile, asked.parameters);
  if (outside.length > 0) await refuse(ledger, record, 'outside_task', { outside });
  if (task.endsAt && task.endsAt <= now) await refuse(ledger, record, 'task_ended', {});
  if (code === 'task_observes') await refuse(ledger, record, code, facts);
  try {
    const ttl = capTtl({
      now,
      startedAt,
      askedSeconds,
      rule: { ...profile.ttl, min: asked.minSeconds ?? profile.ttl.min },
      policy: answer.maxTtl && { id: answer.maxTtl.policy, seconds: answer.maxTtl.seconds },
      taskEndsAt: task.endsAt,
      taskMaxSeconds: task.bounds.maxTtlSeconds,
      exceptionEndsAt: until,
      vouchedUntil: identity.vouchedUntil,
      providerMaxSeconds: provider.maxTtlSeconds,
    });
    if (!waits) return { record, ttl };
    return { record: { ...record, outcome: 'approval', code: 'approval_required' }, ttl, waits };
  } catch (error) {
    if (error instanceof Refusal) return refuse(ledger, record, error.code, error.facts);
    throw error;
  }
}

function aboutOf({ profile, identity }: Asked): ExceptionAbout {
  const { name, owner, environment } = profile;
  return { profile: name, trust: identity.trust, subject: identity.id, owner, environment };
}
