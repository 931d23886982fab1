import type { ApprovalNeeds } from '../domain/approval.ts';
import type { ApprovalId, GrantId, MintId } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import { sha256Hex } from '../domain/sha256.ts';
import { peopleOn } from '../domain/task.ts';
import type { Task } from '../domain/task.ts';
import type { ApprovalRequest, ApprovalRow, Involved } from '../ledger/index.ts';
import type { Provider } from '../providers/provider.ts';
import type { Caller, ExchangeContext } from './context.ts';

/** How approvals are asked for. */
export interface ApprovalRules {
  /** How long a person has for an answer, and the workload for what it does with it. */
  readonly lifetimeSeconds: number;
  /** Names of the channels through which approvers are told; those of `channels.ts`. */
  readonly notify: readonly string[];
  /** How many may wait at once for one workload. */
  readonly maxOpen: number;
}

/** Everything that an approval of an issuance covers (CORRECTNESS, *Who may say what*). */
export interface Wanted {
  readonly caller: Caller;
  readonly profile: Profile;
  readonly provider: Provider;
  readonly parameters: Parameters;
  readonly task: Task;
  readonly grant: GrantId;
  readonly ttlSeconds: number;
}

/**
 * What is asked of a person, as data: whatever of it changes later makes the approval worthless. The plan is rendered for a
 * time and a mint of its own, since those are not known before the claim.
 */
export function askedOf({ caller, profile, provider, parameters, task, grant, ttlSeconds }: Wanted): JsonObject {
  const { id, trust, confirmation } = caller.identity;
  const plan = provider.plan(profile, parameters, {
    mint: NO_MINT,
    grant,
    task: task.id,
    subject: { trust, id },
    now: new Date(0),
    endsAt: new Date(ttlSeconds * 1000),
  });
  return {
    grant,
    profile: profile.name,
    profile_hash: hashOf({ ...profile }),
    provider: provider.name,
    plan: plan.request,
    parameters,
    ttl_seconds: ttlSeconds,
    workload: { trust, id, ...(confirmation ? { confirmation: { ...confirmation } } : {}) },
    on_behalf_of: task.onBehalfOf ?? null,
    task: { id: task.id, purpose: task.purpose, mode: task.mode, environment: task.environment },
  };
}

const NO_MINT = 'm000000000000000000000' as MintId;

/** SHA-256 over the canonical text, in hex. @param value - plain data. */
export function hashOf(value: object): string {
  return sha256Hex(canonicalJson(JSON.parse(JSON.stringify(value)) as JsonObject));
}

export interface Asking {
  readonly id: ApprovalId;
  readonly kind: ApprovalRequest['kind'];
  readonly asked: JsonObject;
  /** Where what is shown is not all that is asked; default: the hash of `asked`. */
  readonly askedHash?: string;
  readonly needs: ApprovalNeeds;
  readonly caller: Caller;
  /** Whoever is on the chain beside the caller and the task. */
  readonly chain?: readonly Involved[];
  /** Absent for a call that belongs to none. */
  readonly task?: Pick<Task, 'onBehalfOf' | 'verified' | 'chain' | 'endsAt'>;
  readonly now: Date;
}

/** What goes into the ledger, with everybody who is on the chain. It ends with its task, if that comes first. */
export function approvalRequest(
  { approvals }: Pick<ExchangeContext, 'approvals'>,
  { id, kind, asked, askedHash, needs, caller, chain = [], task, now }: Asking,
): ApprovalRequest {
  const end = now.getTime() + approvals.lifetimeSeconds * 1000;
  return {
    id,
    kind,
    asked,
    asked_hash: askedHash ?? hashOf(asked),
    needs,
    chain: [...chain, ...chainOf(caller, task)],
    expires_at: new Date(Math.min(end, task?.endsAt?.getTime() ?? end)).toISOString(),
    notify: approvals.notify,
    max_open: approvals.maxOpen,
  };
}

/** Whoever asks, in whose name, and who handed the task on, as an operator would be known: none of them answers. */
function chainOf({ identity }: Caller, task: Asking['task']): readonly Involved[] {
  // A principal whom the workload only names is taken at its word here: whoever is called so does not answer, of any issuer.
  const named = task?.onBehalfOf === undefined || task.verified ? [] : [{ subject: task.onBehalfOf }];
  return [...named, ...peopleOn(task ?? { chain: [] }, identity)];
}

/** An approval as policies see it, and beside that in which roles it was given, one list for each person. */
export interface Approved {
  readonly id: ApprovalId;
  readonly by: readonly string[];
  readonly people: readonly (readonly string[])[];
}

export function approvalFacts({ id, answers }: ApprovalRow): Approved {
  const given = answers.filter(({ answer }) => answer === 'approve');
  return {
    id: id as ApprovalId,
    by: given.map(({ issuer, subject }) => `${issuer} ${subject}`),
    people: given.map(({ roles }) => roles),
  };
}

/** How many channels could not be told so far: a reason why nobody answers. */
export function untoldOf({ notices }: ApprovalRow): number {
  return notices.filter(({ state, attempts }) => state !== 'sent' && state !== 'void' && attempts > 0).length;
}

/** Everything that an approval of a call covers. */
export interface WantedCall {
  readonly tool: string;
  /** Of the tool's file: one that reads otherwise later is another question. */
  readonly toolHash: string;
  /** As a person is shown them; the hash is over all of them. */
  readonly arguments: JsonObject;
  readonly argumentsHash: string | null;
  readonly subject: { readonly trust: string; readonly id: string };
  readonly onBehalfOf: string | undefined;
  readonly task: Task | undefined;
  readonly grant: GrantId | undefined;
}

/** What is asked of a person about a call, as data: with one other argument it is another question. */
export function callAsked({ subject, task, ...wanted }: WantedCall): JsonObject {
  return {
    tool: wanted.tool,
    tool_hash: wanted.toolHash,
    arguments: wanted.arguments,
    arguments_hash: wanted.argumentsHash,
    workload: { trust: subject.trust, id: subject.id },
    on_behalf_of: wanted.onBehalfOf ?? null,
    task: task ? { id: task.id, purpose: task.purpose, mode: task.mode, environment: task.environment } : null,
    grant: wanted.grant ?? null,
  };
}
