import express from 'express';
import type { Express, RequestHandler, Router } from 'express';
import helmet from 'helmet';
import { Refusal } from '../domain/errors.ts';
import type { Log } from '../exchange/context.ts';
import { jsonBody } from './body.ts';
import { answerErrors } from './errors.ts';
import { endConnectionsWhileClosing, identifyRequest, logRequests, onlyHosts, refuseWhileClosing } from './steps.ts';

export interface AppParts {
  /** Answers to the end. */
  readonly health: Router;
  /** Closed while the process is closing. */
  readonly routers: readonly Router[];
  readonly log: Log;
  readonly trustedProxies: readonly string[];
  /** The only Host headers to answer to; undefined for any. */
  readonly hosts?: ReadonlySet<string>;
  readonly closing: () => boolean;
  readonly observe: (route: string, method: string, status: number, seconds: number) => void;
}

const MAX_BODY = '64kb';
const MAX_RULES = '8mb';

/** Bodies: JSON only, and small; a set of rules may be larger, once its sender is known. */
export const json: RequestHandler = jsonBody(MAX_BODY);
export const rulesJson: RequestHandler = jsonBody(MAX_RULES);

export function makeApp(parts: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('trust proxy', [...parts.trustedProxies]);
  app.use(identifyRequest, logRequests(parts.log, parts.observe), helmet());
  if (parts.hosts) app.use(onlyHosts(parts.hosts));
  app.use(endConnectionsWhileClosing(parts.closing), parts.health, refuseWhileClosing(parts.closing));
  for (const router of parts.routers) app.use(router);
  app.use(() => {
    throw new Refusal('not_found');
  });
  app.use(answerErrors(parts.log));
  return app;
}
