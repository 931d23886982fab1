import type { RefusalCode } from '../domain/errors.ts';
import type { DecisionId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { ApprovalNeeds } from '../policy/index.ts';

/** One call that somebody asks about, as it came: ids are text, and nothing has been looked up. */
export interface CallQuestion {
  /** Absent: whoever asks. */
  readonly subject?: { readonly type: string; readonly id: string; readonly trust?: string };
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly arguments: JsonObject;
  readonly grant?: string;
  readonly task?: string;
  /** One that was given for this very call: the question asked again. */
  readonly approval?: string;
}

export const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type Semantic = (typeof SEMANTICS)[number];

/** What an enforcement point must do beside letting the call through; one that does not know it denies. */
export interface Obligation {
  readonly id: string;
  readonly type: string;
  readonly properties: JsonObject;
}

/** The answer on one call; it is on record. */
export interface Evaluated {
  readonly decision: DecisionId;
  /** Null: it may be called. */
  readonly code: RefusalCode | null;
  readonly facts: JsonObject;
  readonly generation: number;
  readonly policies: readonly string[];
  readonly obligations: readonly Obligation[];
  /** Where an approval would help: how one is asked for. */
  readonly accessRequest?: JsonObject;
}

/** A call that is denied for want of an approval, and what would be asked of a person. */
export interface RequestableCall {
  readonly decision: DecisionId;
  readonly asked: JsonObject;
  readonly askedHash: string;
  readonly needs: ApprovalNeeds;
  /** Those of the tool: who may answer can be limited to them. */
  readonly owner: string;
  readonly environment: string;
}
