import type { JsonObject } from './json.ts';
import type { TaskMode } from './task.ts';

export const POLICY_ACTIONS = ['create_task', 'issue', 'renew', 'delegate', 'call'] as const;
export type PolicyAction = (typeof POLICY_ACTIONS)[number];

/**
 * A question to the rules as a person writes it, for `writ policy explain` and `writ policy test`: the body of
 * `POST /v1/grants`, and who would send it. What is left out is what a single call would have.
 */
export interface PolicyQuestion {
  readonly principal: {
    readonly trust: string;
    readonly id: string;
    readonly groups: readonly string[];
    readonly attributes: Readonly<Record<string, string>>;
  };
  readonly action: PolicyAction;
  /** Not with `create_task`; with `call`, the one of the grant under which it is called. */
  readonly profile?: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** With `call` only. */
  readonly tool?: string;
  readonly arguments?: JsonObject;
  readonly ttlSeconds?: number;
  readonly purpose: string;
  readonly task: {
    readonly mode: TaskMode;
    /** Default: the profile's. */
    readonly environment?: string;
    /** Made by the call itself. */
    readonly implicit: boolean;
  };
  readonly onBehalfOf?: string;
  readonly approval?: { readonly id: string; readonly by: readonly string[] };
  /** RFC 3339, UTC; default: when it is asked. */
  readonly now?: string;
}

/** What a case of `writ policy test` wants to be answered. */
export interface PolicyWant {
  readonly outcome: 'allow' | 'deny' | 'approval';
  /** Why not, in the broker's codes. */
  readonly code?: string;
  /** Exactly these, in any order. */
  readonly policies?: readonly string[];
  /** The cap that the policies put on the life, in seconds. */
  readonly maxTtlSeconds?: number;
}

export interface PolicyCase {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly question: PolicyQuestion;
  readonly want: PolicyWant;
}
