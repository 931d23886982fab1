/** The wire's words for AuthZEN's access requests (docs/approvals.md). Times are RFC 3339 UTC. */

/** What a denial that an approval would help says about asking for one. */
export interface AccessOffer {
  readonly endpoint: string;
  readonly expires_at: string;
  /** Binds the request to this denial, and is no right: what was denied is asked again once it was approved. */
  readonly binding_token: string;
}

export interface AccessTask {
  readonly id: string;
  /** `approved` is said also of what was used up; `expired` of what nobody answered or used in time. */
  readonly status: 'pending' | 'approved' | 'denied' | 'expired' | 'failed';
  readonly status_endpoint: string;
  /** Of the request while it is pending, of the approval once there is one. */
  readonly expires_at: string;
}

/** How a request stands. */
export interface AccessRequest {
  readonly task: AccessTask;
  /** Once it is approved: the same question is asked again, with the approval's id in its context. */
  readonly result?: {
    readonly mode: 'reevaluate';
    readonly approval: { readonly id: string; readonly approved_at: string; readonly approved_until: string };
  };
  /** Why it was denied, in that person's words. */
  readonly reason?: string;
}
