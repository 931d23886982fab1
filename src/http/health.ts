import { Router } from 'express';
import type { Registry } from 'prom-client';
import type { JsonObject } from '../domain/json.ts';
import type { Step } from './context.ts';

/** What readiness rests on. A sick provider is shown and does not make the broker unready. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: JsonObject;
}

export function healthRouter(readiness: () => Promise<Readiness>, metrics: Registry): Router {
  const alive: Step = (_req, res) => {
    res.json({ status: 'ok' });
  };
  const ready: Step = async (_req, res) => {
    const { ready, checks } = await readiness();
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not_ready', checks });
  };
  const scrape: Step = async (_req, res) => {
    res.type(metrics.contentType).send(await metrics.metrics());
  };
  const router = Router();
  router.get('/healthz', alive);
  router.get('/readyz', ready);
  router.get('/metrics', scrape);
  return router;
}
