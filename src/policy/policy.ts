import type { ApprovalNeeds } from '../domain/approval.ts';
import type { PolicyAction } from '../domain/question.ts';
import type { Effect } from '../domain/profile.ts';
import type { TaskMode } from '../domain/task.ts';
import type { Mapped } from '../domain/tool.ts';
import type { ToolSet } from './tools/tool-set.ts';

export { POLICY_ACTIONS } from '../domain/question.ts';
export type { PolicyAction } from '../domain/question.ts';
export type { ApprovalNeeds } from '../domain/approval.ts';

/** One question to the policy set: plain data, stored with the decision so that it can be decided again. */
export type PolicyRequest = ProfileRequest | TaskRequest | CallRequest;

/** May this workload have or keep what this profile offers? */
export interface ProfileRequest extends RequestBase {
  readonly action: Exclude<PolicyAction, 'create_task' | 'delegate' | 'call'>;
  readonly resource: {
    readonly profile: string;
    readonly provider: string;
    readonly owner: string;
    readonly environment: string;
    readonly effect: Effect;
  };
}

/** May this workload create this task, or be handed it? It is the resource: nothing of a profile is asked for yet. */
export interface TaskRequest extends RequestBase {
  readonly action: 'create_task' | 'delegate';
}

/** May this workload call this tool with these arguments, now? */
export interface CallRequest {
  readonly principal: RequestBase['principal'];
  readonly action: 'call';
  readonly resource: {
    readonly tool: string;
    /** The name in the tool's file, which may have a `*`. */
    readonly declared: string;
    readonly owner: string;
    readonly environment: string;
    readonly effect: Effect;
  };
  readonly context: Omit<RequestBase['context'], 'parameters' | 'requestedTtl'> & {
    readonly arguments: Mapped;
    /** The grant under which it is called, where there is one. */
    readonly grant?: { readonly profile: string; readonly parameters: Readonly<Record<string, string>> };
  };
  readonly exception?: CoveringException;
}

/** What of a context tells of the task: what it is, whom it is for, and whose hands it went through. */
export type TaskFacts = {
  readonly task: {
    readonly purpose: string;
    readonly mode: TaskMode;
    readonly environment: string;
    readonly implicit: boolean;
    /** All that it reaches; absent: `environment` alone. */
    readonly environments?: readonly string[];
    /** How often it was handed on; absent: never. */
    readonly hop?: number;
  };
  /** Of a task that was handed on: by which workload last, and by which it was begun. */
  readonly delegation?: Readonly<Record<'from' | 'root', Readonly<Record<'trust' | 'id', string>>>>;
  readonly onBehalfOf?: string;
  /** Which trust entry verified a token of theirs, and their groups there; absent: they were only named. */
  readonly onBehalfOfVerified?: { readonly trust: string; readonly groups: readonly string[] };
};

interface RequestBase {
  readonly principal: {
    readonly trust: string;
    readonly id: string;
    readonly groups: readonly string[];
    readonly attributes: Readonly<Record<string, string>>;
    /** What the issuer calls it; kept with the decision, and not shown to policies. */
    readonly source?: { readonly issuer: string; readonly subject: string };
  };
  readonly context: TaskFacts & {
    readonly parameters: Readonly<Record<string, string>>;
    /** Seconds. */
    readonly requestedTtl: number;
    /** RFC 3339, whole seconds, UTC. */
    readonly now: string;
    readonly approval?: GivenApproval;
  };
  /** An active exception that covers this request: forbids of these ids do not count where they are marked as overridable. */
  readonly exception?: CoveringException;
}

export type CoveringException = { readonly id: string; readonly policies: readonly string[] };

export type GivenApproval = {
  readonly id: string;
  readonly by: readonly string[];
  /** The roles of each of them: what the rules of now want is held against it. Absent: it is taken to be enough. Not shown to policies. */
  readonly people?: readonly (readonly string[])[];
};

export interface PolicyAnswer {
  /** `approval`: denied now, and an approval would change that, or one by more or other people than have given it. */
  readonly outcome: 'allow' | 'deny' | 'approval';
  /**
   * Ids of the deciding policies, sorted: every satisfied permit of an allow, every satisfied forbid of a deny, and of
   * `approval` what stood in its way: the forbids, or all permits where some of them are given on approval only.
   */
  readonly policies: readonly string[];
  /** With `approval`: who has to give it. */
  readonly approval?: ApprovalNeeds;
  /** Of what stands in the way: the forbids that an exception may set aside. Absent where there are none. */
  readonly overridable?: readonly string[];
  /** Forbids that the request's exception did set aside. Absent where there are none. */
  readonly overridden?: readonly string[];
  /** The smallest `@max_ttl` among the permits; with `approval`, among those that would permit it then. */
  readonly maxTtl?: { readonly policy: string; readonly seconds: number };
  /** `@control` values of the deciding policies, sorted, once each. */
  readonly controls: readonly string[];
  /** With a deny: permits apply, and none of them lets the workload name somebody whom no token verifies. */
  readonly refused?: 'principal';
  /** Ids of policies that failed to evaluate, with the reason: any makes the outcome a deny. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

export interface PolicySet {
  readonly ids: readonly string[];
  /** Ids of the forbids that an exception may set aside. */
  readonly overridable: readonly string[];
  readonly tools: ToolSet;
  /** Never throws: whatever goes wrong inside is a deny with an error. */
  decide(request: PolicyRequest): PolicyAnswer;
  /** A few, in one go: each is answered as by `decide`, and together they take less than one after the other. */
  decideAll(requests: readonly PolicyRequest[]): PolicyAnswer[];
  /** As `decide`, in one go with whatever else is asked in this turn of the event loop. */
  decideSoon(request: PolicyRequest): Promise<PolicyAnswer>;
  /** Many at once, on other threads where there are some, else in turns with whatever else the process does. */
  decideMany(): DecidingMany;
}

export interface DecidingMany {
  /**
   * Deciding begins before all are asked.
   * @param text - the canonical JSON of the request.
   */
  ask(request: PolicyRequest, text: string): void;
  /** Once all are asked: the answers, in the sequence of the questions, some at a time as they are ready. Never rejects. */
  answers(): AsyncIterable<readonly PolicyAnswer[]>;
}
