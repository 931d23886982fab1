import { readEndedTask, readTask, readTaskPage } from './answers.ts';
import { eachOf, type ListOptions, type PageOptions } from './pages.ts';
import type { EndedTask, Task, TaskFilter, TaskPage, TaskTree } from './tasks.ts';
import type { Caller, Transport } from './transport.ts';
import type { CallOptions } from './workload.ts';

/** What whoever may see a task can ask about it: a workload of its own and those below, an operator of those in reach. */
export interface TaskVerbs {
  /** One page, of a workload its own alone; `cursor` is the page before's `next_cursor`. */
  listTasks(filter?: TaskFilter, options?: ListOptions): Promise<TaskPage>;
  /** Every task that matches, page after page, fetched as they are taken. */
  eachTask(filter?: TaskFilter, options?: PageOptions): AsyncGenerator<Task, void, void>;
  task(id: string, options?: CallOptions): Promise<TaskTree>;
  /** Ends it with everything below, and what hangs off them. */
  endTask(id: string, reason: string, options?: CallOptions): Promise<EndedTask>;
}

export function makeTaskVerbs(transport: Transport, as: Caller): TaskVerbs {
  const path = (id: string) => `/v1/tasks/${encodeURIComponent(id)}`;

  const listTasks: TaskVerbs['listTasks'] = async (filter = {}, { cursor, limit, signal } = {}) => {
    const query = { ...filter, cursor, limit: limit?.toString() };
    return readTaskPage(await transport({ as, method: 'GET', path: '/v1/tasks', query, signal }));
  };

  return {
    listTasks,
    eachTask: (filter = {}, options = {}) =>
      eachOf(
        (from) => listTasks(filter, { ...options, ...from }),
        (page) => page.tasks,
      ),
    async task(id, { signal } = {}) {
      return readTask(await transport({ as, method: 'GET', path: path(id), signal }));
    },
    async endTask(id, reason, { signal } = {}) {
      const json = { reason };
      return readEndedTask(await transport({ as, method: 'POST', path: `${path(id)}/end`, json, signal }));
    },
  };
}
