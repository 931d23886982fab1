import type { ExceptionId } from '../domain/ids.ts';
import type { DecisionRecord, ExceptionAbout } from '../ledger/index.ts';
import type { CoveringException, PolicyAnswer } from '../policy/policy.ts';
import type { ExchangeContext, Log } from './context.ts';

const RANK = { deny: 0, approval: 1, allow: 2 } as const;

/**
 * Decides once more under each active exception that covers this, where forbids that one may set aside stand in the way, and
 * answers the best that comes of it. Whether the exception still is in force is held where the decision is committed.
 * @param again - the same question, with the exception in it.
 */
export async function underException<D extends { readonly answer: PolicyAnswer }>(
  { ledger }: Pick<ExchangeContext, 'ledger'>,
  about: ExceptionAbout,
  first: D,
  again: (exception: CoveringException, endsAt: Date) => D | Promise<D>,
): Promise<D> {
  const { overridable } = first.answer;
  if (!overridable) return first;
  let best = first;
  for (const { id, policies, endsAt } of await ledger.exceptions.covering(about, overridable)) {
    const then = await again({ id, policies }, endsAt);
    if (RANK[then.answer.outcome] > RANK[best.answer.outcome]) best = then;
  }
  return best;
}

type ToldDecision = Pick<DecisionRecord, 'id' | 'action' | 'resource' | 'trust' | 'subject'>;

/** Loud: whoever reads the log sees each use. Once the decision is committed. */
export function tellException(
  log: Log,
  exception: ExceptionId | null | undefined,
  { id, action, resource, trust, subject }: ToldDecision,
): void {
  if (!exception) return;
  const facts = { exception, decision: id, action, resource, trust, subject };
  log.warn(facts, 'allowed under an exception');
}
