import type { Effect } from '../domain/profile.ts';
import type { TaskMode } from '../domain/task.ts';

/** One question to the policy set: plain data, stored with the decision so that it can be decided again. */
export interface PolicyRequest {
  readonly principal: {
    readonly trust: string;
    readonly id: string;
    readonly groups: readonly string[];
    readonly attributes: Readonly<Record<string, string>>;
  };
  readonly action: PolicyAction;
  readonly resource: {
    readonly profile: string;
    readonly provider: string;
    readonly owner: string;
    readonly environment: string;
    readonly effect: Effect;
  };
  readonly context: {
    readonly task: {
      readonly purpose: string;
      readonly mode: TaskMode;
      readonly environment: string;
      readonly implicit: boolean;
    };
    readonly parameters: Readonly<Record<string, string>>;
    /** Seconds. */
    readonly requestedTtl: number;
    /** RFC 3339, whole seconds, UTC. */
    readonly now: string;
    readonly onBehalfOf?: string;
    readonly approval?: { readonly id: string; readonly by: readonly string[] };
  };
}

export const POLICY_ACTIONS = ['create_task', 'issue', 'renew', 'delegate', 'call'] as const;
export type PolicyAction = (typeof POLICY_ACTIONS)[number];

export interface PolicyAnswer {
  /** `approval`: denied now, and an approval would change that. */
  readonly outcome: 'allow' | 'deny' | 'approval';
  /** Ids of the deciding policies, sorted: every satisfied permit of an allow, every satisfied forbid of a deny. */
  readonly policies: readonly string[];
  /** The smallest `@max_ttl` among the permits. */
  readonly maxTtl?: { readonly policy: string; readonly seconds: number };
  /** `@control` values of the deciding policies, sorted, once each. */
  readonly controls: readonly string[];
  /** Ids of policies that failed to evaluate, with the reason: any makes the outcome a deny. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

export interface PolicySet {
  readonly ids: readonly string[];
  /** Never throws: whatever goes wrong inside is a deny with an error. */
  decide(request: PolicyRequest): PolicyAnswer;
}
