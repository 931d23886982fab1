import type { Issued, Pending } from '../exchange/issue.ts';
import type { OrderView } from '../exchange/orders.ts';
import type { Applied } from '../exchange/apply.ts';
import { readRevocability } from '../domain/grant.ts';
import type { Revocability } from '../domain/grant.ts';
import type { ApprovalId } from '../domain/ids.ts';
import type { ApprovalRow, GrantView, DecisionView, GenerationView, OrderRow } from '../ledger/index.ts';
import { shortBody } from './approval-body.ts';

/** The shapes of CONTRACT: snake_case, times in RFC 3339 UTC. */
export function issuedBody(issued: Issued) {
  const { decision } = issued;
  return {
    id: issued.grant,
    state: 'active',
    task: issued.task,
    profile: issued.profile,
    provider: issued.provider,
    subject: issued.subject,
    issued_at: issued.issuedAt.toISOString(),
    expires_at: issued.expiresAt.toISOString(),
    credential_expires_at: issued.credentialExpiresAt.toISOString(),
    revocability: revocabilityBody(issued.revocability),
    ttl: { seconds: issued.ttl.seconds, decided_by: issued.ttl.decidedBy },
    decision: { id: decision.id, generation: decision.generation, policies: decision.policies },
    credential: issued.credential.reveal(),
  };
}

export function pendingBody(pending: Pending, urlOf: (id: ApprovalId) => string) {
  const { decision, approval } = pending;
  return {
    id: pending.grant,
    state: 'pending_approval',
    task: pending.task,
    profile: pending.profile,
    provider: pending.provider,
    subject: pending.subject,
    expires_at: approval.expiresAt.toISOString(),
    revocability: revocabilityBody(pending.revocability),
    ttl: { seconds: pending.ttl.seconds, decided_by: pending.ttl.decidedBy },
    decision: { id: decision.id, generation: decision.generation, policies: decision.policies },
    approval: shortBody(approval, urlOf),
  };
}

/** With the approval that it waits or waited for, where its reader may want to know. */
export function grantWithApproval(view: GrantView, row: ApprovalRow | null, urlOf: (id: ApprovalId) => string) {
  if (!row) return grantBody(view);
  const { state, expiresAt } = row;
  return { ...grantBody(view), approval: shortBody({ id: row.id as ApprovalId, state, expiresAt }, urlOf) };
}

export function grantBody(view: GrantView) {
  return {
    id: view.id,
    state: view.state,
    task: view.taskId,
    profile: view.profile,
    provider: view.provider,
    trust: view.trust,
    subject: view.subject,
    on_behalf_of: view.onBehalfOf,
    owner: view.owner,
    environment: view.environment,
    effect: view.effect,
    parameters: view.parameters,
    opened_at: view.openedAt.toISOString(),
    issued_at: view.issuedAt?.toISOString() ?? null,
    expires_at: view.expiresAt.toISOString(),
    ending_at: view.endingAt?.toISOString() ?? null,
    closed_at: view.closedAt?.toISOString() ?? null,
    why: view.why,
    reason: view.reason,
    order: view.orderId,
    revocability: revocabilityBody(readRevocability(view.revocability)),
    ttl: { seconds: view.ttlSeconds, decided_by: view.ttlDecidedBy },
    decision: {
      id: view.decision.id,
      generation: Number(view.decision.generation),
      rules_hash: view.decision.rulesHash,
      policies: view.decision.policies,
    },
    mints: view.mints.map((mint) => ({
      id: mint.id,
      kind: mint.kind,
      state: mint.state,
      expires_at: mint.endsAt.toISOString(),
      outcome: mint.outcome,
      attempts: mint.attempts,
      last_error: mint.lastError,
    })),
  };
}

export function revocabilityBody(revocability: Revocability) {
  switch (revocability.mode) {
    case 'bounded':
      return { mode: revocability.mode, within_seconds: revocability.withinSeconds };
    case 'eventual':
      return { mode: revocability.mode, expected_seconds: revocability.expectedSeconds };
    case 'immediate':
    case 'expiry_only':
      return { mode: revocability.mode };
  }
}

export function orderBody({ order, matched, state, byProvider }: OrderView) {
  return { ...orderHeadBody(order), matched, state, by_provider: byProvider };
}

/** An order without how far it is, which is counted for one at a time. */
export function orderHeadBody(order: OrderRow) {
  return {
    id: order.id,
    selector: { [order.kind]: order.kind === 'all' ? true : order.value },
    reason: order.reason,
    block: order.blocks,
    lifted: order.liftedAt !== null,
    created_at: order.createdAt.toISOString(),
    created_by: order.author,
    lift_requested_at: order.liftRequestedAt?.toISOString() ?? null,
    lift_requested_by: order.liftRequestedBy,
    lifted_at: order.liftedAt?.toISOString() ?? null,
    lifted_by: order.liftedBy,
  };
}

export function decisionBody(view: DecisionView) {
  const { callOutcome } = view;
  return {
    id: view.id,
    at: view.at.toISOString(),
    action: view.action,
    generation: Number(view.generation),
    rules_hash: view.rulesHash,
    trust: view.trust,
    subject: view.subject,
    asked_by: view.askedBy,
    on_behalf_of: view.onBehalfOf,
    resource: view.resource,
    task: view.taskId,
    grant: view.grantId,
    mode: view.mode,
    outcome: view.outcome,
    code: view.code,
    policies: view.policies,
    controls: view.controls,
    errors: view.errors,
    inputs: view.inputs,
    approval: view.approvalId,
    exception: view.exceptionId,
    arguments_hash: view.argumentsHash,
    arguments: view.arguments,
    origin: view.origin,
    call_outcome: callOutcome && {
      status: callOutcome.status,
      detail: callOutcome.detail,
      at: callOutcome.happenedAt?.toISOString() ?? null,
      reported_at: callOutcome.at.toISOString(),
      reported_by: { trust: callOutcome.trust, id: callOutcome.subject },
    },
  };
}

export function generationBody({ number, hash, activatedAt, author }: GenerationView, files: object) {
  return { number: Number(number), hash, activated_at: activatedAt.toISOString(), author, files };
}

export function appliedBody(applied: Applied) {
  return {
    ...(applied.number === undefined ? {} : { number: applied.number }),
    hash: applied.hash,
    difference: applied.difference,
    unchanged: applied.unchanged,
    ...(applied.activatedAt ? { activated_at: applied.activatedAt.toISOString() } : {}),
  };
}
