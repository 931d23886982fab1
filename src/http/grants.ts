import { createHash } from 'node:crypto';
import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { GRANT_STATES } from '../domain/grant.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import { parseId } from '../domain/ids.ts';
import type { GrantId } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import type { Caller } from '../exchange/context.ts';
import type { Issued, IssueRequest } from '../exchange/issue.ts';
import { actorOf } from '../exchange/orders.ts';
import type { RenewRequest } from '../exchange/renew.ts';
import type { Revocation } from '../exchange/revoke.ts';
import type { GrantCursor, GrantFilter, GrantView } from '../ledger/index.ts';
import { roles, workloads, workloadsOr } from './authenticate.ts';
import { body, query } from './body.ts';
import type { Principal, Req, Res, Step } from './context.ts';
import { operatorOf, workloadOf } from './context.ts';
import { grantBody, issuedBody } from './representations.ts';
import { noStore } from './steps.ts';

const MAX_TTL_SECONDS = 2_592_000;
const ttl = z.int().min(1).max(MAX_TTL_SECONDS).optional();
/** What a later version takes; until then it is refused with its reason rather than ignored. */
const later = (what: string) => z.undefined(`${what} is not offered by this version`).optional();

export const IssueBody = z.strictObject({
  profile: z.string().min(1).max(200),
  parameters: z.record(z.string(), z.string()).default({}),
  ttl_seconds: ttl,
  purpose: z.string().max(1_000).optional(),
  task: later('a task made beforehand'),
  on_behalf_of: later('acting on behalf of a principal'),
});
export const RenewBody = z.strictObject({ ttl_seconds: ttl });
export const RevokeBody = z.strictObject({ reason: z.string().min(1).max(1_000) });
export const ListQuery = z.strictObject({
  state: z.enum(GRANT_STATES).optional(),
  agent: z.string().optional(),
  task: z.string().optional(),
  profile: z.string().optional(),
  owner: z.string().optional(),
  environment: z.string().optional(),
  provider: z.string().optional(),
  on_behalf_of: later('acting on behalf of a principal'),
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export interface GrantVerbs {
  readonly issue: (caller: Caller, request: IssueRequest) => Promise<Issued>;
  readonly renew: (caller: Caller, request: RenewRequest) => Promise<Issued>;
  readonly revoke: (revocation: Revocation) => Promise<GrantView>;
  readonly find: (id: GrantId) => Promise<GrantView | null>;
  readonly list: (filter: GrantFilter, limit: number, after?: GrantCursor) => Promise<GrantView[]>;
}

export function grantsRouter(
  verbs: GrantVerbs,
  { asWorkload, asOperator }: { readonly asWorkload: Step; readonly asOperator: Step },
  json: RequestHandler,
): Router {
  const issue = body(IssueBody, async (input, req, res) => {
    const request = {
      profile: input.profile,
      parameters: input.parameters,
      ttlSeconds: input.ttl_seconds,
      purpose: input.purpose,
      idempotency: idempotency(req, {
        profile: input.profile,
        parameters: input.parameters,
        ttl_seconds: input.ttl_seconds ?? null,
        purpose: input.purpose ?? null,
      }),
    };
    handOver(res, await verbs.issue(workloadOf(res), request));
  });

  const renew = body(RenewBody, async (input, req, res) => {
    handOver(res, await verbs.renew(workloadOf(res), { grant: grantId(req), ttlSeconds: input.ttl_seconds }));
  });

  const revoke = body(RevokeBody, async (input, req, res) => {
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
    res.json(grantBody(view));
  };

  const list = query(ListQuery, async ({ cursor, limit, ...filter }, _req, res) => {
    const page = await verbs.list(filter, limit + 1, cursor === undefined ? undefined : readCursor(cursor));
    const rows = page.slice(0, limit);
    const last = rows.at(-1);
    const more = page.length > limit && last ? { next_cursor: writeCursor(last) } : {};
    res.json({ grants: rows.map(grantBody), ...more });
  });

  const router = Router();
  router.post('/v1/grants', noStore, asWorkload, workloads, json, issue);
  router.get('/v1/grants', noStore, asOperator, roles(...OPERATOR_ROLES), list);
  router.get('/v1/grants/:id', noStore, asWorkload, workloadsOr(...OPERATOR_ROLES), show);
  router.post('/v1/grants/:id/renew', noStore, asWorkload, workloads, json, renew);
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
  res.status(201).json(issuedBody(issued));
}

/** Who ends which grant: a workload its own, an operator any. */
function revoker(res: Res): Pick<Revocation, 'actor' | 'subject'> {
  if (res.locals.principal?.kind === 'operator') return { actor: actorOf(operatorOf(res)) };
  const { trust, id } = workloadOf(res).identity;
  return { actor: { kind: 'workload', trust, id }, subject: { trust, id } };
}

function maySee(principal: Principal | undefined, view: GrantView): boolean {
  if (principal?.kind === 'operator') return true;
  return principal?.identity.trust === view.trust && principal.identity.id === view.subject;
}

function grantId(req: Req): GrantId {
  const id = parseId('grant', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,200}$/;

function idempotency(req: Req, request: Json) {
  const key = req.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key)) {
    throw new Refusal('invalid_request', {
      errors: [{ path: 'Idempotency-Key', problem: '1 to 200 visible ASCII characters' }],
    });
  }
  return { key, requestHash: createHash('sha256').update(canonicalJson(request)).digest('hex') };
}

function writeCursor(view: GrantView): string {
  return Buffer.from(JSON.stringify([view.openedAt.toISOString(), view.id])).toString('base64url');
}

function readCursor(text: string): GrantCursor {
  const wrong = new Refusal('invalid_request', { errors: [{ path: 'cursor', problem: 'not a cursor of this list' }] });
  try {
    const [openedAt, id] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as [string, string];
    const at = new Date(openedAt);
    if (Number.isNaN(at.getTime()) || !parseId('grant', id)) throw wrong;
    return { openedAt: at, id };
  } catch {
    throw wrong;
  }
}
