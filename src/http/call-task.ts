import { Refusal } from '../domain/errors.ts';
import type { TaskId } from '../domain/ids.ts';
import type { CallQuestion } from '../exchange/call-question.ts';
import type { Caller } from '../exchange/context.ts';
import type { Req } from './context.ts';
import { TASK_HEADER } from './task-context.ts';

/**
 * The task whose token came with a question about a call: of whoever asks, or, of an enforcement point, the one that it was shown
 * and passes on. @throws Refusal for one that does not count.
 */
export type TaskOf = (caller: Caller, token: string) => Promise<TaskId>;

/** Undefined where no token came. @throws Refusal `invalid_request`, `task_token_invalid`, `task_ended`. */
export async function shownTask(
  taskOf: TaskOf | undefined,
  asker: Caller,
  { headers }: Req,
): Promise<TaskId | undefined> {
  const token = headers['txn-token'];
  if (token === undefined) return undefined;
  // One that nobody reads must not count as none.
  if (typeof token !== 'string' || !taskOf) {
    throw new Refusal('invalid_request', { errors: [{ path: TASK_HEADER, problem: 'cannot be read here' }] });
  }
  return taskOf(asker, token);
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
