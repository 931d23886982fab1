import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { GRANT_STATES } from '../domain/grant.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import { parseId } from '../domain/ids.ts';
import type { ApprovalId, GrantId } from '../domain/ids.ts';
import { reachOf } from '../domain/may-act.ts';
import type { Caller } from '../exchange/context.ts';
import type { Patience } from '../exchange/approvals.ts';
import type { ClaimRequest } from '../exchange/claim.ts';
import type { Issued, IssueRequest, Pending } from '../exchange/issue.ts';
import { actorOf } from '../exchange/orders.ts';
import type { ResolvePrincipal } from '../exchange/principal.ts';
import type { RenewRequest } from '../exchange/renew.ts';
import type { Revocation } from '../exchange/revoke.ts';
import type { ApprovalRow, GrantFilter, GrantView } from '../ledger/index.ts';
import { counting, roles, workloads, workloadsOr } from './authenticate.ts';
import { body, query } from './body.ts';
import type { Principal, Req, Res, Step } from './context.ts';
import { operatorOf, workloadOf } from './context.ts';
import { awaitedBody } from './approval-body.ts';
import { goneOf, WaitQuery } from './approvals.ts';
import { idempotency, idempotencyFaults, principalKey } from './idempotency.ts';
import { pageOf, toPage } from './page.ts';
import { mustReach, seenBy } from './reach.ts';
import { grantBody, grantWithApproval, issuedBody, pendingBody } from './representations.ts';
import { noStore } from './steps.ts';
import { agreed } from './task-context.ts';
import { onBehalfOf, taskId } from './task-fields.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const MAX_TTL_SECONDS = 2_592_000;
/** An empty filter would match everything. */
const name = z.string().min(1).max(2_048).optional();
const ttl = z.int().min(1).max(MAX_TTL_SECONDS).optional();

export const IssueBody = z.strictObject({
  profile: z.string().min(1).max(200),
  parameters: z.record(z.string(), z.string()).default({}),
  ttl_seconds: ttl,
  purpose: z.string().max(1_000).optional(),
  /** One of the caller's own; without it the call makes a task for itself. */
  task: taskId.optional(),
  /** Where there is no task, whose principal it is otherwise. */
  on_behalf_of: onBehalfOf.optional(),
});
export const RenewBody = z.strictObject({ ttl_seconds: ttl });
export const ClaimBody = z.strictObject({});
export const RevokeBody = z.strictObject({ reason: z.string().min(1).max(1_000) });
export const ListQuery = z.strictObject({
  state: z.enum(GRANT_STATES).optional(),
  agent: name,
  task: name,
  profile: name,
  owner: name,
  environment: name,
  provider: name,
  on_behalf_of: name,
  ...pageOf('grant'),
});

export interface GrantVerbs {
  readonly issue: (caller: Caller, request: IssueRequest) => Promise<Issued | Pending>;
  readonly claim: (caller: Caller, request: ClaimRequest) => Promise<Issued>;
  readonly resolvePrincipal: ResolvePrincipal;
  readonly approvalOf: (grant: GrantId) => Promise<ApprovalRow | null>;
  /** The same for whose grant it is, once it is answered or the patience is over. */
  readonly awaitApproval: (caller: Caller, grant: GrantId, patience: Patience) => Promise<ApprovalRow>;
  /** Where an approval is seen and answered. */
  readonly approvalUrl: (id: ApprovalId) => string;
  readonly renew: (caller: Caller, request: RenewRequest) => Promise<Issued>;
  readonly revoke: (revocation: Revocation) => Promise<GrantView>;
  readonly find: (id: GrantId) => Promise<GrantView | null>;
  readonly list: (filter: GrantFilter, limit: number, after?: string) => Promise<GrantView[]>;
}

export function grantsRouter(
  verbs: GrantVerbs,
  {
    asWorkload,
    asOperator,
    taskContext,
  }: { readonly asWorkload: Step; readonly asOperator: Step; readonly taskContext: Step },
  json: RequestHandler,
): Router {
  const issue = body(
    IssueBody,
    async (input, req, res) => {
      const task = agreed(input.task, res.locals.task);
      const { on_behalf_of: given } = input;
      if (task !== undefined && given !== undefined) throw carriedByTask();
      const wanted = { action: 'issue', profile: input.profile } as const;
      const principal =
        given === undefined
          ? undefined
          : await counting(res, () => verbs.resolvePrincipal(workloadOf(res), wanted, given));
      const request = {
        profile: input.profile,
        parameters: input.parameters,
        ttlSeconds: input.ttl_seconds,
        purpose: input.purpose,
        task,
        principal,
        idempotency: idempotency(req, {
          profile: input.profile,
          parameters: input.parameters,
          ttl_seconds: input.ttl_seconds ?? null,
          purpose: input.purpose ?? null,
          ...(task !== undefined && { task }),
          ...principalKey(principal),
        }),
      };
      const answer = await verbs.issue(workloadOf(res), request);
      if ('approval' in answer) res.status(202).json(pendingBody(answer, verbs.approvalUrl));
      else handOver(res, answer);
    },
    idempotencyFaults,
  );

  const renew = body(RenewBody, async (input, req, res) => {
    const { task } = res.locals;
    handOver(res, await verbs.renew(workloadOf(res), { grant: grantId(req), ttlSeconds: input.ttl_seconds, task }));
  });

  const claim = body(
    ClaimBody,
    async (_input, req, res) => {
      const grant = grantId(req);
      const request = { grant, task: res.locals.task, idempotency: idempotency(req, { claim: grant }) };
      handOver(res, await verbs.claim(workloadOf(res), request));
    },
    idempotencyFaults,
  );

  const awaitApproval = query(WaitQuery, async ({ wait }, req, res) => {
    const patience = { seconds: wait, gone: goneOf(res) };
    const row = await verbs.awaitApproval(workloadOf(res), grantId(req), patience);
    res.json(awaitedBody(row, verbs.approvalUrl));
  });

  const revoke = body(RevokeBody, async (input, req, res) => {
    const { principal } = res.locals;
    if (principal?.kind === 'operator') {
      const found = await verbs.find(grantId(req));
      if (!found) throw new Refusal('not_found');
      mustReach(principal.operator, 'security', OPERATOR_ROLES, [found]);
    }
    const view = await verbs.revoke({
      grant: grantId(req),
      reason: input.reason,
      origin: res.locals.origin,
      ...revoker(res),
    });
    res.json(grantBody(view));
  });

  const show: Step = async (req, res) => {
    const view = await verbs.find(grantId(req));
    if (!view || !maySee(res.locals.principal, view)) throw new Refusal('not_found');
    res.json(grantWithApproval(view, await verbs.approvalOf(view.id as GrantId), verbs.approvalUrl));
  };

  const list = query(ListQuery, async ({ cursor, limit, on_behalf_of: onBehalfOf, ...filter }, _req, res) => {
    const within = reachOf(operatorOf(res).operator, OPERATOR_ROLES);
    const found = await verbs.list({ ...filter, onBehalfOf, within }, limit + 1, cursor);
    const { rows, next } = toPage(found, limit);
    res.json({ grants: rows.map(grantBody), ...next });
  });

  const router = Router();
  router.post('/v1/grants', noStore, asWorkload, workloads, taskContext, json, issue);
  router.get('/v1/grants', noStore, asOperator, roles(...OPERATOR_ROLES), list);
  router.get('/v1/grants/:id', noStore, asWorkload, workloadsOr(...OPERATOR_ROLES), show);
  router.get('/v1/grants/:id/approval', noStore, asWorkload, workloads, awaitApproval);
  router.post('/v1/grants/:id/claim', noStore, asWorkload, workloads, taskContext, json, claim);
  router.post('/v1/grants/:id/renew', noStore, asWorkload, workloads, taskContext, json, renew);
  router.post('/v1/grants/:id/revoke', noStore, asWorkload, workloadsOr('security'), json, revoke);
  return router;
}

/** The secret leaves, once. A caller that is gone before the body was flushed has not received it: the grant ends. */
function handOver(res: Res, issued: Issued): void {
  res.once('close', () => {
    if (!res.writableFinished) issued.lost();
  });
  if (res.closed || res.destroyed) {
    issued.lost();
    return;
  }
  const text = JSON.stringify(issuedBody(issued));
  // As `res.json` does it, without what that looks at for caches and for other types.
  res
    .status(201)
    .set('Content-Type', JSON_TYPE)
    .set('Content-Length', String(Buffer.byteLength(text)));
  res.end(text);
}

/** Who ends which grant: a workload its own, an operator any. */
function revoker(res: Res): Pick<Revocation, 'actor' | 'subject'> {
  if (res.locals.principal?.kind === 'operator') return { actor: actorOf(operatorOf(res)) };
  const { trust, id } = workloadOf(res).identity;
  return { actor: { kind: 'workload', trust, id }, subject: { trust, id } };
}

function maySee(principal: Principal | undefined, view: GrantView): boolean {
  if (principal?.kind === 'operator') return seenBy(principal.operator, OPERATOR_ROLES, [view]);
  return principal?.identity.trust === view.trust && principal.identity.id === view.subject;
}

/** Whom a task is for was decided when it was made. */
function carriedByTask(): Refusal {
  const problem = 'is not asked for with a task, which has it';
  return new Refusal('invalid_request', { errors: [{ path: 'on_behalf_of', problem }] });
}

function grantId(req: Req): GrantId {
  const id = parseId('grant', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}
