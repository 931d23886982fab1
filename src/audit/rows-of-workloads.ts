import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Event } from './event.ts';
import { made, step } from './statement.ts';
import type { Statement } from './statement.ts';

/** What workloads do: decisions about them, their tasks, and how their calls went. */
export const STATEMENTS_OF_WORKLOADS: Readonly<Record<string, (event: Event) => Statement | undefined>> = {
  'decision.made': decided,
  'call.decided': decided,
  'call.reported': ({ body, facts, at }) => {
    const actor = objectOf(body['actor']);
    return made('call_outcomes', body['decision'], {
      columns: {
        status: facts['status'] ?? null,
        detail: facts['detail'] ?? null,
        happened_at: facts['happened_at'] ?? null,
        trust: actor['trust'] ?? null,
        subject: actor['id'] ?? null,
      },
      near: { at },
    });
  },
  'task.created': taskMade,
  'task.delegated': taskMade,
  'task.ended': ({ task, facts, at }) =>
    step('tasks', task, { columns: { state: 'ended', ended_why: facts['why'] ?? null }, near: { ended_at: at } }),
};

const NOTHING: JsonObject = {};
const NOBODY: readonly Json[] = [];

function decided({ type, body, facts, task, grant, at }: Event): Statement | undefined {
  const workload = objectOf(body['workload']);
  const actor = objectOf(body['actor']);
  const [trust, subject] = [workload['trust'] ?? null, workload['id'] ?? null];
  const columns: Record<string, Json> = {
    trust,
    subject,
    on_behalf_of: body['principal'] ?? null,
    resource: body['resource'] ?? null,
    origin: body['origin'] ?? null,
    task_id: task,
    grant_id: grant,
    action: type === 'call.decided' ? 'call' : (facts['action'] ?? null),
    outcome: facts['outcome'] ?? null,
    code: facts['code'] ?? null,
    generation: facts['generation'] ?? null,
    rules_hash: facts['rules_hash'] ?? null,
    policies: facts['policies'] ?? null,
    errors: facts['errors'] ?? null,
    mode: facts['mode'] ?? null,
    arguments_hash: facts['arguments_hash'] ?? null,
    inputs_hash: facts['inputs_hash'] ?? null,
    approval_id: facts['approval'] ?? null,
    exception_id: facts['exception'] ?? null,
    // who asked, where that was somebody else
    asked_by:
      actor['id'] === subject && actor['trust'] === trust
        ? null
        : { trust: actor['trust'] ?? null, id: actor['id'] ?? null },
  };
  const { controls } = facts;
  if (controls !== undefined) columns['controls'] = controls;
  return made('decisions', body['decision'], {
    columns,
    near: { at },
    exact: { arguments: facts['arguments'] ?? null },
  });
}

/**
 * A task that a single call made for itself has neither bounds nor a decision of its own. What the events of older versions leave out of
 * it is not held against its row.
 */
function taskMade({ body, facts, task, at }: Event): Statement | undefined {
  const workload = objectOf(body['workload']);
  const implicit = facts['implicit'] === true;
  const columns: Record<string, Json> = {
    trust: workload['trust'] ?? null,
    subject: workload['id'] ?? null,
    on_behalf_of: body['principal'] ?? null,
    implicit: facts['implicit'] ?? null,
    purpose: facts['purpose'] ?? null,
    mode: facts['mode'] ?? null,
    environment: facts['environment'] ?? null,
    environments: facts['environments'] ?? null,
    max_grants: facts['max_grants'] ?? null,
    max_calls: facts['max_calls'] ?? null,
    profiles: facts['profiles'] ?? null,
    tools: facts['tools'] ?? null,
    max_ttl_seconds: facts['max_ttl_seconds'] ?? null,
    principal: facts['principal'] ?? null,
    parameters: facts['parameters'] ?? NOTHING,
    parent_id: facts['parent'] ?? null,
    decision_id: implicit ? null : (body['decision'] ?? null),
    path_fits: true,
  };
  if (facts['ends_at_decided_by'] !== undefined) columns['ends_at_decided_by'] = facts['ends_at_decided_by'];
  if (!implicit || facts['chain'] !== undefined) {
    columns['ends_at'] = facts['ends_at'] ?? null;
    columns['chain'] = facts['chain'] ?? NOBODY;
  }
  return made('tasks', task, { columns, near: { created_at: at } });
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : NOTHING;
}
