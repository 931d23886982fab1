import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { HoldVerbs } from '../exchange/holds.ts';
import type { HoldRow } from '../ledger/index.ts';
import { RangeQuery } from './audit.ts';
import { body, query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { pageOf, toPage } from './page.ts';
import { unlimited } from './reach.ts';
import { noStore } from './steps.ts';

const reason = z.string().min(1).max(1_000);

export const HoldBody = z
  .strictObject({ ...RangeQuery.shape, reason })
  .refine(({ from, to }) => from === undefined || to === undefined || from < to, {
    path: ['to'],
    message: 'must be later than from',
  });
export const LiftHoldBody = z.strictObject({ reason });
export const HoldsQuery = z.strictObject({
  ...pageOf('hold'),
});

export function holdsRouter(holds: HoldVerbs, asOperator: Step, json: RequestHandler): Router {
  const list = query(HoldsQuery, async ({ cursor, limit }, _req, res) => {
    const { rows, next } = toPage(await holds.list(limit + 1, cursor), limit);
    res.json({ holds: rows.map(holdBody), ...next });
  });
  const place = body(HoldBody, async (input, _req, res) => {
    const asked = { reason: input.reason, from: input.from ?? null, to: input.to ?? null };
    res.status(201).json(holdBody(await holds.place(operatorOf(res), asked)));
  });
  const lift = body(LiftHoldBody, async (input, req, res) => {
    const id = parseId('hold', req.params['id'] ?? '');
    if (!id) throw new Refusal('not_found');
    res.json(holdBody(await holds.lift(operatorOf(res), id, input.reason)));
  });
  const router = Router();
  router.get('/v1/audit/holds', noStore, asOperator, unlimited('auditor', 'security', 'platform'), list);
  router.post('/v1/audit/holds', noStore, asOperator, unlimited('security'), json, place);
  router.post('/v1/audit/holds/:id/lift', noStore, asOperator, unlimited('security'), json, lift);
  return router;
}

function holdBody(hold: HoldRow) {
  return {
    id: hold.id,
    reason: hold.reason,
    from: hold.fromAt?.toISOString() ?? null,
    to: hold.toAt?.toISOString() ?? null,
    placed_by: hold.placedBy,
    placed_at: hold.placedAt.toISOString(),
    lifted_by: hold.liftedBy,
    lifted_at: hold.liftedAt?.toISOString() ?? null,
    lift_reason: hold.liftReason,
  };
}
