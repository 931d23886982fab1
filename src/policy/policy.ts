import type { PolicyAction } from '../domain/question.ts';
import type { Effect } from '../domain/profile.ts';
import type { TaskMode } from '../domain/task.ts';

export { POLICY_ACTIONS } from '../domain/question.ts';
export type { PolicyAction } from '../domain/question.ts';

/** One question to the policy set: plain data, stored with the decision so that it can be decided again. */
export type PolicyRequest = ProfileRequest | TaskRequest;

/** May this workload have, keep, pass on or use what this profile offers? */
export interface ProfileRequest extends RequestBase {
  readonly action: Exclude<PolicyAction, 'create_task'>;
  readonly resource: {
    readonly profile: string;
    readonly provider: string;
    readonly owner: string;
    readonly environment: string;
    readonly effect: Effect;
  };
}

/** May this workload create this task? It is the resource: nothing of a profile is asked for yet. */
export interface TaskRequest extends RequestBase {
  readonly action: 'create_task';
}

interface RequestBase {
  readonly principal: {
    readonly trust: string;
    readonly id: string;
    readonly groups: readonly string[];
    readonly attributes: Readonly<Record<string, string>>;
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

export interface PolicyAnswer {
  /** `approval`: denied now, and an approval would change that. */
  readonly outcome: 'allow' | 'deny' | 'approval';
  /**
   * Ids of the deciding policies, sorted: every satisfied permit of an allow, every satisfied forbid of a deny, and of
   * `approval` what stood in its way: the forbids, or all permits where some of them are given on approval only.
   */
  readonly policies: readonly string[];
  /** With `approval`: who has to give it. */
  readonly approval?: ApprovalNeeds;
  /** The smallest `@max_ttl` among the permits; with `approval`, among those that would permit it then. */
  readonly maxTtl?: { readonly policy: string; readonly seconds: number };
  /** `@control` values of the deciding policies, sorted, once each. */
  readonly controls: readonly string[];
  /** Ids of policies that failed to evaluate, with the reason: any makes the outcome a deny. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** Whose approval is needed, and of how many. */
export interface ApprovalNeeds {
  readonly role: string;
  readonly count: number;
}

export interface PolicySet {
  readonly ids: readonly string[];
  /** Never throws: whatever goes wrong inside is a deny with an error. */
  decide(request: PolicyRequest): PolicyAnswer;
}
