import type { ApprovalNeeds } from '../domain/approval.ts';
import { Fault, Refusal } from '../domain/errors.ts';
import type { RefusalCode } from '../domain/errors.ts';
import type { EndReason, GrantState, Revocability } from '../domain/grant.ts';
import type { Actor } from '../domain/identity.ts';
import type { ApprovalId, DecisionId, ExceptionId, GrantId, MintId, TaskId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Effect, Parameters } from '../domain/profile.ts';
import type { ChainLink, Task, TaskMode } from '../domain/task.ts';
import { LedgerConflict } from './connection.ts';
import type { Connection } from './connection.ts';
import { toClaim } from './reaping.ts';
import type { Claim, ClaimRow } from './reaping.ts';
import { makeTogether } from './together.ts';

/** A decision as it is recorded. `code` is null for an allow and a closed refusal code otherwise. */
export interface DecisionRecord {
  readonly id: DecisionId;
  readonly action: string;
  readonly generation: number;
  readonly rules_hash: string;
  readonly trust: string;
  readonly subject: string;
  readonly resource: string;
  readonly outcome: 'allow' | 'deny' | 'approval';
  readonly code: string | null;
  readonly policies: readonly string[];
  readonly controls: readonly string[];
  readonly errors: readonly JsonObject[];
  readonly inputs: JsonObject;
  readonly origin: string | null;
  /** The task that it is about, where there is one before the decision. */
  readonly task_id?: TaskId | undefined;
  /** The grant that is there before a decision which gives nothing. */
  readonly grant_id?: GrantId | undefined;
  readonly mode?: TaskMode;
  readonly on_behalf_of?: string | null;
  readonly approval_id?: ApprovalId | undefined;
  readonly exception_id?: ExceptionId | undefined;
}

/** A mint's intent: what will be asked, and until when the answer may be recorded. */
export interface MintIntent {
  readonly id: MintId;
  readonly request: JsonObject;
  readonly deadline_seconds: number;
  /** Where it ends before the grant that it is for. */
  readonly ends_at?: string;
}

export interface OpenGrant {
  readonly decision: DecisionRecord;
  readonly task: {
    readonly id: TaskId;
    readonly purpose: string;
    readonly mode: TaskMode;
    readonly environment: string;
    readonly on_behalf_of: string | null;
    /** As `principalRecord` writes it; with `chain` and `ends_at` of a task that is made here. */
    readonly principal: JsonObject | null;
    readonly chain: readonly ChainLink[];
    readonly ends_at: string | null;
    /** It was made before; otherwise it is made here, for this grant alone. */
    readonly there: boolean;
  };
  readonly grant: {
    readonly id: GrantId;
    readonly profile: string;
    readonly provider: string;
    readonly owner: string;
    readonly environment: string;
    readonly effect: Effect;
    readonly parameters: Parameters;
    readonly ttl_seconds: number;
    readonly ttl_decided_by: string;
    readonly expires_at: string;
    readonly revocability: Revocability;
  };
  /** Null where a person has to approve first. */
  readonly mint: MintIntent | null;
  readonly approval: ApprovalRequest | null;
  readonly origin: string | null;
  readonly idempotency: { readonly key: string; readonly request_hash: string } | null;
}

/** Whom a task is for, as its row keeps it. */
export function principalRecord({ onBehalfOf, verified }: Pick<Task, 'onBehalfOf' | 'verified'>): JsonObject | null {
  return onBehalfOf === undefined ? null : { id: onBehalfOf, ...verified };
}

/** What a person is asked; the hash is over the canonical text of `asked`. */
export interface ApprovalRequest {
  readonly id: ApprovalId;
  readonly kind: 'issue' | 'call';
  readonly asked_hash: string;
  readonly asked: JsonObject;
  readonly needs: ApprovalNeeds;
  /** Who is on the chain of the request, and may not answer it. */
  readonly chain: readonly Involved[];
  readonly expires_at: string;
  /** The channels through which approvers are told. */
  readonly notify: readonly string[];
  /** How many may wait at once for this workload. */
  readonly max_open: number;
}

/** Somebody as an operator would be known; without an issuer, that subject of any. */
export interface Involved {
  readonly issuer?: string;
  readonly subject: string;
}

/** An approved grant is claimed: its approval is consumed and its mint intended. */
export interface ClaimGrant {
  readonly grant: GrantId;
  readonly decision: DecisionRecord;
  readonly approval: ApprovalId;
  readonly asked_hash: string;
  readonly ttl: { readonly ends_at: string; readonly seconds: number; readonly decided_by: string };
  readonly revocability: Revocability;
  readonly mint: MintIntent;
  readonly origin: string | null;
  readonly idempotency: { readonly key: string; readonly request_hash: string } | null;
}

export interface OpenMint {
  readonly grant: GrantId;
  readonly kind: 'renewal' | 'replacement' | 'child';
  readonly decision: DecisionRecord;
  readonly ttl: { readonly ends_at: string; readonly seconds: number; readonly decided_by: string };
  readonly mint: MintIntent;
  readonly origin: string | null;
}

export interface Abandonment {
  readonly mint: MintId;
  readonly handle: JsonObject | null;
  /** It is certain that no credential came to be. */
  readonly nothing_lives: boolean;
  /** Take an active grant along: its only credential never reached the caller. */
  readonly end_grant: boolean;
  readonly error: string;
  readonly owner: string;
  readonly lease_seconds: number;
}

/** What a transition answers: `refused` is a closed code, with the order where one stands in the way. */
export interface Answer {
  readonly refused?: string;
  readonly order?: string;
  /** That would be passed. */
  readonly limit?: number;
}

/** The intent is committed; its first writer holds `epoch`. */
export interface Opened extends Answer {
  readonly opened_at: string;
  readonly epoch: number;
}

const REFUSALS: ReadonlySet<string> = new Set<RefusalCode>([
  'under_order',
  'superseded',
  'not_found',
  'grant_not_active',
  'request_in_progress',
  'already_lifted',
  'lift_needs_another_operator',
  'task_not_found',
  'task_ended',
  'task_budget_spent',
  'too_many_hops',
  'delegation_loop',
  'too_many_open_tasks',
  'approval_required',
  'approval_pending',
  'approval_closed',
  'already_answered',
  'own_request',
  'role_missing',
  'role_limited',
  'exception_closed',
  'already_reported',
]);

/** @throws Refusal or Fault for an answer that says no. */
export function admit<A extends Answer>(answer: A): A {
  const { refused, order, limit } = answer;
  if (refused === undefined) return answer;
  if (refused === 'generation_behind' || refused === 'clock_skew') throw new Fault(refused);
  if (REFUSALS.has(refused)) {
    const facts = { ...(order === undefined ? {} : { order }), ...(limit === undefined ? {} : { limit }) };
    throw new Refusal(refused as RefusalCode, facts);
  }
  throw new Error(`the ledger answered an unknown refusal: ${refused}`);
}

/** What is done under an idempotency key that somebody else holds at this moment is in progress. */
export async function keyed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LedgerConflict && error.sqlState === 'WR409') throw new Refusal('request_in_progress');
    throw error;
  }
}

/** The transitions on the way of an issuance; each is one call and one commit, which the two of every issuance share with others. */
export function makeIssuing(connection: Connection) {
  const one = connection.transition;
  const open = makeTogether(connection, 'open_grant');
  const activate = makeTogether(connection, 'activate_mint');
  return {
    /** Intent, decision, task and first mint. @throws Refusal `under_order`, `request_in_progress`; Fault `generation_behind`. */
    async openGrant(opening: OpenGrant) {
      return keyed(async () => admit(await open<Opened>(opening)));
    },

    /** @throws Refusal `approval_pending`, `approval_required`, `under_order`, `task_ended`, `task_budget_spent`, `grant_not_active`; Fault. */
    async claimGrant(claiming: ClaimGrant) {
      return keyed(async () => admit(await one<Opened>('claim_grant', claiming)));
    },

    /** One more mint of an active grant. @throws as `openGrant`, and Refusal `not_found`, `grant_not_active`. */
    async openMint(opening: OpenMint) {
      return admit(await one<Opened>('open_mint', opening));
    },

    /** The issuance is on record; only now may the secret leave. @throws Refusal `superseded`, `under_order`. */
    async activate(mint: MintId, epoch: number, handle: JsonObject, expiresAt: Date, origin: string | null) {
      const argument = { mint, epoch, handle, expires_at: expiresAt.toISOString(), origin };
      const answer = admit(await activate<Answer & { issued_at: string; expires_at: string }>(argument));
      return { issuedAt: new Date(answer.issued_at), expiresAt: new Date(answer.expires_at) };
    },

    /** It is on record as issued, and its end has not begun. */
    async isLive(mint: MintId): Promise<boolean> {
      const row = await connection.prisma((client) =>
        client.mint.findUnique({ where: { id: mint }, select: { state: true } }),
      );
      return row?.state === 'live';
    },

    async abandon(abandonment: Abandonment): Promise<Claim | undefined> {
      const answer = await one<{ claim?: ClaimRow }>('abandon_mint', abandonment);
      return answer.claim && toClaim(answer.claim);
    },

    /** A decision that gave nothing. @throws Fault `generation_behind`. */
    async recordDecision(decision: DecisionRecord): Promise<void> {
      admit(await one<Answer>('record_decision', decision));
    },

    /** Ends a grant; `subject` restricts it to that workload's own. Answers its state. @throws Refusal `not_found`. */
    async endGrant(ending: {
      readonly grant: GrantId;
      readonly subject?: { readonly trust: string; readonly id: string };
      readonly why: EndReason;
      readonly reason: string;
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<{ state: GrantState }> {
      const { subject, ...rest } = ending;
      const argument = { ...rest, ...(subject ? { trust: subject.trust, subject: subject.id } : {}) };
      const { state } = admit(await one<Answer & { state: GrantState }>('end_grant', argument));
      return { state };
    },

    /** Ends the live mints of an active grant, which stays active. Answers how many are still to be ended. */
    async retireMints(grant: GrantId, subject: { trust: string; id: string }, origin: string | null): Promise<number> {
      const argument = { grant, trust: subject.trust, subject: subject.id, origin };
      return admit(await one<Answer & { open: number }>('retire_mints', argument)).open;
    },
  };
}
