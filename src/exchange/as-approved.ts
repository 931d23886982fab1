import type { ApprovalRow } from '../ledger/index.ts';
import { approvalFacts, askedOf, hashOf } from './approval.ts';
import type { Approved, Wanted } from './approval.ts';
import type { ExchangeContext } from './context.ts';
import { refuseUnasked } from './decide.ts';
import type { ActiveRules } from './rules.ts';

/** @throws Refusal `approval_required`, on record, when anything of what would be asked now differs from what was approved. */
export async function mustBeWhatWasAsked(
  context: Pick<ExchangeContext, 'ledger' | 'ids'>,
  rules: ActiveRules,
  action: 'issue' | 'renew',
  wanted: Wanted,
  approval: ApprovalRow,
): Promise<void> {
  if (hashOf(askedOf(wanted)) === approval.askedHash) return;
  const { caller, profile, task, grant } = wanted;
  const about = { action, resource: profile.name, code: 'approval_required', task, grant } as const;
  await refuseUnasked(context, rules, caller, about, { changed: true });
}

/**
 * What was approved covers one grant to its end, and so each mint that ends with it, as long as the same would be asked for to
 * the letter. A renewal goes beyond it: it has no approval.
 */
export async function approvedFor(
  context: Pick<ExchangeContext, 'ledger' | 'ids'>,
  rules: ActiveRules,
  action: 'issue' | 'renew',
  wanted: Omit<Wanted, 'ttlSeconds'>,
): Promise<{ approval?: Approved }> {
  const approval = await context.ledger.approvals.ofGrant(wanted.grant);
  if (approval?.state !== 'consumed') return {};
  const { ttl_seconds } = approval.asked as { readonly ttl_seconds: number };
  await mustBeWhatWasAsked(context, rules, action, { ...wanted, ttlSeconds: ttl_seconds }, approval);
  return { approval: approvalFacts(approval) };
}
