import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { ArchiveVerbs } from '../exchange/archives.ts';
import { body, query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { unlimited } from './reach.ts';
import { noStore } from './steps.ts';

export const ArchiveBody = z.strictObject({
  month: z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month such as 2026-11'),
  reason: z.string().min(1).max(1_000),
  /** Also what a sink was not given yet, or did not take. */
  force: z.boolean().default(false),
});

const leaf = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);

/** Of these leaves; without them, of all. */
export const ArchivesQuery = z.strictObject({ first: leaf.optional(), end: leaf.optional() });

export function archivesRouter(archives: ArchiveVerbs, asOperator: Step, json: RequestHandler): Router {
  const list = query(ArchivesQuery, async ({ first, end }, _req, res) => {
    const found = await archives.list(first ?? 0, end ?? Number.MAX_SAFE_INTEGER);
    res.json({
      archives: found.map(({ archivedAt, ...archive }) => ({ ...archive, archived_at: archivedAt.toISOString() })),
    });
  });
  const request = body(ArchiveBody, async ({ month, reason, force }, _req, res) => {
    const { id } = await archives.request(operatorOf(res), { month, reason, forced: force });
    res.status(201).json({ id, month, reason, force });
  });
  const router = Router();
  router.get('/v1/audit/archives', noStore, asOperator, unlimited('auditor', 'security', 'platform'), list);
  router.post('/v1/audit/archives', noStore, asOperator, unlimited('security'), json, request);
  return router;
}
