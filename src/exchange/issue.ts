import { Refusal } from '../domain/errors.ts';
import type { ApprovalId, GrantId, TaskId } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import { UNBOUNDED } from '../domain/task.ts';
import type { Principal, Task } from '../domain/task.ts';
import type { Ttl } from '../domain/ttl.ts';
import { principalRecord, toTask } from '../ledger/index.ts';
import type { ApprovalState, DecisionRecord } from '../ledger/index.ts';
import type { Plan } from '../providers/provider.ts';
import { watched } from './after-revocation.ts';
import { approvalRequest, askedOf } from './approval.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuse } from './decide.ts';
import { judge } from './judge.ts';
import { mintIntent } from './minting.ts';
import type { Handover, makeMinting } from './minting.ts';
import { fitting, offered } from './offer.ts';
import { withRules } from './rules.ts';
import { behalfOf, linkOf } from './task-facts.ts';

/** A key of the caller's own choice, and what it is used for. */
export interface Idempotency {
  readonly key: string;
  readonly requestHash: string;
}

export interface IssueRequest {
  readonly profile: string;
  readonly parameters: Readonly<Record<string, Json>>;
  readonly ttlSeconds?: number | undefined;
  readonly purpose?: string | undefined;
  /** One of the caller's own that was made before; otherwise one is made for this call alone. */
  readonly task?: TaskId | undefined;
  /** Without `task`, whose principal it is otherwise. */
  readonly principal?: Principal | undefined;
  readonly idempotency?: Idempotency | undefined;
}

/** What the caller is told of a grant, with or without a credential. */
interface Told {
  readonly grant: GrantId;
  readonly task: TaskId;
  readonly profile: string;
  readonly provider: string;
  readonly subject: string;
  readonly ttl: Pick<Ttl, 'seconds' | 'decidedBy'>;
  readonly decision: Pick<DecisionRecord, 'id' | 'generation' | 'policies'>;
}

/** Everything the caller is told, the credential included. */
export interface Issued extends Handover, Told {
  readonly decision: DecisionRecord;
}

/** A person has to answer first: nothing was minted, and nothing is handed out. */
export interface Pending extends Told {
  readonly revocability: Plan['revocability'];
  readonly approval: { readonly id: ApprovalId; readonly state: ApprovalState; readonly expiresAt: Date };
}

export interface IssueParts {
  readonly mintAndActivate: ReturnType<typeof makeMinting>;
  readonly liveLimit: {
    ahead(trust: string, id: string): void;
    within<T>(trust: string, id: string, open: () => Promise<T>): Promise<T>;
  };
}

/** What the rules allow, and a limit does not: nothing of it was committed, and the refusal is on record by itself. */
const LIMITS: ReadonlySet<string> = new Set(['too_many_live_grants', 'too_many_approvals']);

/** One issuance, as DESIGN draws it: decide, record the intent, mint, record the issuance, hand over. */
export function makeIssue(context: ExchangeContext, { mintAndActivate, liveLimit }: IssueParts) {
  const { ledger, ids, clock } = context;

  return function issue(caller: Caller, request: IssueRequest): Promise<Issued | Pending> {
    const { task } = request;
    return task === undefined
      ? decideAndMint(caller, request)
      : watched(context, 'issue', caller, { task }, () => decideAndMint(caller, request));
  };

  function decideAndMint(caller: Caller, request: IssueRequest): Promise<Issued | Pending> {
    return withRules(context.rules, async (rules) => {
      const { trust, id } = caller.identity;
      const named = request.task && (await ownTask(context, caller, request.task));
      const { profile, provider } = await offered(context, rules, caller, 'issue', request.profile, { task: named });
      const parameters = fitting(profile, request.parameters);
      liveLimit.ahead(trust, id);
      const task = named ?? singleTask(context, caller, request, profile);
      const now = clock.now();
      const about = { profile, provider, parameters, task, now, startedAt: now, askedSeconds: request.ttlSeconds };
      const { record, ttl, waits } = await judge(context, rules, { action: 'issue', ...caller, ...about });

      const names = { mint: ids.mint(), grant: ids.grant(), task: task.id };
      const plan = provider.plan(profile, parameters, { ...names, subject: { trust, id }, now, endsAt: ttl.endsAt });
      const wanted = { caller, profile, provider, parameters, task, grant: names.grant, ttlSeconds: ttl.seconds };
      const asking = { kind: 'issue', caller, task, now } as const;
      const approval = waits
        ? approvalRequest(context, { ...asking, id: ids.approval(), asked: askedOf(wanted), needs: waits })
        : null;
      const opening = liveLimit.within(trust, id, () =>
        ledger.issuing.openGrant({
          decision: record,
          task: taskRecord(task),
          grant: grantRecord(names.grant, profile, parameters, ttl, plan),
          mint: approval ? null : mintIntent(plan),
          approval,
          origin: caller.origin,
          idempotency: request.idempotency
            ? { key: request.idempotency.key, request_hash: request.idempotency.requestHash }
            : null,
        }),
      );
      const opened = opening.catch((error: unknown) => {
        if (error instanceof Refusal && LIMITS.has(error.code)) return refuse(ledger, record, error.code, error.facts);
        throw error;
      });
      const { revocability } = plan;
      const said = toldOf(names.grant, task, profile, record, ttl);
      if (approval) {
        await opened;
        const asked = { id: approval.id, state: 'pending', expiresAt: new Date(approval.expires_at) } as const;
        return { ...said, revocability, approval: asked };
      }
      const intended = { provider, plan, record, opening: opened, origin: caller.origin, endsGrant: true };
      return mintAndActivate(intended, said);
    });
  }
}

/** What is told of a grant by what it was allowed by: for `mintAndActivate`, which adds the credential. */
export function toldOf(
  grant: GrantId,
  task: Task,
  profile: Profile,
  decision: DecisionRecord,
  ttl: Told['ttl'],
): Omit<Issued, keyof Handover> {
  const { name, provider } = profile;
  return { grant, task: task.id, profile: name, provider, subject: decision.subject, ttl, decision };
}

/** One that was made before, of the caller's own. @throws Refusal `task_not_found`. */
async function ownTask({ ledger }: ExchangeContext, caller: Caller, wanted: TaskId): Promise<Task> {
  const row = await ledger.tasks.find(wanted);
  const { trust, id } = caller.identity;
  if (!row || row.implicit || row.trust !== trust || row.subject !== id) throw new Refusal('task_not_found');
  return toTask(row);
}

/** The one that a call makes for itself: policy alone decides, in the profile's environment. */
function singleTask({ ids }: ExchangeContext, caller: Caller, request: IssueRequest, profile: Profile): Task {
  const id = ids.task();
  const { principal } = request;
  return {
    id,
    purpose: request.purpose ?? '',
    mode: 'autonomous',
    environment: profile.environment,
    implicit: true,
    ...behalfOf(principal),
    ...(principal?.verified && { endsAt: principal.verified.vouchedUntil }),
    path: [id],
    chain: [linkOf(caller.identity)],
    bounds: UNBOUNDED,
  };
}

function taskRecord(task: Task) {
  const { id, purpose, mode, environment, implicit, onBehalfOf, chain, endsAt } = task;
  const principal = principalRecord(task);
  const ends_at = endsAt?.toISOString() ?? null;
  return {
    id,
    purpose,
    mode,
    environment,
    on_behalf_of: onBehalfOf ?? null,
    principal,
    chain,
    ends_at,
    there: !implicit,
  };
}

function grantRecord(id: GrantId, profile: Profile, parameters: Parameters, ttl: Ttl, plan: Plan) {
  return {
    id,
    profile: profile.name,
    provider: profile.provider,
    owner: profile.owner,
    environment: profile.environment,
    effect: profile.effect,
    parameters,
    ttl_seconds: ttl.seconds,
    ttl_decided_by: ttl.decidedBy,
    expires_at: ttl.endsAt.toISOString(),
    revocability: plan.revocability,
  };
}
