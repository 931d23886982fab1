import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { OrderId } from '../domain/ids.ts';
import { SELECTOR_KINDS } from '../domain/selector.ts';
import type { Selector, SelectorKind } from '../domain/selector.ts';
import { mayActOn, reachOf } from '../domain/may-act.ts';
import type { About } from '../domain/may-act.ts';
import type { makeOrders, OrderView } from '../exchange/orders.ts';
import { roles } from './authenticate.ts';
import { body, query } from './body.ts';
import type { Req, Step } from './context.ts';
import { operatorOf } from './context.ts';
import { pageOf, toPage } from './page.ts';
import { aboutSelector, mustReach, seenBy } from './reach.ts';
import { orderBody, orderHeadBody } from './representations.ts';
import { noStore } from './steps.ts';

const name = z.string().min(1).max(2_048).optional();

/** Exactly one of the members; `all` is `true`. A task that cannot be is refused: an order over a slip of the pen would stand, and cover nothing. */
const SelectorBody = z
  .strictObject({
    agent: name,
    on_behalf_of: name,
    task: name.refine((id) => id === undefined || parseId('task', id) !== undefined, 'is not the id of a task'),
    profile: name,
    owner: name,
    environment: name,
    provider: name,
    all: z.literal(true).optional(),
  })
  .transform((given, context): Selector => {
    const named = SELECTOR_KINDS.filter((kind) => given[kind] !== undefined);
    const [kind] = named;
    if (kind === undefined || named.length > 1) {
      context.addIssue({ code: 'custom', message: `exactly one of ${SELECTOR_KINDS.join(', ')}` });
      return z.NEVER;
    }
    return { kind, value: kind === 'all' ? '*' : (given[kind] ?? '') };
  });

export const RevocationBody = z.strictObject({
  selector: SelectorBody,
  reason: z.string().min(1).max(1_000),
  dry_run: z.boolean().default(false),
  block: z.boolean().default(true),
});
export const OrdersQuery = z.strictObject({
  /** Those that block now, or those that do not. */
  blocking: z.enum(['true', 'false']).optional(),
  ...pageOf('order'),
});
export const LiftBody = z.strictObject({ reason: z.string().min(1).max(1_000) });

export function ordersRouter(orders: ReturnType<typeof makeOrders>, asOperator: Step, json: RequestHandler): Router {
  const create = body(RevocationBody, async (input, _req, res) => {
    const { operator } = operatorOf(res);
    if (!mayActOn(operator, 'security', aboutSelector(input.selector)))
      throw new Refusal('role_limited', { role: 'security' });
    if (input.dry_run) {
      const { matched, byProvider } = await orders.dryRun(input.selector);
      res.json({ dry_run: true, matched, by_provider: byProvider });
      return;
    }
    const view = await orders.create(operatorOf(res), {
      selector: input.selector,
      reason: input.reason,
      blocks: input.block,
    });
    res.status(201).json(orderBody(view));
  });

  const list = query(OrdersQuery, async ({ blocking, cursor, limit }, _req, res) => {
    const within = reachOf(operatorOf(res).operator, VIEWERS);
    const filter = { ...(blocking === undefined ? {} : { blocking: blocking === 'true' }), within };
    const { rows, next } = toPage(await orders.list(filter, limit + 1, cursor), limit);
    res.json({ orders: rows.map(orderHeadBody), ...next });
  });

  const show: Step = async (req, res) => {
    const view = await orders.show(orderId(req));
    if (!seenBy(operatorOf(res).operator, VIEWERS, aboutOrder(view))) throw new Refusal('not_found');
    res.json(orderBody(view));
  };

  const lift = body(LiftBody, async (input, req, res) => {
    const order = await orders.show(orderId(req));
    mustReach(operatorOf(res).operator, 'security', VIEWERS, aboutOrder(order));
    const { state, view } = await orders.lift(operatorOf(res), orderId(req), input.reason);
    res.status(state === 'lifted' ? 200 : 202).json({ ...orderBody(view), lift: state });
  });

  const router = Router();
  router.post('/v1/revocations', noStore, asOperator, roles('security'), json, create);
  router.get('/v1/revocations', noStore, asOperator, roles(...VIEWERS), list);
  router.get('/v1/revocations/:id', noStore, asOperator, roles(...VIEWERS), show);
  router.post('/v1/revocations/:id/lift', noStore, asOperator, roles('security'), json, lift);
  return router;
}

const VIEWERS = ['security', 'auditor'] as const;

function aboutOrder({ order }: OrderView): About[] {
  return [aboutSelector({ kind: order.kind as SelectorKind, value: order.value })];
}

function orderId(req: Req): OrderId {
  const id = parseId('order', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}
