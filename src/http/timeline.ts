import { Router } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { Timeline, TimelineView } from '../exchange/timeline.ts';
import { query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { unlimited } from './reach.ts';
import { noStore } from './steps.ts';

export const TimelineQuery = z.strictObject({
  /** The page before's `next_cursor`. */
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'must be a whole number')
    .default('0'),
  limit: z.coerce.number().int().min(1).max(5_000).default(1_000),
});

export function timelineRouter(timeline: Timeline, asOperator: Step): Router {
  const show = query(TimelineQuery, async ({ cursor, limit }, req, res) => {
    const id = parseId('task', req.params['id'] ?? '');
    if (!id) throw new Refusal('not_found');
    res.json(timelineBody(await timeline(operatorOf(res), id, cursor, limit)));
  });
  const router = Router();
  router.get('/v1/tasks/:id/timeline', noStore, asOperator, unlimited('auditor', 'security', 'platform'), show);
  return router;
}

function timelineBody(view: TimelineView) {
  return {
    task: view.task,
    hops: view.hops.map((hop) => ({
      id: hop.id,
      parent: hop.parent,
      depth: hop.depth,
      workload: { trust: hop.trust, id: hop.subject },
      on_behalf_of: hop.onBehalfOf,
      purpose: hop.purpose,
      mode: hop.mode,
      environment: hop.environment,
      environments: hop.environments,
      state: hop.state,
      created_at: hop.createdAt.toISOString(),
      ended_at: hop.endedAt?.toISOString() ?? null,
      ended_why: hop.endedWhy,
    })),
    entries: view.entries,
    decisions: view.decisions.map((decision) => ({
      id: decision.id,
      outcome: decision.outcome,
      code: decision.code,
      generation: Number(decision.generation),
      rules_hash: decision.rulesHash,
      policies: decision.policies,
      controls: decision.controls,
    })),
    credentials: view.credentials.map((credential) => ({
      grant: credential.grant,
      mint: credential.mint,
      kind: credential.kind,
      provider: credential.provider,
      profile: credential.profile,
      state: credential.state,
      handle: credential.handle,
      opened_at: credential.openedAt.toISOString(),
      expires_at: credential.endsAt.toISOString(),
      ended_at: credential.endedAt?.toISOString() ?? null,
    })),
    orders: view.orders.map(({ createdAt, liftedAt, ...order }) => ({
      ...order,
      created_at: createdAt.toISOString(),
      lifted_at: liftedAt?.toISOString() ?? null,
    })),
    archived: view.archived,
    cut: view.cut,
    ...(view.next === undefined ? {} : { next_cursor: view.next }),
  };
}
