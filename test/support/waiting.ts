import { setTimeout as sleep } from 'node:timers/promises';

/** Comes back when `condition` holds; the test's own time limit ends it. For what another process does, never for time. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await sleep(10);
}

/** Whether `promise` is unsettled after a while in which what it waits for would have happened many times over. */
export async function isOpen(promise: Promise<unknown>): Promise<boolean> {
  const settled = () => false;
  return Promise.race([promise.then(settled, settled), sleep(150).then(() => true)]);
}
