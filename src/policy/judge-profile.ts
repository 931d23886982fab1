import { ONE_APPROVER } from '../domain/approval.ts';
import type { RefusalCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Effect } from '../domain/profile.ts';
import type { TaskMode } from '../domain/task.ts';
import type { ApprovalNeeds, PolicyAnswer } from './policy.ts';

/** Why an answer gives nothing now; null for an allow. */
export function codeOfAnswer({ outcome, refused }: Pick<PolicyAnswer, 'outcome' | 'refused'>): RefusalCode | null {
  if (outcome === 'allow') return null;
  if (outcome === 'approval') return 'approval_required';
  return refused === 'principal' ? 'principal_refused' : 'policy_denied';
}

/** What the rules say of an issuance: the policies' answer, held against the task's mode. */
export interface ProfileVerdict {
  readonly outcome: PolicyAnswer['outcome'];
  /** Null for an allow. */
  readonly code: RefusalCode | null;
  readonly facts: JsonObject;
  /** With `approval`: who has to give it. */
  readonly needs?: ApprovalNeeds;
}

/**
 * A pure function of the question and its answer, as `judgeCall` is: a task that only observes is given nothing, and under supervision
 * every effect beyond read needs an approval, whatever the policies say.
 */
export function judgeProfile(
  asked: { readonly mode: TaskMode; readonly effect: Effect; readonly approved: boolean },
  answer: Pick<PolicyAnswer, 'outcome' | 'refused' | 'approval'>,
): ProfileVerdict {
  const { mode, effect, approved } = asked;
  const { outcome } = answer;
  if (outcome === 'deny') return { outcome, code: codeOfAnswer(answer), facts: {} };
  if (mode === 'observe') return { outcome: 'deny', code: 'task_observes', facts: { would: outcome } };
  if (outcome === 'allow' && !(mode === 'supervised' && effect !== 'read' && !approved))
    return { outcome, code: null, facts: {} };
  return { outcome: 'approval', code: 'approval_required', facts: {}, needs: answer.approval ?? ONE_APPROVER };
}
