import type { EndedTask, TaskRow } from '../ledger/index.ts';
import type { OpenedTask, TaskView } from '../exchange/tasks.ts';

/** A task as workloads and operators see it. */
export function taskBody(row: TaskRow) {
  return {
    id: row.id,
    state: row.state,
    parent: row.parentId,
    root: row.rootId,
    hop: row.path.length - 1,
    trust: row.trust,
    subject: row.subject,
    purpose: row.purpose,
    on_behalf_of: row.onBehalfOf,
    principal: row.principal,
    mode: row.mode,
    environment: row.environment,
    environments: row.environments ?? [row.environment],
    profiles: row.profiles,
    tools: row.tools,
    parameters: row.parameters,
    max_ttl_seconds: row.maxTtlSeconds,
    max_grants: row.maxGrants,
    grants_used: row.grantsUsed,
    max_calls: row.maxCalls,
    calls_used: row.callsUsed,
    created_at: row.createdAt.toISOString(),
    ends_at: row.endsAt?.toISOString() ?? null,
    ends_at_decided_by: row.endsAtDecidedBy,
    ended_at: row.endedAt?.toISOString() ?? null,
    ended_why: row.endedWhy,
    decision: row.decisionId,
  };
}

/** With what was handed on below it, from the top down; `cut`: there is more. */
export function taskViewBody({ row, below, cut }: TaskView) {
  return { ...taskBody(row), below, cut };
}

export function openedTaskBody({ row, token, decision }: OpenedTask) {
  return {
    ...taskBody(row),
    decision: { id: decision.id, generation: decision.generation, policies: decision.policies },
    token,
  };
}

/** `done`: nothing that hung off it is live by state; what was `moved` is being ended. */
export function endedTaskBody(view: TaskView, { tasks, moved, done }: EndedTask) {
  return { ...taskViewBody(view), ended: { tasks, grants: moved, done } };
}
