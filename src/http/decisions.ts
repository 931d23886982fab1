import { Router } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { DecisionId } from '../domain/ids.ts';
import type { EvidenceReads } from '../exchange/evidence.ts';
import { query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { pageOf } from './page.ts';
import { unlimited } from './reach.ts';
import { decisionBody } from './representations.ts';
import { noStore } from './steps.ts';
import { utcTime } from './time.ts';

export const DecisionsQuery = z.strictObject({
  from: utcTime,
  to: utcTime.optional(),
  ...pageOf('decision'),
});

/** Both leave an event of the read. */
export interface DecisionVerbs extends Pick<EvidenceReads, 'decision' | 'decisions'> {
  readonly now: () => Date;
}

/** The record of what was decided, with everything that the policies saw: for auditors, and for `writ policy replay`. */
export function decisionsRouter(verbs: DecisionVerbs, asOperator: Step): Router {
  const list = query(DecisionsQuery, async ({ from, to, cursor, limit }, _req, res) => {
    const end = to === undefined ? verbs.now() : new Date(to);
    const after = cursor as DecisionId | undefined;
    const { decisions, next } = await verbs.decisions(operatorOf(res), new Date(from), end, limit, after);
    res.json({ decisions: decisions.map(decisionBody), ...(next === undefined ? {} : { next_cursor: next }) });
  });

  const show: Step = async (req, res) => {
    const id = parseId('decision', req.params['id'] ?? '');
    if (!id) throw new Refusal('not_found');
    res.json(decisionBody(await verbs.decision(operatorOf(res), id)));
  };

  const router = Router();
  router.get('/v1/decisions', noStore, asOperator, unlimited('auditor', 'platform'), list);
  router.get('/v1/decisions/:id', noStore, asOperator, unlimited('auditor', 'platform', 'security'), show);
  return router;
}
