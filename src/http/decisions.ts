import { Router } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { DecisionId } from '../domain/ids.ts';
import type { DecisionView } from '../ledger/index.ts';
import { roles } from './authenticate.ts';
import { query } from './body.ts';
import type { Step } from './context.ts';
import { decisionBody } from './representations.ts';
import { noStore } from './steps.ts';

const time = z.iso.datetime({ message: 'must be a time such as 2026-01-31T12:00:00Z' });

export const DecisionsQuery = z.strictObject({
  from: time,
  to: time.optional(),
  /** The page before's `next_cursor`: the last decision on it. */
  cursor: z
    .string()
    .refine((text) => parseId('decision', text) !== undefined, 'is not a cursor of this list')
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export interface DecisionVerbs {
  readonly find: (id: DecisionId) => Promise<DecisionView | null>;
  readonly list: (from: Date, to: Date, limit: number, after?: DecisionId) => Promise<DecisionView[]>;
  readonly now: () => Date;
}

/** The record of what was decided, with everything that the policies saw: for auditors, and for `writ policy replay`. */
export function decisionsRouter(verbs: DecisionVerbs, asOperator: Step): Router {
  const list = query(DecisionsQuery, async ({ from, to, cursor, limit }, _req, res) => {
    const end = to === undefined ? verbs.now() : new Date(to);
    const page = await verbs.list(new Date(from), end, limit + 1, cursor as DecisionId | undefined);
    const rows = page.slice(0, limit);
    const last = rows.at(-1);
    res.json({ decisions: rows.map(decisionBody), ...(page.length > limit && last ? { next_cursor: last.id } : {}) });
  });

  const show: Step = async (req, res) => {
    const id = parseId('decision', req.params['id'] ?? '');
    const view = id && (await verbs.find(id));
    if (!view) throw new Refusal('not_found');
    res.json(decisionBody(view));
  };

  const router = Router();
  router.get('/v1/decisions', noStore, asOperator, roles('auditor', 'platform'), list);
  router.get('/v1/decisions/:id', noStore, asOperator, roles('auditor', 'platform', 'security'), show);
  return router;
}
