import type { Account, Principal } from './account.ts';
import type { Form } from './query.ts';

/** Members of a result by name, in the order of the answer; `undefined` is left out. */
export type Result = Record<string, unknown>;

export interface SignedAction {
  readonly signed: true;
  /** The parameters that it reads. */
  readonly params: readonly string[];
  run(account: Account, form: Form, who: Principal): Result;
}

/** What anybody may call: the token in the form says who it is. */
export interface UnsignedAction {
  readonly signed: false;
  readonly params: readonly string[];
  run(account: Account, form: Form): Result;
}

export type Action = SignedAction | UnsignedAction;

export interface Service {
  /** As in credential scopes. */
  readonly name: 'sts' | 'iam';
  readonly version: string;
  readonly namespace: string;
  readonly actions: Readonly<Record<string, Action>>;
}
