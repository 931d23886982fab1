import { createHash } from 'node:crypto';
import type { ApprovalId, GrantId, MintId } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import type { ApprovalRequest, ApprovalRow } from '../ledger/index.ts';
import type { ApprovalNeeds } from '../policy/policy.ts';
import type { Provider } from '../providers/provider.ts';
import type { Caller } from './context.ts';

/** How long a person has for an answer, and the workload for its claim. */
export const APPROVAL_SECONDS = 3_600;

/** Everything that an approval of an issuance covers (CORRECTNESS, *Who may say what*). */
export interface Wanted {
  readonly caller: Caller;
  readonly profile: Profile;
  readonly provider: Provider;
  readonly parameters: Parameters;
  readonly task: Task;
  readonly grant: GrantId;
  readonly ttlSeconds: number;
}

/**
 * What is asked of a person, as data: whatever of it changes later makes the approval worthless. The plan is rendered for a
 * time and a mint of its own, since those are not known before the claim.
 */
export function askedOf({ caller, profile, provider, parameters, task, grant, ttlSeconds }: Wanted): JsonObject {
  const { id, trust, confirmation } = caller.identity;
  const plan = provider.plan(profile, parameters, {
    mint: NO_MINT,
    grant,
    task: task.id,
    subject: { trust, id },
    now: new Date(0),
    endsAt: new Date(ttlSeconds * 1000),
  });
  return {
    grant,
    profile: profile.name,
    profile_hash: hashOf({ ...profile }),
    provider: provider.name,
    plan: plan.request,
    parameters,
    ttl_seconds: ttlSeconds,
    workload: { trust, id, ...(confirmation ? { confirmation: { ...confirmation } } : {}) },
    on_behalf_of: task.onBehalfOf ?? null,
    task: { id: task.id, purpose: task.purpose, mode: task.mode, environment: task.environment },
  };
}

const NO_MINT = 'm000000000000000000000' as MintId;

/** SHA-256 over the canonical text, in hex. @param value - plain data. */
export function hashOf(value: object): string {
  return createHash('sha256')
    .update(canonicalJson(JSON.parse(JSON.stringify(value)) as JsonObject))
    .digest('hex');
}

export function approvalRequest(
  id: ApprovalId,
  kind: ApprovalRequest['kind'],
  asked: JsonObject,
  needs: ApprovalNeeds,
  now: Date,
): ApprovalRequest {
  const expires_at = new Date(now.getTime() + APPROVAL_SECONDS * 1000).toISOString();
  return { id, kind, asked, asked_hash: hashOf(asked), needs: { ...needs }, chain: [], expires_at };
}

/** An approval as policies see it. */
export function approvalFacts({ id, answers }: ApprovalRow) {
  const by = answers.filter(({ answer }) => answer === 'approve').map(({ issuer, subject }) => `${issuer} ${subject}`);
  return { id: id as ApprovalId, by };
}
