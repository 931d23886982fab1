import { readArguments, redact } from '../domain/arguments.ts';
import type { RefusalCode } from '../domain/errors.ts';
import { canonicalJson } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { sha256Hex } from '../domain/sha256.ts';
import { outsideTaskCall } from '../domain/task.ts';
import type { CallFacts, CallGrant, CallTask } from '../ledger/index.ts';
import { callRequest } from '../policy/index.ts';
import type { CallRequest, CompiledTool, TaskFacts } from '../policy/index.ts';
import { callAsked, hashOf } from './approval.ts';
import type { CallQuestion } from './call-question.ts';
import { askedAbout } from './call-subject.ts';
import type { Caller } from './context.ts';
import { principalOf } from './decide.ts';
import type { Client } from './clients.ts';
import type { ActiveRules } from './rules.ts';
import { factsOfTask } from './task-facts.ts';

/** What is known of a call before the policies are asked, or instead of asking them. */
export interface Draft {
  readonly question: CallQuestion;
  readonly tool?: CompiledTool;
  /** Whose decision it is: the subject's, or, where nothing may be asked about that one, the asker's. */
  readonly subject: { readonly trust: string; readonly id: string };
  readonly argumentsHash: string | null;
  /** What of the arguments is kept, as canonical text. */
  readonly kept: string | null;
  readonly grant?: CallGrant;
  readonly task?: CallTask;
  readonly approval?: { readonly id: string; readonly askedHash: string };
  readonly refused?: { readonly code: RefusalCode; readonly facts: JsonObject };
  readonly request?: CallRequest;
  /** The request as canonical text: what is recorded, and decided again from. `{}` where there is none. */
  readonly inputs: string;
}

export interface DraftParts {
  readonly rules: ActiveRules;
  readonly clients: readonly Client[];
  readonly asker: Caller;
  readonly facts: CallFacts;
  readonly now: Date;
}

/**
 * From a question to what the policies are asked, or to the first reason why they are not. Nothing is written, and no policy runs: what
 * is refused here is as much a decision as any.
 */
export function draftCall(parts: DraftParts, question: CallQuestion): Draft {
  const { rules, asker } = parts;
  const given = readArguments(question.arguments);
  const asked = { trust: asker.identity.trust, id: asker.identity.id };
  const argumentsHash = given.ok ? sha256Hex(given.text) : null;
  const base: Draft = { question, subject: asked, argumentsHash, kept: null, inputs: '{}' };
  const refuse = (code: RefusalCode, facts: JsonObject = {}, more: Partial<Draft> = {}): Draft => ({
    ...base,
    ...more,
    refused: { code, facts },
  });

  if (!ACTIONS.has(question.action)) return refuse('unknown_action');
  const tool = question.resource.type === 'tool' ? rules.policies.tools.find(question.resource.id) : undefined;
  if (!tool) return refuse('unknown_tool');
  const about = askedAbout(parts.clients, asker, question.subject, tool.tool);
  if ('refused' in about) return refuse(about.refused, {}, { tool });
  const subject = { trust: about.trust, id: about.id };
  const hung = hangs(parts.facts, question, subject, tool);
  const known: Partial<Draft> = { tool, subject, ...hung.known };
  if (hung.refused) return refuse(hung.refused.code, hung.refused.facts, known);
  if (!given.ok) return refuse('invalid_arguments', { ...given.fault }, known);
  const prepared = tool.prepare(question.arguments);
  if (!prepared.ok) {
    const facts = prepared.code === 'mapping_failed' ? { argument: prepared.argument } : { ...prepared.fault };
    return refuse(prepared.code, facts, known);
  }

  const { grant, task } = hung.known;
  const principal = about.who === 'self' ? principalOf(asker.identity) : (grant?.principal ?? task?.principal);
  // Without a grant or a task nobody has attested who that is, and a forbid on its groups would pass it by.
  if (principal?.id !== subject.id || principal.trust !== subject.trust) return refuse('unknown_subject', {}, known);
  const kept = keptText(tool, question.arguments, given.text);
  const full = { ...known, kept };
  const name = question.resource.id;
  if (task && !task.task.implicit) {
    const of = { name, environment: tool.tool.environment };
    const outside = outsideTaskCall(task.task, of, prepared.mapped, grant?.parameters ?? {});
    if (outside.length > 0) return refuse('outside_task', { outside }, full);
  }
  const approval = holding(parts.facts, { ...base, ...full });
  const request = callRequest({
    principal,
    name,
    tool: tool.tool,
    mapped: prepared.mapped,
    facts: taskFacts(task, tool),
    now: parts.now,
    approval: approval && { id: approval.id, by: approval.by, people: approval.people },
    grant: grant && { profile: grant.profile, parameters: grant.parameters },
  });
  return { ...base, ...full, ...(approval ? { approval } : {}), request, inputs: canonicalJson({ ...request }) };
}

/** The name of the action here, and the one that the mapping of MCP has for it. */
const ACTIONS: ReadonlySet<string> = new Set(['call', 'tools/call']);

interface Hung {
  readonly known: { readonly grant?: CallGrant; readonly task?: CallTask };
  readonly refused?: { readonly code: RefusalCode; readonly facts: JsonObject };
}

/** The grant under which it is called and the task that it hangs off: of this very subject, and live as far as is known. */
function hangs(
  facts: CallFacts,
  question: CallQuestion,
  subject: { readonly trust: string; readonly id: string },
  { tool }: CompiledTool,
): Hung {
  const own = (row: { readonly trust: string; readonly subject: string }) =>
    row.trust === subject.trust && row.subject === subject.id;
  const no = (code: RefusalCode, known: Hung['known'] = {}, more: JsonObject = {}) => ({
    known,
    refused: { code, facts: more },
  });
  const grant = question.grant === undefined ? undefined : facts.grants.get(question.grant);
  if (question.grant !== undefined && (!grant || !own(grant))) return no('grant_not_active');
  const wanted = question.task ?? grant?.task;
  const found = wanted === undefined ? undefined : facts.tasks.get(wanted);
  const task = found && own(found) ? found : undefined;
  const known = { ...(grant ? { grant } : {}), ...(task ? { task } : {}) };
  // First of all that may be wrong with it, whatever it is shown with: it may have been taken back.
  if (grant && !grant.active) return no('grant_not_active', known);
  if (wanted !== undefined && !task) return no('task_not_found', known);
  if (grant && grant.task !== task?.task.id) return no('outside_task', known, { outside: ['grant'] });
  if (task && !task.open) return no('task_ended', known);
  if (tool.profiles && !grant) return no('grant_required', known, { profiles: tool.profiles });
  if (grant && tool.profiles && !tool.profiles.includes(grant.profile)) {
    return no('profile_may_not_call', known, { profiles: tool.profiles });
  }
  return { known };
}

/** An approval counts only for exactly what was asked then; one that does not is as good as none. */
function holding({ approvals }: CallFacts, draft: Draft) {
  const { question, subject } = draft;
  const found = question.approval === undefined ? undefined : approvals.get(question.approval);
  if (found?.state !== 'approved' || found.trust !== subject.trust || found.subject !== subject.id) return undefined;
  const askedHash = hashOf(askedOfDraft(draft));
  return found.askedHash === askedHash ? { id: found.id, askedHash, by: found.by, people: found.people } : undefined;
}

/** What a person would be asked about this call. */
export function askedOfDraft({ question, subject, tool, task, grant, argumentsHash }: Draft): JsonObject {
  return callAsked({
    tool: question.resource.id,
    toolHash: tool?.hash ?? '',
    arguments: redact(question.arguments, tool?.tool.record.redact ?? []),
    argumentsHash,
    subject,
    onBehalfOf: task?.task.onBehalfOf,
    task: task?.task,
    grant: grant?.id,
  });
}

function taskFacts(task: CallTask | undefined, { tool }: CompiledTool): TaskFacts {
  if (task) return factsOfTask(task.task);
  return { task: { purpose: '', mode: 'autonomous', environment: tool.environment, implicit: true } };
}

function keptText({ tool }: CompiledTool, given: JsonObject, text: string): string | null {
  switch (tool.record.arguments) {
    case 'all':
      return text;
    case 'redacted':
      return canonicalJson(redact(given, tool.record.redact));
    case 'none':
      return null;
  }
}
