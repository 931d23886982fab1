import { Refusal } from '../domain/errors.ts';
import { capTtl } from '../domain/ttl.ts';
import type { Ttl } from '../domain/ttl.ts';
import type { DecisionRecord } from '../ledger/index.ts';
import type { Provider } from '../providers/provider.ts';
import type { ExchangeContext } from './context.ts';
import { decide, refuse } from './decide.ts';
import type { Question } from './decide.ts';
import type { ActiveRules } from './rules.ts';

export interface Asked extends Omit<Question, 'requestedTtl'> {
  readonly askedSeconds: number | undefined;
  /** When the grant began: maxima count from there. */
  readonly startedAt: Date;
  readonly provider: Provider;
  /** Instead of the profile's minimum: the last piece of a grant may be shorter than any grant. */
  readonly minSeconds?: number;
}

/** A yes: its record, to be committed with the intent, and for how long. */
export interface Judged {
  readonly record: DecisionRecord;
  readonly ttl: Ttl;
}

/**
 * Asks the policy set, and takes the minimum of all that can shorten the grant.
 * @throws Refusal `policy_denied`, `approval_required`, `ttl_below_minimum`; each is on record by then.
 */
export async function judge({ ledger, ids }: ExchangeContext, rules: ActiveRules, asked: Asked): Promise<Judged> {
  const { profile, askedSeconds, identity, provider, now, startedAt } = asked;
  const { answer, record } = decide(rules, ids, { ...asked, requestedTtl: askedSeconds ?? profile.ttl.default });
  if (answer.outcome === 'deny') await refuse(ledger, record, 'policy_denied', {});
  if (answer.outcome === 'approval') await refuse(ledger, record, 'approval_required', {});
  try {
    const ttl = capTtl({
      now,
      startedAt,
      askedSeconds,
      rule: { ...profile.ttl, min: asked.minSeconds ?? profile.ttl.min },
      policy: answer.maxTtl && { id: answer.maxTtl.policy, seconds: answer.maxTtl.seconds },
      vouchedUntil: identity.vouchedUntil,
      providerMaxSeconds: provider.maxTtlSeconds,
    });
    return { record, ttl };
  } catch (error) {
    if (error instanceof Refusal) return refuse(ledger, record, error.code, error.facts);
    throw error;
  }
}
