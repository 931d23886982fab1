import type { Identity } from '../domain/identity.ts';
import type { Ids } from '../domain/ids.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Task } from '../domain/task.ts';
import { codeOfAnswer } from '../policy/index.ts';
import type { TaskRequest } from '../policy/policy.ts';
import { blankDecision, principalOf } from './decide.ts';
import type { Decided } from './decide.ts';
import type { ActiveRules } from './rules.ts';
import { factsOfTask } from './task-facts.ts';

/** May this workload make this task, or be handed it? */
export interface TaskQuestion {
  readonly action: TaskRequest['action'];
  readonly identity: Identity;
  readonly origin: string | null;
  /** As it would be. */
  readonly task: Task;
  /** The one that it is a part of, which a refusal is recorded with. */
  readonly parent?: TaskId;
  readonly requestedTtl: number;
  readonly now: Date;
}

export async function decideTask(rules: ActiveRules, ids: Ids, question: TaskQuestion): Promise<Decided> {
  const { action, identity, origin, task, parent } = question;
  const inputs: TaskRequest = {
    action,
    principal: principalOf(identity),
    context: {
      ...factsOfTask(task),
      parameters: {},
      requestedTtl: question.requestedTtl,
      now: `${question.now.toISOString().slice(0, 19)}Z`,
    },
  };
  const answer = await rules.policies.decideSoon(inputs);
  return {
    answer,
    record: {
      ...blankDecision(rules, ids.decision(), identity, origin),
      ...(parent === undefined ? {} : { task_id: parent }),
      action,
      resource: task.id,
      mode: task.mode,
      on_behalf_of: task.onBehalfOf ?? null,
      outcome: answer.outcome,
      code: codeOfAnswer(answer),
      policies: answer.policies,
      controls: answer.controls,
      errors: answer.errors.map(({ policy, message }) => ({ policy, message })),
      inputs: { ...inputs },
    },
  };
}
