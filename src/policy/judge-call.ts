import { ONE_APPROVER } from '../domain/approval.ts';
import type { RefusalCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Tool } from '../domain/tool.ts';
import type { ApprovalNeeds, CallRequest, PolicyAnswer } from './policy.ts';

/** What the rules say of a call: the policies' answer, held against the tool's limits and the task's mode. */
export interface CallVerdict {
  readonly outcome: PolicyAnswer['outcome'];
  /** Null for an allow. */
  readonly code: RefusalCode | null;
  readonly facts: JsonObject;
  /** With `approval`: who has to give it. */
  readonly needs?: ApprovalNeeds;
}

/**
 * A pure function of the question and its answer, so that a decision on record can be made again. An approval in the question lifts
 * what an approval can lift, and nothing else: a limit that denies, and a task that only observes, stay.
 */
export function judgeCall(tool: Tool, { context, resource }: CallRequest, answer: PolicyAnswer): CallVerdict {
  if (answer.outcome === 'deny') return { outcome: 'deny', code: 'policy_denied', facts: {} };
  const over = overLimit(tool, context.arguments);
  const asks = over.find(({ above }) => above === 'approval');
  const denies = over.find(({ above }) => above === 'deny');
  if (denies) return { outcome: 'deny', code: 'over_limit', facts: { argument: denies.argument, max: denies.max } };

  const supervised = context.task.mode === 'supervised' && resource.effect !== 'read';
  const waits = answer.outcome === 'approval' || ((asks !== undefined || supervised) && !context.approval);
  if (context.task.mode === 'observe') {
    return { outcome: 'deny', code: 'task_observes', facts: { would: waits ? 'approval' : 'allow' } };
  }
  if (!waits) return { outcome: 'allow', code: null, facts: {} };
  const facts = asks ? { argument: asks.argument, max: asks.max } : {};
  return { outcome: 'approval', code: 'approval_required', facts, needs: answer.approval ?? ONE_APPROVER };
}

/** A limit whose argument is not there cannot be held, and denies. */
function overLimit({ limits }: Tool, given: CallRequest['context']['arguments']) {
  return Object.entries(limits).flatMap(([argument, { max, above }]) => {
    const value = Object.hasOwn(given, argument) ? given[argument] : undefined;
    if (typeof value !== 'number') return [{ argument, max, above: 'deny' as const }];
    return value > max ? [{ argument, max, above }] : [];
  });
}
