import type { ApprovalNeeds } from '../domain/approval.ts';
import type { Actor, OperatorRole } from '../domain/identity.ts';
import type { JsonObject } from '../domain/json.ts';

/** The wire's words for approvals (docs/approvals.md). Times are RFC 3339 UTC. */
export type ApprovalState = 'pending' | 'approved' | 'denied' | 'lapsed' | 'consumed';

/** What is asked of a person: exactly this, by whom, and what was answered. */
export interface Approval {
  readonly id: string;
  readonly url: string;
  readonly kind: 'issue' | 'call';
  readonly state: ApprovalState;
  /** The profile or the tool. */
  readonly resource: string;
  readonly owner: string;
  readonly environment: string;
  readonly requester: { readonly trust: string; readonly id: string };
  readonly on_behalf_of: string | null;
  readonly task: string | null;
  readonly grant: string | null;
  readonly decision: string;
  readonly asked: JsonObject;
  /** SHA-256, in hex: what was approved counts for nothing else. */
  readonly asked_hash: string;
  readonly needs: ApprovalNeeds;
  readonly answers: readonly ApprovalAnswer[];
  /** Who was told, through which channel. */
  readonly notices: readonly {
    readonly target: string;
    readonly state: 'pending' | 'sent' | 'dead' | 'void';
    readonly attempts: number;
    readonly last_error: string | null;
  }[];
  readonly requested_at: string;
  readonly expires_at: string;
  readonly consumed_at: string | null;
  readonly closed_at: string | null;
}

export interface ApprovalAnswer {
  readonly by: { readonly issuer: string; readonly subject: string };
  readonly answer: 'approve' | 'deny';
  readonly reason: string;
  readonly roles: readonly OperatorRole[];
  readonly at: string;
}

export interface ApprovalFilter {
  readonly state?: ApprovalState;
  readonly kind?: Approval['kind'];
  readonly owner?: string;
  readonly environment?: string;
}

export interface ApprovalPage {
  readonly approvals: readonly Approval[];
  /** Absent on the last page. */
  readonly next_cursor?: string;
}

/** The approval of one's own grant: whose answer it is is not told. */
export interface AwaitedApproval {
  readonly id: string;
  readonly state: ApprovalState;
  readonly url: string;
  readonly expires_at: string;
  readonly needs: ApprovalNeeds;
  readonly answers: readonly Omit<ApprovalAnswer, 'by' | 'roles'>[];
  /** Channels through which approvers could not be told so far. */
  readonly untold: number;
}

export type ExceptionState = 'requested' | 'scheduled' | 'active' | 'over' | 'denied' | 'ended' | 'lapsed';

/** Exactly one of `profile` and `tool`; `agent` is `<trust>/<id>`. */
export interface ExceptionScope {
  readonly profile?: string;
  readonly tool?: string;
  readonly agent?: string;
  readonly owner?: string;
  readonly environment?: string;
}

export interface ExceptionRequest {
  readonly scope: ExceptionScope;
  /** Ids of forbids that are marked as overridable. */
  readonly policies: readonly string[];
  readonly reason: string;
  readonly starts_at?: string;
  readonly ends_at: string;
  readonly review_by: string;
}

/** A dated override of policies. */
export interface Exception {
  readonly id: string;
  readonly state: ExceptionState;
  readonly scope: ExceptionScope;
  readonly policies: readonly string[];
  readonly reason: string;
  readonly requested_by: Actor;
  readonly requested_at: string;
  readonly starts_at: string;
  readonly ends_at: string;
  readonly answered_by: Actor | null;
  readonly answered_at: string | null;
  readonly ended_at: string | null;
  readonly review: {
    readonly by: string;
    readonly overdue: boolean;
    readonly reviewed_at: string | null;
    readonly note: string | null;
  };
  /** How often something was allowed under it. */
  readonly uses: number;
}

export interface ExceptionFilter {
  readonly state?: ExceptionState;
  readonly profile?: string;
  readonly tool?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly unreviewed?: boolean;
}

export interface ExceptionPage {
  readonly exceptions: readonly Exception[];
  /** Absent on the last page. */
  readonly next_cursor?: string;
}
