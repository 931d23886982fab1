import { OTHERS_AHEAD_MS } from '../domain/clock.ts';
import { Refusal } from '../domain/errors.ts';
import type { DecisionId } from '../domain/ids.ts';
import type { DecisionView, OutcomeStatus } from '../ledger/index.ts';
import { mayEvaluate } from './call-subject.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Client } from './clients.ts';
import { withRules } from './rules.ts';

export interface Outcome {
  readonly decision: DecisionId;
  readonly status: OutcomeStatus;
  /** The reporter's own closed code of what went wrong. */
  readonly detail?: string | undefined;
  /** By the reporter's clock. */
  readonly happenedAt?: Date | undefined;
}

/**
 * How a call went, in the word of the workload whose call it was, or of an enforcement point that may ask about it; once. Also of a call
 * that was denied: that it was made all the same is worth knowing.
 * @throws Refusal `not_found` (also for what is not the caller's to know), `already_reported`, `invalid_request` for a time that lies ahead.
 */
export function makeReportOutcome(
  { ledger, rules, clock }: Pick<ExchangeContext, 'ledger' | 'rules' | 'clock'>,
  clients: readonly Client[],
) {
  async function isTheirs(caller: Caller, decision: DecisionView): Promise<boolean> {
    const { trust, id } = caller.identity;
    if (decision.trust === trust && decision.subject === id) return true;
    const asked = decision.askedBy as { readonly trust?: unknown; readonly id?: unknown } | null;
    if (asked?.trust === trust && asked.id === id) return true;
    return withRules(rules, async ({ policies }) => {
      const tool = policies.tools.find(decision.resource);
      return tool !== undefined && mayEvaluate(clients, caller, tool.tool);
    });
  }

  return async function reportOutcome(caller: Caller, outcome: Outcome): Promise<{ at: Date }> {
    const decision = await ledger.calls.findDecision(outcome.decision);
    if (decision?.action !== 'call' || !(await isTheirs(caller, decision))) throw new Refusal('not_found');
    if (outcome.happenedAt && outcome.happenedAt.getTime() > clock.now().getTime() + OTHERS_AHEAD_MS) throw notYet();
    const { trust, id } = caller.identity;
    return ledger.calls.reportOutcome({
      decision: outcome.decision,
      status: outcome.status,
      detail: outcome.detail ?? null,
      happened_at: outcome.happenedAt?.toISOString() ?? null,
      actor: { kind: 'workload', trust, id },
      origin: caller.origin,
    });
  };
}

function notYet(): Refusal {
  const problem = `must not lie more than ${OTHERS_AHEAD_MS / 1_000} seconds ahead`;
  return new Refusal('invalid_request', { errors: [{ path: 'at', problem }] });
}
