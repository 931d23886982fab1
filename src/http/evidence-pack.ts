import { Router } from 'express';
import type { EvidencePack, MakePack } from '../exchange/evidence-pack.ts';
import { goneOf } from './approvals.ts';
import { RangeQuery } from './audit.ts';
import { query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { unlimited } from './reach.ts';
import { noStore } from './steps.ts';

export function evidencePackRouter(pack: MakePack, asOperator: Step): Router {
  const show = query(RangeQuery, async ({ from, to }, _req, res) => {
    const gone = goneOf(res);
    const made = await pack(operatorOf(res), from ?? null, to ?? null, gone).catch((error: unknown) => {
      if (error === gone.reason) return undefined; // nobody is left to be answered
      throw error;
    });
    if (made) res.json(packBody(made));
  });
  const router = Router();
  router.get('/v1/audit/evidence', noStore, asOperator, unlimited('auditor', 'security', 'platform'), show);
  return router;
}

function packBody(pack: EvidencePack) {
  const { origin, size, root, note, key } = pack.checkpoint;
  return {
    from: pack.from?.toISOString() ?? null,
    to: pack.to?.toISOString() ?? null,
    checkpoint: { origin, size, root: Buffer.from(root).toString('base64'), checkpoint: note, key },
    range: pack.range,
    generations: pack.generations.map((each) => ({
      number: each.number,
      hash: each.hash,
      author: each.author,
      activated_at: each.activatedAt.toISOString(),
      policies: each.policies.map(({ maxTtl, requiresApproval, ...policy }) => ({
        ...policy,
        max_ttl_seconds: maxTtl,
        requires_approval: requiresApproval,
      })),
    })),
    generations_cut: pack.generationsCut,
    profiles: pack.profiles.map(({ maxTtl, ...profile }) => ({ ...profile, max_ttl_seconds: maxTtl })),
    events: pack.events,
    policies: pack.policies.map(({ rules, ...policy }) => ({ rules_hash: rules, ...policy })),
    samples: pack.samples,
    samples_cut: pack.samplesCut,
    usage: pack.usage.map(({ grantedSeconds, ...row }) => ({ ...row, granted_seconds: grantedSeconds })),
    usage_cut: pack.usageCut,
    exceptions: pack.exceptions,
    exceptions_cut: pack.exceptionsCut,
    log: pack.log,
  };
}
