import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { textOrNull } from './event.ts';
import type { Event } from './event.ts';
import type { Expected } from './row.ts';

/** Tables whose rows are written whole by one event. Grants and approvals have lives of their own. */
export const TABLES = [
  'decisions',
  'call_outcomes',
  'tasks',
  'orders',
  'exceptions',
  'generations',
  'signing_keys',
] as const;
export type TableName = (typeof TABLES)[number];

/** What an event says of a row: all that it was made with, or a later step of it. */
export interface Statement {
  readonly table: TableName;
  readonly id: string;
  readonly expected: Expected;
  /** This event made the row. */
  readonly made: boolean;
}

/** Of a step that a row keeps: how many rows must say that it was taken. */
export const STEPS_OF_ROWS: Readonly<Record<string, { readonly table: TableName; readonly taken: string }>> = {
  'task.ended': { table: 'tasks', taken: `state = 'ended'` },
  'order.swept': { table: 'orders', taken: 'swept_at is not null' },
  'order.lifted': { table: 'orders', taken: 'lifted_at is not null' },
  'exception.approved': { table: 'exceptions', taken: `state in ('approved', 'ended')` },
  'exception.denied': { table: 'exceptions', taken: `state = 'denied'` },
  'exception.ended': { table: 'exceptions', taken: `state = 'ended'` },
  'exception.reviewed': { table: 'exceptions', taken: 'reviewed_at is not null' },
  'key.wiped': { table: 'signing_keys', taken: 'wiped_at is not null' },
};

/** Undefined for events that no row of these tables answers to. */
export function statementOf(event: Event): Statement | undefined {
  return STATEMENTS[event.type]?.(event);
}

const STATEMENTS: Readonly<Record<string, (event: Event) => Statement | undefined>> = {
  'decision.made': (event) => decided(event, { action: event.facts['action'] ?? null }),
  'call.decided': (event) =>
    decided(event, { action: 'call', asked_by: askedBy(event.body), arguments: event.facts['arguments'] ?? null }),
  'call.reported': ({ body, facts, at }) =>
    made('call_outcomes', body['decision'], {
      columns: { ...actorOf(body), ...named(facts, ['status', 'detail', 'happened_at']) },
      near: { at },
    }),
  'task.created': taskMade,
  'task.delegated': taskMade,
  'task.ended': ({ task, facts, at }) =>
    step('tasks', task, { columns: { state: 'ended', ended_why: facts['why'] ?? null }, near: { ended_at: at } }),
  'order.created': (event) =>
    made('orders', event.facts['order'], {
      columns: { ...named(event.facts, ['kind', 'value', 'reason', 'blocks']), author: event.body['actor'] ?? null },
      near: { created_at: event.at },
    }),
  'order.swept': ({ facts, at }) => step('orders', facts['order'], { columns: {}, near: { swept_at: at } }),
  'order.lifted': ({ facts, body, at }) =>
    step('orders', facts['order'], { columns: { lifted_by: body['actor'] ?? null }, near: { lifted_at: at } }),
  'exception.requested': ({ body, facts, at }) =>
    made('exceptions', facts['exception'], {
      columns: {
        ...named(objectOf(facts['scope']), ['profile', 'tool', 'agent', 'owner', 'environment']),
        ...named(facts, ['policies', 'reason', 'starts_at', 'ends_at', 'review_by']),
        author: body['actor'] ?? null,
      },
      near: { created_at: at },
    }),
  'exception.approved': (event) => exceptionAnswered(event, { approved: true }),
  'exception.denied': (event) => exceptionAnswered(event, { denied: true }),
  'exception.ended': ({ body, facts, at }) =>
    step('exceptions', facts['exception'], {
      columns: { ended: true, ended_by: body['actor'] ?? null, end_reason: facts['reason'] ?? null },
      near: { ended_at: at },
    }),
  'exception.reviewed': ({ body, facts, at }) =>
    step('exceptions', facts['exception'], {
      columns: { reviewed_by: body['actor'] ?? null, review_note: facts['note'] ?? null },
      near: { reviewed_at: at },
    }),
  'generation.activated': (event) =>
    made('generations', JSON.stringify(event.facts['number'] ?? null), {
      columns: {
        ...named(event.facts, ['number', 'hash', 'difference']),
        author: event.body['actor'] ?? null,
        text_fits: true,
      },
      near: { activated_at: event.at },
    }),
  'key.added': ({ body, facts }) =>
    made('signing_keys', body['resource'], { columns: named(facts, ['class', 'alg', 'signs_from']), near: {} }),
  'key.wiped': ({ body, at }) => step('signing_keys', body['resource'], { columns: {}, near: { wiped_at: at } }),
};

/** What every decision says, and what one of its kind says beside it. */
function decided({ body, facts, task, grant, at }: Event, more: JsonObject): Statement | undefined {
  return made('decisions', body['decision'], {
    columns: {
      trust: trustOf(body),
      subject: subjectOf(body),
      on_behalf_of: body['principal'] ?? null,
      resource: body['resource'] ?? null,
      origin: body['origin'] ?? null,
      task_id: task,
      grant_id: grant,
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
      ...more,
    },
    near: { at },
  });
}

/** Also on record: somebody who was not let. That is no step of it. */
function exceptionAnswered({ body, facts, at }: Event, state: JsonObject): Statement | undefined {
  if (body['success'] !== true) return undefined;
  return step('exceptions', facts['exception'], {
    columns: { ...state, answered_by: body['actor'] ?? null, answer_reason: facts['reason'] ?? null },
    near: { answered_at: at },
  });
}

/** Who asked about a call, where it was not the workload itself: the event has them as its actor. */
function askedBy(body: JsonObject): Json {
  const { trust, subject: id } = actorOf(body);
  return trust === trustOf(body) && id === subjectOf(body) ? null : { trust, id };
}

/** A workload that did something, as rows name it. */
function actorOf({ actor = null }: JsonObject): { readonly trust: Json; readonly subject: Json } {
  const { trust = null, id = null } = objectOf(actor);
  return { trust, subject: id };
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : NOTHING;
}

/** A task that a single call made for itself has neither bounds nor a decision of its own. */
function taskMade({ body, facts, task, at }: Event): Statement | undefined {
  return made('tasks', task, {
    columns: {
      trust: trustOf(body),
      subject: subjectOf(body),
      on_behalf_of: body['principal'] ?? null,
      implicit: facts['implicit'] ?? null,
      purpose: facts['purpose'] ?? null,
      mode: facts['mode'] ?? null,
      environment: facts['environment'] ?? null,
      ends_at: facts['ends_at'] ?? null,
      max_grants: facts['max_grants'] ?? null,
      max_calls: facts['max_calls'] ?? null,
      profiles: facts['profiles'] ?? null,
      tools: facts['tools'] ?? null,
      max_ttl_seconds: facts['max_ttl_seconds'] ?? null,
      principal: facts['principal'] ?? null,
      parameters: facts['parameters'] ?? NOTHING,
      parent_id: facts['parent'] ?? null,
      decision_id: facts['implicit'] === true ? null : (body['decision'] ?? null),
      path_fits: true,
    },
    near: { created_at: at },
  });
}
const NOTHING: JsonObject = {};

function trustOf(body: JsonObject): Json {
  const workload = body['workload'];
  return isJsonObject(workload) ? (workload['trust'] ?? null) : null;
}

function subjectOf(body: JsonObject): Json {
  const workload = body['workload'];
  return isJsonObject(workload) ? (workload['id'] ?? null) : null;
}

function named(facts: JsonObject, names: readonly string[]): Record<string, Json> {
  return Object.fromEntries(names.map((name) => [name, facts[name] ?? null]));
}

function made(table: TableName, id: Json | undefined, expected: Expected): Statement | undefined {
  return statement(table, id, expected, true);
}

function step(table: TableName, id: Json | undefined, expected: Expected): Statement | undefined {
  return statement(table, id, expected, false);
}

function statement(table: TableName, id: Json | undefined, expected: Expected, isMade: boolean): Statement | undefined {
  const key = textOrNull(id);
  return key === null ? undefined : { table, id: key, expected, made: isMade };
}
