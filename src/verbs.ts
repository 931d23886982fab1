import type { Background } from './background.ts';
import type { Settings } from './config/index.ts';
import type { ApprovalId } from './domain/ids.ts';
import { makeAccessRequests } from './exchange/access-request.ts';
import { makeApply } from './exchange/apply.ts';
import { makeApprovals } from './exchange/approvals.ts';
import { makeArchiveVerbs } from './exchange/archives.ts';
import { makeClaim } from './exchange/claim.ts';
import type { ExchangeContext } from './exchange/context.ts';
import { makeDelegate } from './exchange/delegate.ts';
import { makeEvaluate } from './exchange/evaluate.ts';
import { makeEvidencePack } from './exchange/evidence-pack.ts';
import { makeEvidenceReads } from './exchange/evidence.ts';
import { makeExceptionVerbs } from './exchange/exception-verbs.ts';
import { makeHoldVerbs } from './exchange/holds.ts';
import { makeIntrospect, makeRevokeToken } from './exchange/introspect.ts';
import { makeIssue } from './exchange/issue.ts';
import { makeLiveLimit } from './exchange/live-limit.ts';
import { makeMinting } from './exchange/minting.ts';
import { makeOrders } from './exchange/orders.ts';
import { makeReportOutcome } from './exchange/outcome.ts';
import { makeResolvePrincipal } from './exchange/principal.ts';
import { makeReask } from './exchange/reask.ts';
import { makeRenew } from './exchange/renew.ts';
import { makeClaimOnce, makeIssueOnce, makeReplace } from './exchange/repeat.ts';
import { makeRevoke, makeSettleGrant } from './exchange/revoke.ts';
import { makeSinkVerbs } from './exchange/sinks.ts';
import { makeCreateTaskOnce } from './exchange/task-once.ts';
import { makeTaskOf, makeTaskTokens } from './exchange/task-token.ts';
import { makeCreateTask, makeEndTask, makeListTasks, makeShowTask } from './exchange/tasks.ts';
import { makeTimeline } from './exchange/timeline.ts';
import type { Identities } from './identities.ts';
import type { Keys } from './keyring.ts';
import type { Ledger } from './ledger/index.ts';
import type { Metrics } from './metrics.ts';
import type { makeRulesTools } from './rules-tools.ts';
import type { startSealedLog } from './sealed-log.ts';

export interface VerbsDeps {
  readonly settings: Settings;
  /** The broker's own URL, and the `iss` of what it signs. */
  readonly issuer: string;
  readonly ledger: Ledger;
  readonly tools: ReturnType<typeof makeRulesTools>;
  readonly identities: Identities;
  readonly keys: Keys;
  readonly sealedLog: Awaited<ReturnType<typeof startSealedLog>>;
  readonly background: Background;
  readonly metrics: Metrics;
  readonly approvalUrl: (id: ApprovalId) => string;
  readonly nowMs: () => number;
}

/** Everything that can be asked of the broker, by the router that has it asked. */
export function makeVerbs(context: ExchangeContext, deps: VerbsDeps) {
  const { settings, issuer, ledger, tools, identities, keys, background, metrics, approvalUrl, nowMs } = deps;
  const { clients } = settings;
  const { waiting, wake } = background;
  const settleGrant = makeSettleGrant(context, background.settle);
  const parts = {
    mintAndActivate: makeMinting(context, background.giveUp),
    liveLimit: makeLiveLimit({ limit: settings.limits.liveGrants, count: ledger.grants.liveCount, nowMs }),
  };
  const revoke = makeRevoke(context, settleGrant);
  const replace = makeReplace(context, parts, settleGrant);
  const approvals = makeApprovals(context, waiting);
  const resolvePrincipal = makeResolvePrincipal(context, identities.attestPrincipal);

  const taskTokens = makeTaskTokens({ issuer, clock: context.clock, sign: keys.sign, verify: keys.verify });
  const taskParts = { tokens: taskTokens, limits: { ...settings.tasks, maxOpen: settings.limits.openTasks } };
  const taskOf = makeTaskOf(taskTokens, clients);
  const tasks = {
    resolvePrincipal,
    create: makeCreateTaskOnce(context, taskParts, makeCreateTask(context, taskParts)),
    list: makeListTasks(context),
    show: makeShowTask(context),
    find: ledger.tasks.find,
    end: makeEndTask(context, wake),
  };

  const accessRequests = makeAccessRequests(context, {
    sign: (payload) => keys.sign('denial', payload),
    verify: (token) => keys.verify('denial', token),
    issuer,
    waiting,
  });
  const requestsUrl = `${issuer}/access/v1/requests`;
  const calls = {
    evaluate: makeEvaluate(context, {
      requestable: async (call) => {
        const offer = await accessRequests.offer(call);
        return (
          offer && {
            endpoint: requestsUrl,
            expires_at: offer.expiresAt.toISOString(),
            binding_token: offer.bindingToken,
          }
        );
      },
      clients,
      outcomeUrl: (decision) => `${issuer}/v1/tool-calls/${decision}/outcome`,
      onDecision: metrics.countCall,
    }),
    reportOutcome: makeReportOutcome(context, clients),
    taskOf,
    issuer,
  };

  const tokens = { clients, issuer, verify: keys.verify, tasks: taskTokens };
  return {
    grants: {
      issue: makeIssueOnce(context, makeIssue(context, parts), replace),
      claim: makeClaimOnce(context, makeClaim(context, parts), replace),
      resolvePrincipal,
      approvalUrl,
      approvalOf: ledger.approvals.ofGrant,
      awaitApproval: approvals.ofGrant,
      renew: makeRenew(context, parts),
      revoke,
      find: ledger.grants.find,
      list: ledger.grants.list,
    },
    tasks,
    taskOfHolder: taskTokens.ofHolder,
    token: { delegate: makeDelegate(context, taskParts), attest: identities.attestWorkload, issuer },
    oauth: {
      introspect: makeIntrospect(context, tokens),
      revokeToken: makeRevokeToken(context, tokens, revoke, tasks.end),
      jwks: keys.jwks,
      issuer,
    },
    calls,
    accessRequests: {
      ...accessRequests,
      taskOf,
      reask: makeReask(context, clients),
      requestUrl: (id: ApprovalId) => `${requestsUrl}/${id}`,
    },
    approvals,
    exceptions: makeExceptionVerbs(context),
    orders: makeOrders(context, wake),
    generations: {
      apply: makeApply(context, tools.apply),
      find: ledger.generations.find,
      filesOf: tools.apply.filesOf,
    },
    evidence: makeEvidenceReads(context),
    evidencePack: makeEvidencePack(context, deps.sealedLog.health),
    sinks: makeSinkVerbs(context),
    holds: makeHoldVerbs(context),
    archives: makeArchiveVerbs(context),
    timeline: makeTimeline(context),
  };
}
export type Verbs = ReturnType<typeof makeVerbs>;
