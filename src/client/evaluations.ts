import type { JsonObject } from '../domain/json.ts';
import type { AccessOffer } from './access-requests.ts';

/** AuthZEN 1.0, with what Writ reads of it. Who is asked about is the caller itself, unless `subject` names another. */
export interface Evaluation {
  readonly subject?: {
    readonly type: 'workload' | 'identity';
    readonly id: string;
    readonly properties?: { readonly trust?: string };
  };
  readonly action: { readonly name: 'call' | 'tools/call' };
  readonly resource: { readonly type: 'tool'; readonly id: string };
  readonly context?: {
    readonly arguments?: JsonObject;
    /** The grant under which it is called. */
    readonly grant?: string;
    readonly task?: string;
    /** One that was given for exactly this call. */
    readonly approval?: string;
  };
}

export interface Evaluations extends Partial<Evaluation> {
  /** Each with its own members, as a whole, in place of those beside it; at most 100. */
  readonly evaluations: readonly Partial<Evaluation>[];
  readonly options?: {
    readonly evaluations_semantic?: 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit';
  };
}

export interface EvaluationAnswer {
  readonly decision: boolean;
  readonly context?: {
    /** Names the decision on record. */
    readonly id?: string;
    /** Why not, as a closed code. */
    readonly reason?: string;
    /** An enforcement point that does not know one of them denies. */
    readonly obligations?: readonly { readonly id: string; readonly type: string; readonly properties: JsonObject }[];
    /** On a deny that an approval would help: how one is asked for. */
    readonly access_request?: AccessOffer;
    readonly [member: string]: unknown;
  };
}

export interface OutcomeReport {
  readonly status: 'succeeded' | 'failed' | 'not_attempted';
  /** The caller's own closed code of what went wrong. */
  readonly detail?: string;
  readonly at?: string;
}
