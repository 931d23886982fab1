import type { Actor } from '../domain/identity.ts';
import type { ApprovalId, DecisionId, ExceptionId, GrantId, TaskId } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';
import type { Parameters } from '../domain/profile.ts';
import type { Task, TaskMode } from '../domain/task.ts';
import type { Prisma } from '../generated/client.ts';
import { behind } from './behind.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer, DecisionRecord } from './issuing.ts';

export const OUTCOMES = ['succeeded', 'failed', 'not_attempted'] as const;
export type OutcomeStatus = (typeof OUTCOMES)[number];

/** Whose a decision was, as it was attested then: what policies see of a workload that does not ask itself. */
export interface RecordedPrincipal {
  readonly trust: string;
  readonly id: string;
  readonly groups: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
  /** What its issuer calls it, where the trust entry pins that. */
  readonly source?: { readonly issuer: string; readonly subject: string };
}

export interface CallGrant {
  readonly id: GrantId;
  readonly trust: string;
  readonly subject: string;
  readonly profile: string;
  readonly parameters: Parameters;
  readonly task: TaskId;
  readonly active: boolean;
  readonly principal: RecordedPrincipal | null;
}

export interface CallTask {
  readonly task: Task;
  readonly trust: string;
  readonly subject: string;
  readonly open: boolean;
  /** It or one above it has a budget of calls. */
  readonly budgeted: boolean;
  readonly principal: RecordedPrincipal | null;
}

export interface CallApproval {
  readonly id: ApprovalId;
  readonly trust: string;
  readonly subject: string;
  readonly state: string;
  readonly askedHash: string;
  /** `<issuer> <subject>` of each who approved. */
  readonly by: readonly string[];
  /** The roles in which each of them did. */
  readonly people: readonly (readonly string[])[];
}

/** What decisions on calls rest on, as of one instant. Whether it still holds is asked again when they are recorded. */
export interface CallFacts {
  readonly grants: ReadonlyMap<string, CallGrant>;
  readonly tasks: ReadonlyMap<string, CallTask>;
  readonly approvals: ReadonlyMap<string, CallApproval>;
}

/** A decision on a call, as the rules made it. */
export interface CallRecord extends Pick<
  DecisionRecord,
  'id' | 'trust' | 'subject' | 'resource' | 'outcome' | 'code' | 'policies' | 'controls' | 'errors'
> {
  readonly askedBy: { readonly trust: string; readonly id: string } | null;
  readonly onBehalfOf: string | null;
  readonly owner: string | null;
  readonly environment: string | null;
  /** Canonical text, and its SHA-256 in hex. */
  readonly inputs: string;
  readonly inputsHash: string;
  readonly mode: TaskMode | null;
  readonly task: { readonly id: TaskId; readonly root: TaskId; readonly budgeted: boolean } | null;
  readonly grant: GrantId | null;
  readonly approval: { readonly id: ApprovalId; readonly askedHash: string } | null;
  /** The one that it is allowed under. */
  readonly exception: ExceptionId | null;
  readonly argumentsHash: string | null;
  /** What of the arguments is kept, as canonical text. */
  readonly arguments: string | null;
}

export interface CallBatch {
  readonly generation: number;
  readonly rulesHash: string;
  readonly origin: string | null;
  /** Nothing after the first call that is not allowed is recorded. */
  readonly untilDeny: boolean;
  readonly calls: readonly CallRecord[];
}

/** How a call stands once it is on record: null where it is allowed. */
export interface RecordedCall {
  readonly code: string | null;
  readonly order: string | null;
}

/** A decision with how its call went. */
export type DecisionView = Prisma.DecisionGetPayload<{ include: { callOutcome: true } }>;

const FACTS = `
  with g as (
    select grants.*, decisions.inputs -> 'principal' as attested from grants join decisions on decisions.id = grants.decision_id where grants.id = any ($1)
  ), k as (
    select tasks.*, decisions.inputs -> 'principal' as attested,
        exists (select 1 from tasks above where above.id = any (tasks.path) and above.max_calls is not null) as budgeted
      from tasks left join decisions on decisions.id = tasks.decision_id where tasks.id = any ($2) or tasks.id in (select task_id from g)
  )
  select jsonb_build_object(
    'grants', (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'trust', trust, 'subject', subject, 'profile', profile, 'parameters', parameters,
      'task', task_id, 'active', state = 'active' and expires_at > clock_timestamp(), 'principal', attested)), '[]') from g),
    'tasks', (select coalesce(jsonb_agg(jsonb_build_object('trust', trust, 'subject', subject, 'open', state = 'open' and coalesce(ends_at > clock_timestamp(), true),
      'budgeted', budgeted, 'principal', attested, 'task', jsonb_strip_nulls(jsonb_build_object('id', id, 'purpose', purpose, 'mode', mode,
        'environment', environment, 'implicit', implicit, 'onBehalfOf', on_behalf_of, 'path', path, 'chain', chain,
        'verified', case when principal ? 'trust' then principal - 'id' end,
        'bounds', jsonb_build_object('environments', environments, 'profiles', profiles, 'tools', tools, 'parameters', parameters))))), '[]') from k),
    'approvals', (select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'trust', trust, 'subject', subject, 'askedHash', asked_hash,
      'state', case when state = 'approved' and expires_at <= clock_timestamp() then 'lapsed' else state end,
      'by', (select coalesce(jsonb_agg(issuer || ' ' || w.subject order by w.at), '[]') from approval_answers w where approval_id = a.id and answer = 'approve'),
      'people', (select coalesce(jsonb_agg(w.roles order by w.at), '[]') from approval_answers w where approval_id = a.id and answer = 'approve'))),
      '[]') from approvals a where a.id = any ($3) and kind = 'call')) as facts`;

interface FactRows {
  readonly grants: readonly CallGrant[];
  readonly tasks: readonly CallTask[];
  readonly approvals: readonly CallApproval[];
}

const NOTHING: CallFacts = { grants: new Map(), tasks: new Map(), approvals: new Map() };

export function makeCalls(connection: Connection) {
  return {
    /** In one reading; the grants' tasks are among the tasks. */
    async facts(
      grants: readonly GrantId[],
      tasks: readonly TaskId[],
      approvals: readonly ApprovalId[],
    ): Promise<CallFacts> {
      if (grants.length + tasks.length + approvals.length === 0) return NOTHING;
      const rows = await connection.call<{ facts: FactRows }>('call_facts', FACTS, [grants, tasks, approvals]);
      const facts = rows[0]?.facts;
      if (!facts) return NOTHING;
      return {
        grants: new Map(facts.grants.map((grant) => [grant.id, grant])),
        tasks: new Map(facts.tasks.map((task) => [task.task.id, task])),
        approvals: new Map(facts.approvals.map((approval) => [approval.id, approval])),
      };
    },

    /**
     * Decides them against the live state and records them, in one commit. Answers one for each that was recorded, in their
     * sequence. @throws Fault `generation_behind`, `ledger_unavailable`: nothing is recorded then, and nothing may be done.
     */
    async record(batch: CallBatch): Promise<RecordedCall[]> {
      type Recorded = Answer & { codes: (string | null)[]; orders: (string | null)[] };
      const rows = await connection.call<{ answer: Recorded }>('record_calls', 'select record_calls($1) as answer', [
        batchText(batch),
      ]);
      const answer = rows[0] && admit(rows[0].answer);
      return (answer?.codes ?? []).map((code, index) => ({ code, order: answer?.orders[index] ?? null }));
    },

    /** @throws Refusal `not_found`, `already_reported`. */
    async reportOutcome(report: {
      readonly decision: DecisionId;
      readonly status: OutcomeStatus;
      readonly detail: string | null;
      readonly happened_at: string | null;
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<{ at: Date }> {
      const { at } = admit(await connection.transition<Answer & { at: string }>('report_outcome', report));
      return { at: new Date(at) };
    },

    findDecision: (id: DecisionId): Promise<DecisionView | null> =>
      connection.prisma((client) => client.decision.findUnique({ where: { id }, include: { callOutcome: true } })),

    /** Of a period, oldest first, from behind `after`. */
    listDecisions: (from: Date, to: Date, limit: number, after?: DecisionId): Promise<DecisionView[]> =>
      connection.prisma((client) =>
        behind(after, limit, (page) =>
          client.decision.findMany({
            where: { at: { gte: from, lt: to } },
            include: { callOutcome: true },
            orderBy: [{ at: 'asc' }, { id: 'asc' }],
            ...page,
          }),
        ),
      ),
  };
}

/** Put together as text, so that what is JSON already is not parsed and written once more; what is null is left out. */
function batchText({ generation, rulesHash, origin, untilDeny, calls }: CallBatch): string {
  const head = { generation, rules_hash: rulesHash, origin, until: untilDeny ? 'deny' : null };
  const items = calls.map((call, index) => {
    const { inputs, task, approval, ...rest } = call;
    const item: Readonly<Record<string, Json | undefined>> = {
      n: index + 1,
      id: rest.id,
      trust: rest.trust,
      subject: rest.subject,
      asked_by: rest.askedBy ?? undefined,
      on_behalf_of: rest.onBehalfOf ?? undefined,
      resource: rest.resource,
      owner: rest.owner ?? undefined,
      environment: rest.environment ?? undefined,
      outcome: rest.outcome,
      code: rest.code ?? undefined,
      policies: rest.policies,
      controls: rest.controls,
      errors: rest.errors,
      inputs_hash: rest.inputsHash,
      mode: rest.mode ?? undefined,
      task_id: task?.id,
      root: task?.root,
      budgeted: task?.budgeted ?? false,
      grant_id: rest.grant ?? undefined,
      approval_id: approval?.id,
      asked_hash: approval?.askedHash,
      exception_id: rest.exception ?? undefined,
      arguments_hash: rest.argumentsHash ?? undefined,
      arguments: rest.arguments ?? undefined,
    };
    return `${JSON.stringify(item).slice(0, -1)},"inputs":${inputs}}`;
  });
  return `${JSON.stringify(head).slice(0, -1)},"calls":[${items.join(',')}]}`;
}
