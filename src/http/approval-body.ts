import { readNeeds } from '../domain/approval.ts';
import type { ApprovalId } from '../domain/ids.ts';
import { untoldOf } from '../exchange/approval.ts';
import type { ApprovalRow } from '../ledger/index.ts';

/** An approval as operators see it: exactly what is asked, by whom, and what was answered. */
export function approvalBody(row: ApprovalRow, urlOf: (id: ApprovalId) => string) {
  return {
    id: row.id,
    url: urlOf(row.id as ApprovalId),
    kind: row.kind,
    state: row.state,
    resource: row.resource,
    owner: row.owner,
    environment: row.environment,
    requester: { trust: row.trust, id: row.subject },
    on_behalf_of: row.onBehalfOf,
    task: row.taskId,
    grant: row.grantId,
    decision: row.decisionId,
    asked: row.asked,
    asked_hash: row.askedHash,
    needs: readNeeds(row.needs),
    answers: row.answers.map(({ issuer, subject, answer, reason, roles, at }) => ({
      by: { issuer, subject },
      answer,
      reason,
      roles,
      at: at.toISOString(),
    })),
    notices: row.notices.map(({ target, state, attempts, lastError }) => ({
      target,
      state,
      attempts,
      last_error: lastError,
    })),
    requested_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    consumed_at: row.consumedAt?.toISOString() ?? null,
    closed_at: row.closedAt?.toISOString() ?? null,
  };
}

/** The same for whoever waits for it, who is not told whose answer it is. */
export function awaitedBody(row: ApprovalRow, urlOf: (id: ApprovalId) => string) {
  return {
    ...shortBody({ id: row.id as ApprovalId, state: row.state, expiresAt: row.expiresAt }, urlOf),
    kind: row.kind,
    grant: row.grantId,
    needs: readNeeds(row.needs),
    answers: row.answers.map(({ answer, reason, at }) => ({ answer, reason, at: at.toISOString() })),
    untold: untoldOf(row),
  };
}

export function shortBody(
  { id, state, expiresAt }: { readonly id: ApprovalId; readonly state: string; readonly expiresAt: Date },
  urlOf: (id: ApprovalId) => string,
) {
  return { id, state, url: urlOf(id), expires_at: expiresAt.toISOString() };
}
