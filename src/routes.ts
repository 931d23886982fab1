import type { ApprovalId } from './domain/ids.ts';
import type { Log } from './exchange/context.ts';
import { accessRequestsRouter } from './http/access-requests.ts';
import { json, rulesJson } from './http/app.ts';
import type { AppParts } from './http/app.ts';
import { approvalsRouter } from './http/approvals.ts';
import { archivesRouter } from './http/archives.ts';
import { auditRouter } from './http/audit.ts';
import type { makeAuthenticate } from './http/authenticate.ts';
import { authzenRouter } from './http/authzen.ts';
import { decisionsRouter } from './http/decisions.ts';
import { answerOAuthErrors, answerTokenErrors } from './http/errors.ts';
import { evidencePackRouter } from './http/evidence-pack.ts';
import { exceptionsRouter } from './http/exceptions.ts';
import { generationsRouter } from './http/generations.ts';
import { grantsRouter } from './http/grants.ts';
import { holdsRouter } from './http/holds.ts';
import { oauthRouter } from './http/oauth.ts';
import { openApi, openApiRouter } from './http/openapi.ts';
import { ordersRouter } from './http/orders.ts';
import { sinksRouter } from './http/sinks.ts';
import { makeTaskContext } from './http/task-context.ts';
import { tasksRouter } from './http/tasks.ts';
import { timelineRouter } from './http/timeline.ts';
import { tokenRouter } from './http/token-endpoint.ts';
import type { Verbs } from './verbs.ts';
import { version } from './version.ts';

export interface RoutesDeps {
  readonly steps: ReturnType<typeof makeAuthenticate>;
  readonly issuer: string;
  readonly approvalUrl: (id: ApprovalId) => string;
  readonly now: () => Date;
  readonly log: Log;
}

/** The verbs over HTTP, those first that are asked for most. */
export function makeRouters(verbs: Verbs, { steps, issuer, approvalUrl, now, log }: RoutesDeps): AppParts['routers'] {
  const { asWorkload, asOperator } = steps;
  const taskContext = makeTaskContext(verbs.taskOfHolder);
  return [
    authzenRouter(verbs.calls, asWorkload, json),
    grantsRouter(verbs.grants, { asWorkload, asOperator, taskContext }, json),
    tasksRouter(verbs.tasks, asWorkload, json),
    approvalsRouter(verbs.approvals, approvalUrl, asOperator, json),
    exceptionsRouter(verbs.exceptions, asOperator, json),
    ordersRouter(verbs.orders, asOperator, json),
    tokenRouter(verbs.token, asWorkload, answerTokenErrors(log)),
    generationsRouter(verbs.generations, asOperator, rulesJson),
    decisionsRouter({ ...verbs.evidence, now }, asOperator),
    accessRequestsRouter(verbs.accessRequests, asWorkload, json),
    auditRouter(verbs.evidence, version, asOperator),
    evidencePackRouter(verbs.evidencePack, asOperator),
    sinksRouter(verbs.sinks, asOperator, json),
    holdsRouter(verbs.holds, asOperator, json),
    archivesRouter(verbs.archives, asOperator, json),
    timelineRouter(verbs.timeline, asOperator),
    oauthRouter(verbs.oauth, asWorkload, answerOAuthErrors(log)),
    openApiRouter(openApi(version, issuer)),
  ];
}
