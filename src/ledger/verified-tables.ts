import type { Json } from '../domain/json.ts';

/** Columns by name; times as texts. */
export type Row = Readonly<Record<string, Json | undefined>>;

export type RowTable = keyof typeof TABLES;

/** A step that a row keeps: its event's type, what the row says of it, and the column of its time. */
export interface Step {
  readonly type: string;
  readonly taken: string;
  readonly at: string;
}

interface Table {
  readonly key: string;
  /** When a row was made; null where its event must be there. */
  readonly at: string;
  /** The columns that are held against events, and what they must fit beside. */
  readonly columns: string;
  /** The events that make a row, and where they, and those of its steps, name it. */
  readonly makers: readonly string[];
  readonly named: string;
}

/** The tables that are held against events. */
export const TABLES = {
  decisions: {
    key: 'id',
    at: 'at',
    columns: `r.action, r.outcome, r.code, r.generation::float8 as generation, r.rules_hash, r.trust, r.subject, r.on_behalf_of, r.resource, r.task_id,
      r.grant_id, to_jsonb(r.policies) as policies, to_jsonb(r.controls) as controls, r.errors, r.mode, r.approval_id, r.exception_id, r.arguments_hash,
      r.arguments, case when r.asked_by is distinct from jsonb_build_object('trust', r.trust, 'id', r.subject) then r.asked_by end as asked_by,
      r.inputs, r.origin, r.at`,
    makers: ['decision.made', 'call.decided'],
    named: `body::jsonb ->> 'decision'`,
  },
  tasks: {
    key: 'id',
    at: 'created_at',
    columns: `r.implicit, r.purpose, r.mode, r.environment, r.environments, r.chain, r.ends_at, r.ends_at_decided_by, r.max_grants, r.max_calls, r.grants_used, r.calls_used,
      r.profiles, r.tools, r.max_ttl_seconds, r.principal, r.parameters, r.parent_id, r.decision_id, r.trust, r.subject, r.on_behalf_of, r.state,
      r.ended_why, r.ended_at, r.created_at, r.root_id = r.path[1] and case when r.parent_id is null then r.path = array[r.id]
        else r.path = (select p.path from tasks p where p.id = r.parent_id) || r.id end as path_fits`,
    makers: ['task.created', 'task.delegated'],
    named: `body::jsonb ->> 'task'`,
  },
  call_outcomes: {
    key: 'decision_id',
    at: 'at',
    columns: 'r.status, r.detail, r.happened_at, r.trust, r.subject, r.at',
    makers: ['call.reported'],
    named: `body::jsonb ->> 'decision'`,
  },
  orders: {
    key: 'id',
    at: 'created_at',
    columns: `r.kind, r.value, r.reason, r.blocks, r.author, r.created_at, r.swept_at, r.lift_requested_at, r.lift_requested_by, r.lifted_at, r.lifted_by,
      r.lift_reason`,
    makers: ['order.created'],
    named: `body::jsonb #>> '{facts,order}'`,
  },
  exceptions: {
    key: 'id',
    at: 'created_at',
    columns: `r.profile, r.tool, r.agent, r.owner, r.environment, to_jsonb(r.policies) as policies, r.reason, r.state, r.state in ('approved', 'ended') as was_approved,
      r.author, r.created_at, r.starts_at, r.ends_at, r.review_by, r.answered_by, r.answered_at, r.answer_reason, r.ended_by, r.ended_at, r.end_reason,
      r.reviewed_by, r.reviewed_at, r.review_note`,
    makers: ['exception.requested'],
    named: `body::jsonb #>> '{facts,exception}'`,
  },
  generations: {
    key: 'number',
    at: 'activated_at',
    columns: `r.number::float8 as number, r.hash, r.difference, r.author, r.activated_at, exists (select from rule_texts t where t.hash = r.hash
      and t.hash = encode(sha256(convert_to(t.body, 'UTF8')), 'hex')) as text_fits`,
    makers: ['generation.activated'],
    named: `body::jsonb #>> '{facts,number}'`,
  },
  signing_keys: {
    key: 'kid',
    at: 'created_at',
    columns: 'r.class, r.alg, r.created_at, r.signs_from, r.public_jwk, r.wiped_at',
    makers: ['key.added'],
    named: `body::jsonb ->> 'resource'`,
  },
  legal_holds: {
    key: 'id',
    at: 'placed_at',
    columns: 'r.reason, r.from_at, r.to_at, r.placed_by, r.placed_at, r.lifted_by, r.lifted_at, r.lift_reason',
    makers: ['hold.placed'],
    named: `body::jsonb #>> '{facts,hold}'`,
  },
  archive_requests: {
    key: 'id',
    // of a request that was used the event is never of the month that it speaks of
    at: `case when used_at is null or to_char(asked_at at time zone 'UTC', 'YYYY-MM') <> month then asked_at end`,
    columns: `r.month, r.reason, r.forced, r.asked_by, r.origin, r.asked_at,
      (r.used_at is not null) = exists (select from event_archives a where a.request = r.id and a.month = r.month) as use_fits`,
    makers: ['archive.requested'],
    named: `body::jsonb #>> '{facts,request}'`,
  },
  event_archives: {
    key: 'month',
    at: 'archived_at',
    columns: 'r.events::float8 as events, r.leaves::text as leaves, r.sha256, r.request, r.archived_at',
    makers: ['events.archived'],
    named: `body::jsonb #>> '{facts,month}'`,
  },
  grants: {
    key: 'id',
    at: 'opened_at',
    columns: `r.state, r.why, r.order_id, r.reason, r.task_id, r.decision_id, r.trust, r.subject, r.on_behalf_of, r.profile, r.provider, r.owner, r.environment,
      r.effect, r.parameters, r.ttl_seconds, r.ttl_decided_by, r.expires_at, r.revocability, r.opened_at, r.issued_at, r.ending_at, r.closed_at,
      r.task_path = (select t.path from tasks t where t.id = r.task_id) as task_path_fits`,
    makers: ['grant.opened', 'grant.requested'],
    named: `body::jsonb ->> 'grant'`,
  },
  approvals: {
    key: 'id',
    at: 'created_at',
    columns: `r.state, r.kind, r.asked, r.asked_hash, r.needs, r.chain, r.resource, r.owner, r.environment, r.expires_at, r.trust, r.subject, r.on_behalf_of, r.task_id,
      r.grant_id, r.decision_id, r.created_at, r.consumed_at, r.closed_at, (select coalesce(jsonb_agg(jsonb_build_object('issuer', n.issuer,
        'subject', n.subject, 'answer', n.answer, 'reason', n.reason, 'roles', n.roles) order by n.at), '[]') from approval_answers n
        where n.approval_id = r.id) as answers, (select coalesce(jsonb_agg(jsonb_build_object('target', t.target, 'state', t.state,
        'attempts', t.attempts, 'last_error', t.last_error) order by t.target), '[]') from approval_notices t where t.approval_id = r.id) as notices`,
    makers: ['approval.requested'],
    named: `body::jsonb #>> '{facts,approval}'`,
  },
} as const satisfies Readonly<Record<string, Table>>;
