import { readEndedTask, readTask } from './answers.ts';
import type { EndedTask, TaskTree } from './tasks.ts';
import type { Caller, Transport } from './transport.ts';
import type { CallOptions } from './workload.ts';

/** What whoever may see a task can ask about it: a workload of its own and those below, an operator of those in reach. */
export interface TaskVerbs {
  task(id: string, options?: CallOptions): Promise<TaskTree>;
  /** Ends it with everything below, and what hangs off them. */
  endTask(id: string, reason: string, options?: CallOptions): Promise<EndedTask>;
}

export function makeTaskVerbs(transport: Transport, as: Caller): TaskVerbs {
  const path = (id: string) => `/v1/tasks/${encodeURIComponent(id)}`;
  return {
    async task(id, { signal } = {}) {
      return readTask(await transport({ as, method: 'GET', path: path(id), signal }));
    },
    async endTask(id, reason, { signal } = {}) {
      const json = { reason };
      return readEndedTask(await transport({ as, method: 'POST', path: `${path(id)}/end`, json, signal }));
    },
  };
}
