import type { Identity } from '../domain/identity.ts';
import { hopOf } from '../domain/task.ts';
import type { ChainLink, Principal, Task } from '../domain/task.ts';
import type { TaskFacts } from '../policy/policy.ts';

/** A task as policies see it: the same for every action. */
export function factsOfTask(task: Task): TaskFacts {
  const { purpose, mode, environment, implicit, onBehalfOf, verified, bounds } = task;
  const hop = hopOf(task);
  return {
    task: {
      ...{ purpose, mode, environment, implicit },
      ...(bounds.environments && { environments: bounds.environments }),
      ...(hop > 0 && { hop }),
    },
    ...delegationOf(task.chain),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    ...(verified && { onBehalfOfVerified: { trust: verified.trust, groups: verified.groups } }),
  };
}

function delegationOf(chain: readonly ChainLink[]): Pick<TaskFacts, 'delegation'> {
  const [root, from] = [chain[0], chain.at(-2)];
  if (!root || !from) return {};
  const named = ({ trust, id }: ChainLink) => ({ trust, id });
  return { delegation: { from: named(from), root: named(root) } };
}

/** A workload as a task's chain keeps it. */
export function linkOf({ trust, id, issuer, subject }: Identity): ChainLink {
  return { trust, id, ...(issuer === undefined || subject === undefined ? {} : { issuer, subject }) };
}

/** On whose behalf a task is; nobody. */
export function behalfOf(principal: Principal | undefined): Pick<Task, 'onBehalfOf' | 'verified'> {
  if (!principal) return {};
  const { id, verified } = principal;
  if (!verified) return { onBehalfOf: id };
  const { vouchedUntil: _, ...kept } = verified;
  return { onBehalfOf: id, verified: kept };
}
