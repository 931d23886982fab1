import { Refusal } from '../domain/errors.ts';
import type { TaskId } from '../domain/ids.ts';
import type { CallQuestion } from '../exchange/call-question.ts';
import type { TaskOf } from '../exchange/task-token.ts';
import { counting } from './authenticate.ts';
import type { Req, Res } from './context.ts';
import { workloadOf } from './context.ts';
import { TASK_HEADER } from './task-context.ts';

/** The task whose token came with a question; undefined where none did. @throws Refusal `invalid_request`, `task_token_invalid`, `task_ended`. */
export async function shownTask(taskOf: TaskOf | undefined, { headers }: Req, res: Res): Promise<TaskId | undefined> {
  const token = headers['txn-token'];
  if (token === undefined) return undefined;
  // One that nobody reads must not count as none.
  if (typeof token !== 'string' || !taskOf) {
    throw new Refusal('invalid_request', { errors: [{ path: TASK_HEADER, problem: 'cannot be read here' }] });
  }
  return counting(res, () => taskOf(workloadOf(res), token));
}

/** A task token is the task of every question; one that names another is not what it says. @throws Refusal `invalid_request`. */
export function onTask(question: CallQuestion, task: TaskId | undefined): CallQuestion {
  if (task === undefined || question.task === task) return question;
  if (question.task !== undefined) {
    throw new Refusal('invalid_request', {
      errors: [{ path: 'context.task', problem: `is not the task of ${TASK_HEADER}` }],
    });
  }
  return { ...question, task };
}
