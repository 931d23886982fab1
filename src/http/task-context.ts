import type { Identity } from '../domain/identity.ts';
import type { TaskId } from '../domain/ids.ts';
import { Refusal } from '../domain/errors.ts';
import { counting } from './authenticate.ts';
import type { Step } from './context.ts';
import { workloadOf } from './context.ts';

/** The header in which a task travels; never `Authorization`. */
export const TASK_HEADER = 'Txn-Token';

/**
 * Reads the task that a workload shows, behind the step that knows the workload. A header that is there counts: one that does not
 * hold is a refusal, and never passed over. @throws Refusal `task_token_invalid`, `task_ended`.
 */
export function makeTaskContext(ofHolder: (holder: Identity, token: string) => Promise<TaskId>): Step {
  return async (req, res, next) => {
    const token = req.headers['txn-token'];
    if (token !== undefined) {
      const { identity } = workloadOf(res);
      res.locals.task = await counting(res, () => ofHolder(identity, String(token)));
    }
    next();
  };
}

/** A task named in a body and one shown in the header are the same. @throws Refusal `invalid_request`. */
export function agreed(named: TaskId | undefined, shown: TaskId | undefined): TaskId | undefined {
  if (named !== undefined && shown !== undefined && named !== shown)
    throw new Refusal('invalid_request', { errors: [{ path: 'task', problem: `is not the task of ${TASK_HEADER}` }] });
  return named ?? shown;
}
