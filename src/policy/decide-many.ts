import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PolicySet } from './policy.ts';
import type { DecisionPool, PooledSet } from './pool.ts';

/** For so long a batch keeps the thread to itself before it lets others have a turn. */
const SLICE_MS = 2;
/** Fewer than this are quicker decided here than handed over. */
const WORTH_HANDING_OVER = 4;

export function makeDecideMany(
  decide: PolicySet['decide'],
  pool: DecisionPool | undefined,
  set: PooledSet,
): PolicySet['decideMany'] {
  return async (requests, texts) => {
    const handed = requests.length < WORTH_HANDING_OVER ? undefined : await pool?.decide(set, texts);
    if (handed) return handed;
    const answers: ReturnType<typeof decide>[] = [];
    let since = performance.now();
    for (const request of requests) {
      if (performance.now() - since > SLICE_MS) {
        await nextTurn();
        since = performance.now();
      }
      answers.push(decide(request));
    }
    return answers;
  };
}
